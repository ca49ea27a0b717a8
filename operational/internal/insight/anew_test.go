package insight

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// wear makes a claim one that fell so long ago that it is made anew at the next window.
func (r *rig) wear(id contract.InsightID) {
	r.t.Helper()
	rec := r.records[id]
	st, err := rec.state()
	if err != nil || st.Standing == nil {
		r.t.Fatalf("it does not stand: %s, %v", show(rec.Insight), err)
	}
	st.Standing.Verdicts.Velocity, st.Fell = contract.Fails, patience
	if rec.State, err = st.encode(); err != nil {
		r.t.Fatal(err)
	}
	r.records[id] = rec
}

// alive orders a forecast of the share of customers who have bought anything that are customers still.
func alive(t *testing.T) contract.InsightOrder {
	return contract.InsightOrder{Kind: contract.ForecastInsight, Metric: shipped(t, "share_alive"), Tolerance: 20, Absolute: true,
		Scope: &contract.Condition{Field: "orders", Op: contract.Gte, Value: 1}}
}

// TestForecastAnew: a forecast that is made anew is of the customers who are in its scope by then, as one that is first made then.
func TestForecastAnew(t *testing.T) {
	t.Parallel()
	old, young := newRig(t), newRig(t)
	living(old, 3000)
	living(young, 3000)
	id := old.want(alive(t))
	young.want(alive(t))
	old.until(months[0])
	before := old.insight(id)
	old.wear(id)
	old.until(months[1])
	young.until(months[1])
	got, want := old.insight(id), young.insight(id)
	if got.State != contract.InsightRepublished || want.State != contract.InsightPublished || got.N <= before.N {
		t.Fatalf("before: %s\nanew: %s\nfirst: %s", show(before), show(got), show(want))
	}
	if got.N != want.N || got.Published != want.Published || got.HalfWidth != want.HalfWidth {
		t.Errorf("made anew it is %s, first made then %s", show(got), show(want))
	}
}

// TestForecastNotAnew: where a forecast cannot be made anew, for the value is not known well enough or the model cannot be fitted,
// it goes on standing as it was told of last.
func TestForecastNotAnew(t *testing.T) {
	t.Parallel()
	for left, why := range map[int]string{380: "too few", 40: "no fit"} {
		r := newRig(t)
		living(r, 3000)
		id := r.want(alive(t))
		r.until(months[0])
		r.wear(id)
		before := r.insight(id)
		for c := left; c < 3000; c++ {
			delete(r.customers, identity.Key(fmt.Sprintf("customer-%d", c)))
		}
		r.until(months[1])
		if d := cmp.Diff(before, r.insight(id)); d != "" || before.State != contract.InsightPublished {
			t.Errorf("%s (-before +after):\n%s", why, d)
		}
		st, err := r.records[id].state()
		if err != nil || st.Seen != months[1] || r.smallest[id] < smallestGroup {
			t.Errorf("%s: seen to %s, smallest group %d, %v", why, st.Seen, r.smallest[id], err)
		}
	}
}

// TestBentNotAnew: a change whose value bends too much at the window at which it would be made anew goes on standing as it was told
// of last: what was gathered is of other windows.
func TestBentNotAnew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := moving(1.3)
	s.trade(r, 3, 0, dayOf("2026-03-01"))
	amounts, sum := r.amounts("2026-02-01", "2026-03-01"), 0.
	for _, x := range amounts {
		sum += x
	}
	kink := curvedMetric(fmt.Sprintf("revenue / orders > %.1f ? revenue / orders : 2 * revenue / orders", sum/float64(len(amounts))))
	id := r.want(contract.InsightOrder{Kind: contract.ChangeInsight, Metric: kink, Tolerance: .3, OfLevel: true})
	r.until("2026-02-01")
	r.wear(id)
	before := r.insight(id)
	r.until("2026-03-01")
	if d := cmp.Diff(before, r.insight(id)); d != "" || before.State != contract.InsightPublished {
		t.Errorf("(-before +after):\n%s", d)
	}
}

// TestForgottenByTheFit: what a claim that is over came to is forgotten by its fit, whatever the last message told of the model.
func TestForgottenByTheFit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 2000)
	id := r.want(alive(t))
	r.until(months[0])
	subject := ""
	for s, f := range r.fits {
		if len(f.Claims) == 1 && f.Claims[0].Claim == id {
			subject = s
		}
	}
	if subject == "" {
		t.Fatalf("no fit knows of %s", show(r.insight(id)))
	}
	rec := r.records[id]
	rec.Insight.Model = nil // as where a look finds no fit, or policy lets no value go up
	r.records[id] = rec
	r.orders = nil
	r.until(months[0])
	if i := r.insight(id); i.State != contract.InsightExpired || len(r.fits[subject].Claims) != 0 {
		t.Errorf("%s, and its fit still knows %+v", show(i), r.fits[subject].Claims)
	}
}

// TestSmallestOfModels: of a model of two groups each group's customers who came again, and who did not, can be read; and those of one
// group alone.
func TestSmallestOfModels(t *testing.T) {
	t.Parallel()
	day := func(n int) fact.CustomerDay { return fact.CustomerDay{Day: opening.Add(n), Orders: 1} }
	buyers := func(n, days int, in [2]bool) (out []buyer) {
		for range n {
			b := buyer{in: in}
			for d := range days {
				b.days = append(b.days, day(d))
			}
			b.summary, _ = summarise(b.days, "2026-01-01")
			out = append(out, b)
		}
		return out
	}
	first, second, both := [2]bool{true, false}, [2]bool{false, true}, [2]bool{true, true}
	join := func(lists ...[]buyer) (all []buyer) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	for name, c := range map[string]struct {
		kind   contract.InsightKind
		buyers []buyer
		want   int64
	}{
		"one model":                        {contract.ForecastInsight, join(buyers(50, 1, first), buyers(30, 2, first)), 30},
		"nobody came again":                {contract.ForecastInsight, buyers(50, 1, first), 50},
		"few of the second came again":     {contract.DifferenceInsight, join(buyers(50, 1, first), buyers(50, 2, first), buyers(50, 1, second), buyers(5, 2, second)), 5},
		"few of the first did not":         {contract.DifferenceInsight, join(buyers(4, 1, first), buyers(50, 2, first), buyers(50, 1, second), buyers(50, 2, second)), 4},
		"few are of one group only":        {contract.DifferenceInsight, join(buyers(50, 1, both), buyers(50, 2, both), buyers(3, 1, second), buyers(3, 2, second)), 6},
		"few came again before the change": {contract.ChangeInsight, join(buyers(50, 1, first), buyers(40, 9, first), buyers(7, 20, first)), 7},
	} {
		claim := &claim{order: &contract.InsightOrder{Kind: c.kind}, programs: make([]*metric.Program, 1)}
		if c.kind == contract.DifferenceInsight {
			claim.programs = make([]*metric.Program, 2)
		}
		p := &prognosis{g: &gather{c: claim}, asOf: "2026-01-01", before: opening.Add(1), buyers: c.buyers}
		if c.kind == contract.ChangeInsight {
			p.before = opening.Add(2) // of the 47 who came again, 7 had done so by then
			for i := range p.buyers {
				if b := &p.buyers[i]; len(b.days) == 9 {
					b.days = append(b.days[:1:1], b.days[2:]...)
				}
			}
		}
		if got := p.smallest(); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
