package insight

import (
	"fmt"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/arrival"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// lateShop is a shop in which nothing changes, and of whose orders so many of 25 come so many days late.
type lateShop struct {
	*rig
	later map[contract.Day][]func() // what comes on a day
}

func newLateShop(t *testing.T, customers, weeks, late, days int) *lateShop {
	s := &lateShop{rig: newRig(t), later: map[contract.Day][]func(){}}
	p := plain()
	p.rate = func(int) float64 { return 7 }
	p.customers = customers
	all := newRig(t)
	p.trade(all, 4, 0, 7*weeks+14)
	for key, c := range all.customers {
		for i, f := range c.Facts {
			comes := f.Day
			if (i*7+len(key)*5+int(c.Priority%1000))%25 < late {
				comes = f.Day.Add(days)
			}
			s.later[comes] = append(s.later[comes], func() {
				s.add(string(key), fact.Fact{Source: f.Source, Event: fmt.Sprint(i), Day: f.Day, Amount: f.Amount, Format: f.Format, Trust: f.Trust})
			})
		}
	}
	return s
}

// pass lets a week end, and looks a day later.
func (s *lateShop) pass(n int) { s.passed(n, 0) }

// passed looks so many days after that.
func (s *lateShop) passed(n, days int) {
	end := contract.Day("2025-01-06").Add(7 * n)
	for d := opening; d <= end.Add(days); d = d.Add(1) {
		for _, come := range s.later[d] {
			come()
		}
		delete(s.later, d)
	}
	s.now = end.Add(days + 1).Start(time.UTC)
	s.until(end)
}

// TestLateFacts: at a lateness of a day 92 % of the facts of a week have come when it closes. A stable claim that is judged by that
// is called false; one that waits until 99 % have come is not, is told to wait, and is judged all the same.
func TestLateFacts(t *testing.T) {
	t.Parallel()
	const weeks = 25
	var bins arrival.Bins
	bins[0], bins[14] = 9200, 800 // at once, and within ten days
	curve := arrival.Draw(bins)
	for _, waits := range []bool{false, true} {
		s := newLateShop(t, 2400, weeks, 2, 10)
		if waits {
			s.arrived = func(w metric.Span) float64 {
				return arrival.Share([]arrival.Source{{Curve: curve}}, w.From, w.Until, s.now, time.UTC)
			}
		}
		id := s.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "orders_month"), Grain: contract.GrainWeek, Tolerance: .2, LaterTolerance: .05})
		told, fell := 0, false
		for n := 15; n <= weeks; n++ {
			s.pass(n)
			fell = fell || s.insight(id).Verdicts.Velocity == contract.Fails
			for _, f := range s.insight(id).Findings {
				if f.Question == contract.VelocityOf && f.Arrived != nil {
					told++
				}
			}
		}
		i := s.insight(id)
		if fell == waits {
			t.Errorf("waits %v: fell %v: %s", waits, fell, show(i))
		}
		if waits && (i.Verdicts.Velocity != contract.Holds || told < 6 || len(i.Windows) < weeks-15-3) {
			t.Errorf("it was told %d times that a window is waited for, and %d windows were judged: %s", told, len(i.Windows), show(i))
		}
	}
}

// TestLateStatement: no statement is made of a window of which a tenth is still to come, and none fails by one: the next window is told as
// it is, and judged when it has come.
func TestLateStatement(t *testing.T) {
	t.Parallel()
	const weeks = 3
	var bins arrival.Bins
	bins[0], bins[11] = 8400, 1600 // at once, and within five days
	curve := arrival.Draw(bins)
	for _, waits := range []bool{false, true} {
		s := newLateShop(t, 6000, weeks, 4, 5)
		if waits {
			s.arrived = func(w metric.Span) float64 {
				return arrival.Share([]arrival.Source{{Curve: curve}}, w.From, w.Until, s.now, time.UTC)
			}
		}
		id := s.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "orders_month"), Grain: contract.GrainWeek, Tolerance: .05})
		fell := false
		for n := 1; n <= weeks; n++ {
			s.pass(n)
			i := s.insight(id)
			fell = fell || i.Verdicts.Any(contract.Fails)
			switch w := i.Withheld; {
			case waits && n == 1 && (w == nil || *w != contract.Reason{Code: fault.NoData, Item: incomplete}):
				t.Errorf("published of a week of which a part is to come: %s", show(i))
			case waits && n > 1 && (i.Value > .95*i.Published || i.Verdicts.Volume != contract.Weakening):
				t.Errorf("week %d is not told as it is: %s", n, show(i))
			}
			s.passed(n, 5)
			i = s.insight(id)
			fell = fell || i.Verdicts.Any(contract.Fails)
			if waits && (i.State != contract.InsightPublished || i.Verdicts.Volume != contract.Holds) {
				t.Errorf("week %d has come: %s", n, show(i))
			}
		}
		if fell == waits {
			t.Errorf("waits %v: fell %v: %s", waits, fell, show(s.insight(id)))
		}
	}
}

// TestUnreadIsOfTheClaimsWindow: what could not be read is asked of the days that a claim is about.
func TestUnreadIsOfTheClaimsWindow(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		order contract.InsightOrder
		want  metric.Span
	}{
		"a month":       {contract.InsightOrder{Kind: contract.LevelInsight, Metric: aov(), Tolerance: .2}, metric.Span{From: "2026-01-01", Until: "2026-02-01"}},
		"90 days":       {contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "retention_90d"), Tolerance: .2}, metric.Span{From: "2025-11-03", Until: "2026-02-01"}},
		"two months":    {contract.InsightOrder{Kind: contract.ChangeInsight, Metric: aov(), Tolerance: .5, OfLevel: true}, metric.Span{From: "2025-12-01", Until: "2026-02-01"}},
		"all customers": {contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "repeat_rate"), Tolerance: .2}, metric.Span{Until: "2026-02-01"}},
		"a forecast":    {contract.InsightOrder{Kind: contract.ForecastInsight, Metric: shipped(t, "share_alive"), Tolerance: .2}, metric.Span{Until: "2026-02-01"}},
	} {
		r := newRig(t)
		living(r, 100)
		r.want(c.order)
		r.until("2026-02-01")
		if len(r.asked) != 1 || r.asked[0] != c.want {
			t.Errorf("%s: asked of %v, want %v", name, r.asked, c.want)
		}
	}
}
