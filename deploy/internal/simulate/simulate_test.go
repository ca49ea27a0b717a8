package simulate_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/strata-crm/strata/deploy/internal/simulate"
)

func TestTheSameSeedMakesTheSameShop(t *testing.T) {
	t.Parallel()
	var a, b, c bytes.Buffer
	for out, seed := range map[*bytes.Buffer]uint64{&a: 7, &b: 7, &c: 8} {
		if err := simulate.Write(out, simulate.Default(1500, seed).Orders()); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) || bytes.Equal(a.Bytes(), c.Bytes()) {
		t.Error("the file depends on something else than the seed, or not on the seed")
	}
}

// What comes out has to be what was put in: moments that the formulas give, within four standard errors.
func TestOrdersFollowTheTruth(t *testing.T) {
	t.Parallel()
	s := simulate.Default(20000, 3)
	t.Log("seed", s.Seed)
	orders := s.Orders()
	var sum, squares float64
	var zero, same int
	seen := map[simulate.Order]bool{}
	for _, o := range orders {
		if o.Day.Before(s.First) || o.Day.After(s.Last) {
			t.Fatalf("an order on %s", o.Day)
		}
		if o.Cents == 0 {
			zero++
			continue
		}
		if seen[o] {
			same++
		}
		seen[o] = true
	}
	n := 0.0
	first := map[int]bool{}
	for _, o := range orders { // one order of each customer: their mean spend is p·gamma/(q−1)
		if first[o.Customer] || o.Cents == 0 {
			continue
		}
		first[o.Customer] = true
		v := float64(o.Cents) / 100
		sum, squares, n = sum+v, squares+v*v, n+1
	}
	mean := sum / n
	want := s.Truth.P * s.Truth.Gamma / (s.Truth.Q - 1)
	if se := math.Sqrt((squares/n - mean*mean) / n); math.Abs(mean-want) > 4*se {
		t.Errorf("mean spend %.3f ± %.3f, want %.3f", mean, se, want)
	}
	for what, share := range map[string][2]float64{
		"zero orders": {float64(zero), s.Zero}, "identical rows": {float64(same), s.Twice},
	} {
		expected := share[1] * float64(len(orders))
		if math.Abs(share[0]-expected) > 5*math.Sqrt(expected) {
			t.Errorf("%s: %.0f, expected about %.0f", what, share[0], expected)
		}
	}
}

func TestAShopTooSmallForAModelIsRefused(t *testing.T) {
	t.Parallel()
	if simulate.Default(100, 1).Check() == nil || simulate.Default(3000, 1).Check() != nil {
		t.Error("the limit of 1,500 customers is not kept")
	}
}
