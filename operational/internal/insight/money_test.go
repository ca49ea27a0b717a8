package insight

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

// wealthy adds customers who each spend about so much, in minor units, in every month of 2025: January to December.
func wealthy(r *rig, customers int, spend float64) {
	for c := range customers {
		x := rand.New(rand.NewPCG(3, uint64(c)))
		for m := 1; m <= 12; m++ {
			r.add(fmt.Sprint(c), order(contract.Day(fmt.Sprintf("2025-%02d-10", m)), int64(spend*math.Exp(.3*x.NormFloat64()))))
		}
	}
}

// TestLargeMoney: money of ten million orders in a month is told to the cent, and no move is seen in it that was none.
func TestLargeMoney(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	wealthy(r, 2000, 1e7) // 2000 customers with 5,000 orders of 20.00 each
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "revenue_month"), Tolerance: .10})
	r.until("2025-12-01")
	published := r.insight(id)
	r.until("2026-01-01")
	i := r.insight(id)
	if i.State != contract.InsightPublished || published.Value != published.Published || !(i.Published > 1.9e10) {
		t.Fatalf("%s, then %s", show(published), show(i))
	}
	if moved := i.Value - i.Published; math.Abs(moved) > .05*i.Published || moved != i.Findings[0].Effect {
		t.Errorf("it moved by %g, volume found %g: %s", moved, i.Findings[0].Effect, show(i))
	}
	if finite(math.Inf(-1)) != -endless || finite(math.NaN()) != 0 || finite(3e18) != 3e18 {
		t.Error("a number that a message can hold is another one")
	}
}
