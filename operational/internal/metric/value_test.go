package metric

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func near(t *testing.T, what string, got *float64, want, within float64) {
	t.Helper()
	if got == nil || math.Abs(*got-want) > within {
		t.Errorf("%s is %v, want %v ± %v", what, got, want, within)
	}
}

// compiled returns the program of a shipped metric.
func compiled(t *testing.T, m contract.MetricID) *Program {
	t.Helper()
	for _, d := range shipped(t) {
		if d.ID == m {
			p, why := Compile(monthly(d), Calendar{time.Monday})
			if why != nil {
				t.Fatalf("%s: %+v", m, *why)
			}
			return p
		}
	}
	t.Fatalf("%s is not shipped", m)
	return nil
}

// of returns the moments of customers whose contributions are given, each with how many have them.
func of(zs map[[3]float64]int, measures int) Group {
	g := Group{Sums: make([]float64, measures), Products: make([][]float64, measures)}
	for i := range g.Products {
		g.Products[i] = make([]float64, measures)
	}
	for z, n := range zs {
		if z[measures-1] != 0 {
			g.N += int64(n)
		}
		if z[0] != 0 {
			g.Having += int64(n)
		}
		for i := range measures {
			g.Sums[i] += float64(n) * z[i]
			for j := range measures {
				g.Products[i][j] += float64(n) * z[i] * z[j]
			}
		}
	}
	return g
}

func TestWilson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ y, n, low, high float64 }{
		{600, 800, .719, .779}, {72, 90, .7061, .8694}, {0, 20, 0, .1611}, {20, 20, .8389, 1},
	} {
		low, high := Wilson(c.y, c.n)
		near(t, "the lower limit", &low, c.low, .0005)
		near(t, "the upper limit", &high, c.high, .0005)
	}
}

func TestShare(t *testing.T) {
	t.Parallel()
	r := compiled(t, "repeat_rate").valued(of(map[[3]float64]int{{1, 1}: 600, {0, 1}: 200}, 2))
	near(t, "the share", r.Value, .75, 1e-12)
	near(t, "its standard error", r.StdErr, math.Sqrt(.75*.25/800), 1e-9)
	near(t, "its lower limit", r.Low, .719, .0005)
	near(t, "its upper limit", r.High, .779, .0005)
	if r.N != 800 || *r.Numerator != 600 || *r.Denominator != 800 || r.Smallest != 200 {
		t.Errorf("it is %v of %v over %d customers, with a smallest group of %d; want 600 of 800, 800, 200", *r.Numerator, *r.Denominator, r.N, r.Smallest)
	}
}

func TestNPS(t *testing.T) {
	t.Parallel()
	r := compiled(t, "nps_month").valued(of(map[[3]float64]int{{1, 0, 1}: 50, {0, 0, 1}: 30, {0, 1, 1}: 20}, 3))
	near(t, "the score", r.Value, 30, 1e-9)
	near(t, "its standard error", r.StdErr, 7.810, .001) // 100 √((.5 + .2 − .3²)/100)
	near(t, "its upper limit", r.High, 45.3, .05)
	near(t, "its lower limit", r.Low, 14.7, .05)
	known := compiled(t, "nps_month").valued(of(map[[3]float64]int{{1, 0, 1}: 8, {0, 0, 1}: 9, {0, 1, 1}: 22}, 3))
	near(t, "the score of 8, 9 and 22", known.Value, -35.897, .001)
	near(t, "its standard error", known.StdErr, 12.8, .05)
}

// TestRatioOfSums: ten customers with one order of 10, ten with three orders of 20 in all. By hand: 300/40 = 7.5; the
// residuals y − 7.5 x are 2.5 and −2.5, so the standard error is √(20 · 6.25)/40.
func TestRatioOfSums(t *testing.T) {
	t.Parallel()
	r := compiled(t, "average_order_value_month").valued(of(map[[3]float64]int{{10, 1}: 10, {20, 3}: 10}, 2))
	near(t, "the ratio", r.Value, 7.5, 1e-12)
	near(t, "its standard error", r.StdErr, math.Sqrt(125)/40, 1e-8)
	near(t, "its lower limit", r.Low, 7.5-1.959964*math.Sqrt(125)/40, 1e-5)
	if r.N != 20 || r.Smallest != 20 {
		t.Errorf("it rests on %d customers with a smallest group of %d, want 20 and 20", r.N, r.Smallest)
	}
}

// TestSum: the error of a sum over customers who arrive by chance is √Σz².
func TestSum(t *testing.T) {
	t.Parallel()
	r := compiled(t, "revenue_month").valued(of(map[[3]float64]int{{300}: 4, {400}: 9}, 1))
	near(t, "the sum", r.Value, 4800, 0)
	near(t, "its standard error", r.StdErr, math.Sqrt(4*300*300+9*400*400), 1e-6)
}

func TestNothing(t *testing.T) {
	t.Parallel()
	for m, measures := range map[contract.MetricID]int{"repeat_rate": 2, "average_order_value_month": 2, "nps_month": 3} {
		r := compiled(t, m).valued(of(nil, measures))
		if r.Value != nil || r.Reason == nil || r.Reason.Code != fault.ZeroDenominator || r.Denominator != nil || r.Smallest != 0 {
			t.Errorf("%s of nobody is %+v, want no value, zero_denominator", m, r)
		}
	}
	if r := compiled(t, "new_customers_month").valued(of(nil, 1)); r.Value == nil || *r.Value != 0 || r.Smallest != 0 {
		t.Errorf("no new customers are %+v, want exactly 0, about nobody", r)
	}
}

// TestSmallest: a ratio tells of those in its numerator, and a share also of those who are not.
func TestSmallest(t *testing.T) {
	t.Parallel()
	money := &Program{c: monthly(contract.Definition{Unit: contract.Ratio}), ratio: true, measures: []Measure{{Field: "revenue"}, {Field: "revenue"}}}
	for name, c := range map[string]struct {
		p    *Program
		zs   map[[3]float64]int
		want int64
	}{
		"one customer's money":               {money, map[[3]float64]int{{900, 900}: 1, {0, 100}: 50}, 1},
		"nobody's money":                     {money, map[[3]float64]int{{0, 100}: 50}, 50},
		"more than the year before":          {money, map[[3]float64]int{{300, 100}: 50, {0, 100}: 3}, 50},
		"those who did not come back":        {compiled(t, "repeat_rate"), map[[3]float64]int{{1, 1}: 40, {0, 1}: 4}, 4},
		"orders of the customers who bought": {compiled(t, "average_order_value_month"), map[[3]float64]int{{500, 2}: 20, {0, 1}: 2}, 20},
	} {
		c.p.value = quotient
		if got := c.p.valued(of(c.zs, 2)); got.Smallest != c.want {
			t.Errorf("%s: the smallest group is %d, want %d", name, got.Smallest, c.want)
		}
	}
}

func TestCell(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		numerator, denominator float64
		want                   int64
	}{{0, 12, 12}, {12, 12, 12}, {9, 100, 9}, {91, 100, 9}, {10, 100, 10}, {90, 100, 10}, {1, 2, 1}} {
		if got := cell(c.numerator, c.denominator); got != c.want {
			t.Errorf("the smallest group of %v of %v is %d, want %d", c.numerator, c.denominator, got, c.want)
		}
	}
}

func share2(key string, back, base float64) Group {
	return Group{Key: key, N: int64(base), Having: int64(back), Sums: []float64{back, base}, Products: [][]float64{{back, back}, {back, base}}}
}

func TestParts(t *testing.T) {
	t.Parallel()
	share := compiled(t, "month_on_month_retention")
	for name, c := range map[string]struct {
		groups []Group
		least  int64
		want   []contract.Part
	}{
		"all large":                   {[]Group{share2("a", 20, 50), share2("b", 10, 20)}, 10, []contract.Part{{Key: "a", N: 50, Value: .4}, {Key: "b", N: 20, Value: .5}}},
		"exactly none and all":        {[]Group{share2("a", 0, 10), share2("b", 10, 10)}, 10, []contract.Part{{Key: "a", N: 10}, {Key: "b", N: 10, Value: 1}}},
		"a small whole hides":         {[]Group{share2("a", 20, 50), share2("b", 5, 9)}, 10, nil},
		"a small numerator hides":     {[]Group{share2("a", 20, 50), share2("b", 9, 30)}, 10, nil},
		"a small complement hides":    {[]Group{share2("a", 20, 50), share2("b", 21, 30)}, 10, nil},
		"small ones are put together": {[]Group{share2("a", 20, 50), share2("b", 5, 15), share2("c", 6, 15)}, 10, []contract.Part{{Key: "a", N: 50, Value: .4}, {Key: "other", N: 30, Value: 11. / 30}}},
		"the directive wants more":    {[]Group{share2("a", 20, 50), share2("b", 10, 20)}, 15, nil},
		"a group without a base":      {[]Group{share2("a", 20, 50), share2("b", 0, 0)}, 10, []contract.Part{{Key: "a", N: 50, Value: .4}}},
	} {
		if d := cmp.Diff(c.want, share.parts(c.groups, c.least), cmpopts.EquateApprox(0, 1e-12)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestCoarsen(t *testing.T) {
	t.Parallel()
	half, most := 1.0, 2.0
	for _, c := range []struct {
		n           int64
		median, p90 bool
	}{{19, false, false}, {20, true, false}, {99, true, false}, {100, true, true}} {
		r := Result{N: c.n, Median: &half, P90: &most}
		r.coarsen(10)
		if (r.Median != nil) != c.median || (r.P90 != nil) != c.p90 {
			t.Errorf("of %d customers median %v and p90 %v are told, want %v and %v", c.n, r.Median != nil, r.P90 != nil, c.median, c.p90)
		}
	}
}

// asking counts an order a day and notes the days it was asked for.
type asking struct {
	Warehouse
	spans []Span
}

func (a *asking) Quality(_ context.Context, s Span) (Quality, error) {
	a.spans = append(a.spans, s)
	return Quality{Orders: 10, WithAmount: 9, WithItems: 8, ZeroAmount: 7, Identical: 6}, nil
}

// TestQualityIsOfTheDaysThatAMetricRestsOn checks that a metric over 90 days is not told by the orders of a month.
func TestQualityIsOfTheDaysThatAMetricRestsOn(t *testing.T) {
	t.Parallel()
	march := Span{From: "1998-03-01", Until: "1998-04-01"}
	for id, want := range map[contract.MetricID][]Span{
		"revenue_month":        {march},
		"revenue_90d":          {{From: "1998-01-01", Until: "1998-04-01"}},
		"revenue_year_to_date": {{From: "1998-01-01", Until: "1998-04-01"}},
		"revenue_on_year":      {{From: "1997-03-01", Until: "1997-04-01"}, march},
		"repeat_rate":          {{Until: "1998-04-01"}},
	} {
		var a asking
		q, err := compiled(t, id).orders(t.Context(), &a, march)
		n := int64(len(want))
		if err != nil || q != (Quality{10 * n, 9 * n, 8 * n, 7 * n, 6 * n}) || !slices.Equal(a.spans, want) {
			t.Errorf("%s: %+v of %v, %v; want of %v", id, q, a.spans, err, want)
		}
	}
}

func TestQuality(t *testing.T) {
	t.Parallel()
	d := &contract.Definition{Parameters: []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderAmount, contract.ParamOrderItems}}
	for name, c := range map[string]struct {
		q    Quality
		want contract.Quality
	}{
		"plain": {Quality{Orders: 100, WithAmount: 80, WithItems: 100, ZeroAmount: 12, Identical: 10},
			contract.Quality{Coverage: map[contract.ParameterName]float64{"customer_id": 1, "order_amount": .8, "order_items": 1}, Suspects: map[string]int64{"zero_amount": 12, "identical_rows": 10}}},
		"few lack, few have, few are odd": {Quality{Orders: 100, WithAmount: 97, WithItems: 9, ZeroAmount: 9, Identical: 1},
			contract.Quality{Coverage: map[contract.ParameterName]float64{"customer_id": 1, "order_amount": .9, "order_items": 0}, Suspects: map[string]int64{}}},
		"few orders": {Quality{Orders: 9, WithAmount: 9}, contract.Quality{Coverage: map[contract.ParameterName]float64{}}},
	} {
		if diff := cmp.Diff(c.want, quality(d, c.q, 10)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestModelsRefused(t *testing.T) {
	t.Parallel()
	few := make([]btyd.Summary, 40)
	for i := range few {
		few[i] = btyd.Summary{X: float64(i % 2), Tx: float64(i%2) * 3, T: 12, Spend: float64(i%2) * 1000, Count: 1}
	}
	for _, m := range []contract.MetricID{"predicted_value_52w", "share_alive"} {
		r, err := compiled(t, m).modelled(few, btyd.DefaultGates(), 10)
		if err != nil || r.Value != nil || r.Reason == nil || r.Reason.Code != fault.ModelNotIdentified || r.N != 40 {
			t.Errorf("%s on 12 weeks is %+v, %v; want model_not_identified over 40 customers", m, r, err)
		}
		r, err = compiled(t, m).modelled(nil, btyd.DefaultGates(), 10)
		if err != nil || r.Value != nil || r.Reason == nil || r.Reason.Code != fault.NoData {
			t.Errorf("%s without customers is %+v, %v; want no_data_yet", m, r, err)
		}
	}
}

// TestModelsKeepTheirValue: a handful of customers who never came again are not told of, and do not take the value of all away.
func TestModelsKeepTheirValue(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ repeaters, n, want int64 }{{795, 800, 790}, {800, 800, 800}, {700, 800, 700}, {5, 800, 0}, {0, 800, 0}} {
		if got := coarse(c.repeaters, c.n, 10); got != c.want {
			t.Errorf("%d of %d are told as %d, want %d", c.repeaters, c.n, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(7, 1))
	all := make([]btyd.Summary, 800)
	for i := range all {
		all[i] = btyd.Summary{T: 40, Count: 1}
		for i >= 5 && all[i].X == 0 {
			all[i] = buying(rng, 40)
		}
	}
	r, err := compiled(t, "share_alive").modelled(all, btyd.DefaultGates(), 10)
	if err != nil || r.Value == nil || r.Smallest != 800 || r.Model.Repeaters != 790 {
		t.Errorf("795 of 800 came again: %+v, %v; want a value that tells of 800, and 790 who came again", r, err)
	}
}

// buying draws a customer who buys at a rate of their own and leaves with a chance of their own.
func buying(rng *rand.Rand, weeks float64) btyd.Summary {
	s := btyd.Summary{T: weeks, Spend: 1000, Count: 1}
	rate, leaves := (rng.ExpFloat64()+rng.ExpFloat64())/6, rng.Float64()*rng.Float64()
	for at := rng.ExpFloat64() / rate; at < weeks; at += rng.ExpFloat64() / rate {
		s.X, s.Tx = s.X+1, at
		if rng.Float64() < leaves {
			break
		}
	}
	return s
}

// TestModelsSayWhatTheyLack: weeks, or customers who came again, with the figures.
func TestModelsSayWhatTheyLack(t *testing.T) {
	t.Parallel()
	lack := func(weeks float64, repeaters int) contract.Reason {
		all := make([]btyd.Summary, 100)
		for i := range all {
			all[i] = btyd.Summary{T: weeks, Count: 1}
			if i < repeaters {
				all[i].X, all[i].Tx = 1, weeks/2
			}
		}
		r, err := compiled(t, "share_alive").modelled(all, btyd.DefaultGates(), 10)
		if err != nil || r.Reason == nil {
			t.Fatalf("%+v, %v", r, err)
		}
		return *r.Reason
	}
	code := contract.Reason{Code: fault.ModelNotIdentified, Item: contract.RepeatCustomers}
	for name, c := range map[string]struct{ got, want contract.Reason }{
		"weeks":            {lack(12, 50), contract.Reason{Code: fault.ModelNotIdentified, Item: "mbg_nbd"}.Figures(12, 13)},
		"repeaters":        {lack(20, 50), code.Figures(50, 500)},
		"a few of them":    {lack(20, 3), code.Figures(0, 500)},
		"a few are others": {lack(20, 97), code.Figures(90, 500)},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}
