package insight

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/shared/contract"
)

// shop is a simulated one with known truth: every customer buys about once in two weeks, at their own level.
type shop struct {
	customers int
	level     func(day int) float64 // of an order's amount
	rate      func(day int) float64 // of orders
	origin    func(customer int, r *rand.Rand) (format, trust string)
	factor    func(format, trust string) float64 // on amounts of what came so
}

func plain() shop {
	one := func(int) float64 { return 1 }
	return shop{3000, one, one, func(int, *rand.Rand) (string, string) { return "file", verified }, func(string, string) float64 { return 1 }}
}

var opening = contract.Day("2025-01-01") // a Wednesday

// trade adds the orders of some days.
func (s shop) trade(r *rig, seed uint64, from, until int) {
	for c := range s.customers {
		own := rand.New(rand.NewPCG(seed, uint64(c)))
		basket, appetite := math.Exp(3+.4*own.NormFloat64()), .5+own.Float64()
		for day := 0; day < until; day++ {
			buys := own.Float64() < appetite*s.rate(day)/14
			amount := basket * math.Exp(.3*own.NormFloat64()) * s.level(day)
			format, trust := s.origin(c, own)
			if day < from || !buys {
				continue
			}
			r.add(fmt.Sprintf("customer-%d", c), fact.Fact{Source: "shop", Event: fmt.Sprintf("%d-%d", c, day), Day: opening.Add(day),
				Amount: cents(amount * s.factor(format, trust)), Format: format, Trust: trust})
		}
	}
}

func cents(x float64) *int64 {
	n := int64(math.Round(100 * x))
	return &n
}

// aov is the average order value over any window.
func aov() contract.Definition {
	return contract.Definition{ID: "order_value", Version: "1.0.0", Type: contract.RatioOf, Unit: contract.Money,
		Measures: []contract.Measure{{Name: "revenue", Agg: contract.Sum, Entity: contract.CustomerDay, Field: "revenue"},
			{Name: "orders", Agg: contract.Sum, Entity: contract.CustomerDay, Field: "orders"}},
		Numerator: "revenue", Denominator: "orders", Parameters: []contract.ParameterName{contract.ParamOrderAmount}}
}

func twoWays(share float64) func(int, *rand.Rand) (string, string) {
	return func(_ int, r *rand.Rand) (string, string) {
		if r.Float64() < share {
			return "survey", verified
		}
		return "file", verified
	}
}

// week returns the day on which the nth week after the first year ends; weeks begin on Monday.
func week(n int) contract.Day { return contract.Day("2026-01-05").Add(7 * n) }

func dayOf(d contract.Day) int { return d.Sub(opening) }

// levels examines the order value week by week after a year, and returns it after some weeks.
func levels(t *testing.T, s shop, weeks int) (*rig, contract.Insight) {
	t.Helper()
	r := newRig(t)
	s.trade(r, 1, 0, dayOf(week(weeks)))
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: aov(), Grain: contract.GrainMonth, Tolerance: .10})
	r.until("2026-01-01")
	if i := r.insight(id); i.State != contract.InsightPublished {
		t.Fatalf("after a year: %s", show(i))
	}
	for m := time.February; contract.DayOf(time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC), time.UTC) <= week(weeks); m++ {
		r.until(contract.DayOf(time.Date(2026, m, 1, 0, 0, 0, 0, time.UTC), time.UTC))
		t.Log(show(r.insight(id)))
	}
	return r, r.insight(id)
}

func TestAllFiveHold(t *testing.T) {
	t.Parallel()
	s := plain()
	s.origin = twoWays(.3)
	_, i := levels(t, s, 26)
	if !i.Verdicts.All(contract.Holds) || i.Alarm {
		t.Errorf("a shop in which nothing changes: %s", show(i))
	}
	if i.Bounded == nil || *i.Bounded {
		t.Error("an order's value is told to have bounds")
	}
	if len(i.Windows) < 6 || len(i.Formats) != 2 || i.Tail == nil || i.Tail.Spread == nil || len(i.Looks) == 0 || i.Window == nil {
		t.Errorf("what it rests on is %d windows, formats %+v, tail %+v, %d looks, window %+v", len(i.Windows), i.Formats, i.Tail, len(i.Looks), i.Window)
	}
}

func TestLevelMoves(t *testing.T) {
	t.Parallel()
	s := plain()
	s.level = func(day int) float64 {
		if day >= dayOf("2026-02-01") {
			return 1.25
		}
		return 1
	}
	_, i := levels(t, s, 16)
	if i.Verdicts.Volume != contract.Fails || i.Verdicts.Velocity != contract.Fails || !i.Alarm {
		t.Errorf("after a rise of a quarter: %s", show(i))
	}
}

func TestFormatDisagrees(t *testing.T) {
	t.Parallel()
	s := plain()
	s.origin = twoWays(.3)
	s.factor = func(format, _ string) float64 {
		if format == "survey" {
			return 1.6
		}
		return 1
	}
	_, i := levels(t, s, 10)
	if i.Verdicts.Variety != contract.Fails || i.Verdicts.Volume != contract.Holds {
		t.Errorf("one of two formats tells of 60 %% more: %s", show(i))
	}
}

func TestUnverifiedSource(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		share, factor float64
		want          contract.Verdict
	}{"small": {.02, 1, contract.Holds}, "large": {.2, 1, contract.Weakening}, "large and wrong": {.2, 2, contract.Fails}} {
		s := plain()
		s.origin = func(_ int, r *rand.Rand) (string, string) {
			if r.Float64() < c.share {
				return "call", "unknown"
			}
			return "call", verified
		}
		s.factor = func(_, trust string) float64 {
			if trust == verified {
				return 1
			}
			return c.factor
		}
		_, i := levels(t, s, 5)
		if i.Verdicts.Veracity != c.want || i.Unknown == nil || i.Unknown.Tipping == nil {
			t.Errorf("%s: %s, %+v; want %s", name, show(i), i.Unknown, c.want)
		}
	}
}

// TestABadLineHoldsUpNoOther: a forecast whose fits cannot be made waits, and the round says so; another goes on.
func TestABadLineHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 2000)
	good := r.want(contract.InsightOrder{Kind: contract.ForecastInsight, Metric: shipped(t, "share_alive"), Tolerance: 20, Absolute: true})
	bad := r.want(contract.InsightOrder{Kind: contract.ForecastInsight, Metric: shipped(t, "share_alive"), Tolerance: 20, Absolute: true, Scope: &contract.Condition{Field: "orders", Op: contract.Gte, Value: 1}})
	r.broken, r.complete = errors.New("broken"), months[0]
	if err := r.engine.Round(t.Context()); !errors.Is(err, r.broken) {
		t.Errorf("the round says %v", err)
	}
	if _, told := r.records[bad]; told || r.insight(good).State != contract.InsightPublished {
		t.Errorf("told of the bad one: %v; the good one is %s", told, show(r.insight(good)))
	}
	r.broken = nil
	r.until(months[0])
	if r.insight(bad).State != contract.InsightPublished {
		t.Errorf("mended, it is %s", show(r.insight(bad)))
	}
}

// TestAForecastWaitsForItsFit: a window that is complete only when the fits have been brought up to date is looked at in the next
// round, when there is one for it.
func TestAForecastWaitsForItsFit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 2000)
	id := r.want(contract.InsightOrder{Kind: contract.ForecastInsight, Metric: shipped(t, "share_alive"), Tolerance: 20, Absolute: true})
	r.complete, r.next = slices.Min(slices.Collect(maps.Keys(r.touched))), months[0]
	for range 2 {
		if err := r.engine.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if i := r.insight(id); i.AsOf != months[0].Start(time.UTC) || i.Model == nil || i.Model.Fit != 1 {
		t.Errorf("it is %s, resting on %+v; want the first fit", show(i), i.Model)
	}
}

// TestFallenIsMadeAnew: a claim that fell stays so for three windows, and is then made anew and counted.
func TestFallenIsMadeAnew(t *testing.T) {
	t.Parallel()
	s := plain()
	s.level = func(day int) float64 {
		if day >= dayOf("2026-02-01") {
			return 1.5
		}
		return 1
	}
	r, i := levels(t, s, 32)
	if i.State != contract.InsightRepublished || i.Republished != 1 || i.Verdicts.Any(contract.Fails) || i.Published < 1.3*2000 {
		t.Errorf("half a year after a rise by half: %s", show(i))
	}
	r.orders[0].Insights[0].Tolerance = .11
	r.until(r.complete)
	if j := r.insight(i.ID); j.Republished != 2 {
		t.Errorf("under another order it is %s, republished %d times, want 2", show(j), j.Republished)
	}
	orders := r.orders
	r.orders, r.unknown = nil, true
	r.until(r.complete)
	if j := r.insight(i.ID); j.State != contract.InsightRepublished {
		t.Errorf("before its directive is known again it is %s", show(j))
	}
	r.unknown = false
	r.until(r.complete)
	if j := r.insight(i.ID); j.State != contract.InsightExpired || j.Value != 0 || j.N != 0 || r.smallest[i.ID] != 0 {
		t.Errorf("after its directive it is %s", show(j))
	}
	r.orders = orders
	r.until(r.complete)
	if j := r.insight(i.ID); j.State != contract.InsightRepublished || j.Republished != 3 {
		t.Errorf("ordered once more it is %s, republished %d times, want 3", show(j), j.Republished)
	}
}
