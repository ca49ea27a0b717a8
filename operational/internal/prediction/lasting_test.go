package prediction_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/strata-crm/strata/operational/internal/datatest"
	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/operational/internal/purchase"
)

// The grid of CDNOW's cohorts and its repeaters, from reference-values.md, and the time to the second purchase.
func TestCDNOWCohortsAndReturns(t *testing.T) {
	t.Parallel()
	s := service(t, kept(datatest.CDNOW(t)))
	set, err := s.Make(t.Context(), prediction.Request{Kind: prediction.Cohorts, AsOf: "1998-06-30"})
	if err != nil {
		t.Fatal(err)
	}
	grid := set.Summary.Retention
	if set.Rows != nil || set.Summary.N != 23_570 || grid.Until != "1998-06" || len(grid.Months) != 3 || len(grid.Months[0].Active) != 18 {
		t.Fatalf("%+v", set.Summary)
	}
	first := grid.Months[0]
	if c := first.Active[1]; first.Cohort != "1997-01" || first.Customers != 7846 || math.Abs(c.Share-1157./7846) > 1e-12 || c.Low >= c.Share || c.High <= c.Share {
		t.Errorf("the first cohort %s of %d, a month later %+v", first.Cohort, first.Customers, c)
	}
	if set, err = s.Make(t.Context(), prediction.Request{Kind: prediction.Cohorts, AsOf: "1998-06-29"}); err != nil || set.Summary.Retention.Until != "1998-05" {
		t.Errorf("%v, %+v; June is not over", err, set.Summary.Retention)
	}
	if set, err = s.Make(t.Context(), prediction.Request{Kind: prediction.Survival, AsOf: "1998-06-30"}); err != nil {
		t.Fatal(err)
	}
	c := set.Summary.Curve
	if set.Rows != nil || c.Customers != 23_570 || *c.Returned != 11_516 || c.Watched != 545 || c.Median != nil || set.Summary.Groups[0].Key != "returned" {
		t.Errorf("%d of %d came back; watched %g days, median %+v", *c.Returned, c.Customers, c.Watched, c.Median)
	}
	for i, p := range c.Points {
		if p.Low > p.Not || p.High < p.Not || i > 0 && (p.Not > c.Points[i-1].Not || p.Days <= c.Points[i-1].Days) {
			t.Errorf("point %d: %+v after %+v", i, p, c.Points[max(0, i-1)])
		}
	}
	if h := set.Summary.Model.HoldOut; h.Customers != 0 { // nobody new came in the last half year
		t.Errorf("%+v", h)
	}
}

// stream is customers who come all year and buy again after an exponential time with a mean of 60 days, or, 3 in 10, never.
func stream(n int, seed uint64) kept {
	rng := rand.New(rand.NewPCG(seed, 1))
	var all kept
	for i := range n {
		first := purchase.Day(rng.IntN(700))
		h := purchase.History{Customer: fmt.Sprintf("%05d", i), Visits: []purchase.Visit{{Day: first, Minor: 1000}}}
		if rng.Float64() < .7 {
			if again := first + 1 + purchase.Day(rng.ExpFloat64()*60); again < 730 {
				h.Visits = append(h.Visits, purchase.Visit{Day: again, Minor: 1000})
			}
		}
		all = append(all, h)
	}
	return all
}

func TestReturnsWithCustomersStillWatched(t *testing.T) {
	t.Parallel()
	const seed = 11
	set, err := service(t, stream(4000, seed)).Make(t.Context(), prediction.Request{Kind: prediction.Survival, AsOf: "1971-12-31"})
	if err != nil {
		t.Fatal(err)
	}
	c := set.Summary.Curve
	for _, p := range c.Points { // the truth, which counting without regard to who was watched how long would miss
		if want := 1 - .7*(1-math.Exp(-p.Days/60)); math.Abs(p.Not-want) > .04 {
			t.Errorf("seed %d: after %g days %.3f, want %.3f", seed, p.Days, p.Not, want)
		}
	}
	if want := 60 * math.Log(.7/.2); c.Median == nil || math.Abs(c.Median.Days-want) > 8 || *c.Median.Low > want || *c.Median.High < want {
		t.Errorf("seed %d: the median %+v, want %.1f days", seed, c.Median, want)
	}
	h := set.Summary.Model.HoldOut
	if p, a := h.Measures["predicted"], h.Measures["actual"]; h.Customers < 700 || math.Abs(p-a) > .1*a {
		t.Errorf("seed %d: held out %+v", seed, h)
	}
}

// What few did is told neither in the curve nor in the grid, nor can it be worked out from what is.
func TestFewAreNotToldOf(t *testing.T) {
	t.Parallel()
	var all kept
	add := func(n int, days ...purchase.Day) {
		for range n {
			h := purchase.History{Customer: fmt.Sprintf("%05d", len(all))}
			for _, d := range days {
				h.Visits = append(h.Visits, purchase.Visit{Day: d, Minor: 100})
			}
			all = append(all, h)
		}
	}
	add(40, 3)     // January, never again
	add(12, 3, 40) // and again in February
	add(5, 3, 70)  // and again in March
	add(7, 33)     // February: too few
	add(20, 62)    // March
	set, err := service(t, all).Make(t.Context(), prediction.Request{Kind: prediction.Cohorts, AsOf: "1970-03-31"})
	if err != nil {
		t.Fatal(err)
	}
	told := set.Summary.Retention.Months
	if len(told) != 1 || told[0].Cohort != "1970-01" { // February is too small, and March would give it away
		t.Fatalf("%+v", told)
	}
	if a := told[0].Active; len(a) != 3 || a[0].Share != 1 || a[1] == nil || math.Abs(a[1].Share-12./57) > 1e-12 || a[2] != nil {
		t.Errorf("%+v; five who bought in March are too few", a)
	}
	set, err = service(t, all).Make(t.Context(), prediction.Request{Kind: prediction.Survival, AsOf: "1970-03-31"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range set.Summary.Curve.Points {
		if p.Days < 67 && p.Days >= 37 { // 12 of 17, and the other five could be counted
			t.Errorf("%+v is told", p)
		}
	}
}
