package validity

import (
	"fmt"
	"math"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

// A13: 150 geometric looks from 400 to 60,000 at the fall without the top 1 %.
func TestA13Tail(t *testing.T) {
	for _, c := range []struct {
		law
		fall                                         float64 // of the population; 0 where it is not checked
		failsLeast, failsMost, holdsLeast, holdsMost float64
	}{
		{lognormal(1), .083, 0, .01, .99, 1}, {lognormal(2), .369, .99, 1, 0, .01}, {pareto(1.5), 0, 0, 1, 0, .10},
		{spending, .057, 0, .01, .99, 1}, {rate(.05), .010, 0, .01, .99, 1}, {lognormal(1.3), .144, 0, .02, 0, 1},
	} {
		r, failed, held := runs(120, 6), 0, 0
		var last Estimate
		for seed := range r {
			rnd := random(uint64(seed+1), "tail "+c.name)
			var terms []Term
			fails, holds, next := false, false, 0
			for n := 1; n <= 60_000; n++ {
				terms = append(terms, Number(mustFixed(c.draw(rnd))))
				if n < int(400*math.Pow(150, float64(next)/149)) {
					continue
				}
				next++
				fall, tail, err := TailFall(terms, 0, c.bounded)
				if err != nil {
					t.Fatal(err)
				}
				last = fall
				v := Tail(fall, tail, 0, 1).Verdict
				fails, holds = fails || v == contract.Fails, holds || v == contract.Holds
			}
			failed, held = failed+count(fails), held+count(holds)
		}
		if c.fall > 0 {
			near(t, c.name+" fall", last.Value, c.fall, .01+2*last.SD/math.Sqrt(float64(last.N)))
		}
		what := fmt.Sprintf("A13 %s", c.name)
		atMost(t, what+" ever fails", failed, r, c.failsMost)
		atLeast(t, what+" ever fails", failed, r, c.failsLeast)
		atMost(t, what+" ever holds", held, r, c.holdsMost)
		atLeast(t, what+" ever holds", held, r, c.holdsLeast)
	}
}

// The influence function against the standard deviation of the fall itself over fresh samples, for a mean and a ratio.
func TestTailFallStandardError(t *testing.T) {
	const n, r = 4000, 400
	for name, draw := range map[string]func(seed uint64) []Term{
		"mean": func(seed uint64) (terms []Term) {
			rnd := random(seed, "tail mean")
			for range n {
				terms = append(terms, Number(int64(1000*spending.draw(rnd))))
			}
			return terms
		},
		"rate": func(seed uint64) (terms []Term) {
			rnd := random(seed, "tail rate")
			for range n {
				terms = append(terms, Number(int64(rate(.05).draw(rnd))))
			}
			return terms
		},
		"ratio": func(seed uint64) (terms []Term) {
			rnd := random(seed, "tail ratio")
			for range n {
				z := shopper(rnd, []float64{1}, []float64{1})
				terms = append(terms, Term{z[0], z[1]})
			}
			return terms
		},
	} {
		var sum, squares, said float64
		for seed := range r {
			fall, _, err := TailFall(draw(uint64(seed+1)), 0, false)
			if err != nil {
				t.Fatal(err)
			}
			sum += fall.Value / r
			squares += fall.Value * fall.Value / r
			said += fall.SD / math.Sqrt(n) / r
		}
		actual := math.Sqrt(squares - sum*sum)
		if ratio := said / actual; ratio < .88 || ratio > 1.15 {
			t.Errorf("%s: standard error %.5f said, %.5f actual", name, said, actual)
		}
	}
}

// By hand: 200 contributors of 1, two of 100 and 198 who give nothing. The top 1 % are 2.02 contributors.
func TestTailFallByHand(t *testing.T) {
	t.Parallel()
	var terms []Term
	for i := range 400 {
		switch {
		case i < 2:
			terms = append(terms, Number(100))
		case i < 202:
			terms = append(terms, Number(1))
		default:
			terms = append(terms, Number(0))
		}
	}
	fall, tail, err := TailFall(terms, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	left := (400 - 200 - .02*1) / (400 - 2.02)
	near(t, "fall", fall.Value, 1-left, 1e-12)
	if tail != 3 {
		t.Errorf("a tail of %d customers, want 3", tail)
	}
	if f := Tail(fall, tail, 0, 1); f.Verdict != contract.NotEnoughData || f.Reason != Reason(SmallTail) {
		t.Errorf("fewer than 20 in the tail: %+v", f)
	}
}
