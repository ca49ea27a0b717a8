package contract

import (
	"math"
	"testing"
)

func TestLimitsFollowWhatWasSeen(t *testing.T) {
	t.Parallel()
	inf := math.Inf(1)
	for name, c := range map[string]struct {
		unit      Unit
		seen      []float64
		low, high float64
	}{
		"a share":                   {Ratio, []float64{.2, math.NaN(), .3}, 0, 1},
		"a ratio above one":         {Ratio, []float64{.9, 1.12}, 0, inf},
		"a change that was below 0": {Ratio, []float64{.1, -.05}, -inf, inf},
		"money":                     {Money, []float64{500}, 0, inf},
		"money after refunds":       {Money, []float64{-500}, -inf, inf},
		"a score":                   {Points, []float64{12}, -inf, inf},
		"nothing seen":              {Count, nil, 0, inf},
	} {
		if low, high := c.unit.Limits(c.seen...); low != c.low || high != c.high {
			t.Errorf("%s: %v to %v, want %v to %v", name, low, high, c.low, c.high)
		}
	}
}

func TestShareIsOnlyWhatIsProvenToBeOne(t *testing.T) {
	t.Parallel()
	count := func(name string, filter *Condition) Measure {
		return Measure{Name: name, Agg: CountRows, Entity: "customer", Filter: filter}
	}
	some := &Condition{Field: "purchase_days", Op: Gte, Value: 2.0}
	sum := Measure{Name: "a", Agg: Sum, Entity: "customer_day", Field: "revenue"}
	earlier := sum
	earlier.Name, earlier.Offset = "b", &Offset{1, GrainYear}
	ratio := func(ms ...Measure) Definition {
		return Definition{Type: RatioOf, Unit: Ratio, Measures: ms, Numerator: ms[0].Name, Denominator: ms[1].Name}
	}
	for name, c := range map[string]struct {
		d    Definition
		want bool
	}{
		"retention":                     {Definition{Type: RetentionOf}, true},
		"conversion":                    {Definition{Type: Conversion}, true},
		"share alive":                   {Definition{Type: ModelOf, Model: &ModelSpec{Output: "share_alive"}}, true},
		"expected value":                {Definition{Type: ModelOf, Model: &ModelSpec{Output: "residual_value"}}, false},
		"some of all":                   {ratio(count("a", some), count("b", nil)), true},
		"all by some":                   {ratio(count("a", nil), count("b", some)), false},
		"revenue against a year ago":    {ratio(sum, earlier), false},
		"growth":                        {Definition{Type: Derived, Unit: Ratio, Expression: "a / b - 1"}, false},
		"a denominator that is missing": {Definition{Type: RatioOf, Measures: []Measure{sum}, Numerator: "a", Denominator: "b"}, false},
	} {
		if got := c.d.Share(); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
