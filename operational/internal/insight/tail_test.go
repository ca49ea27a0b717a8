package insight

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// TestTailOfEitherGroup: a difference tells of a few where either of the two values does, whichever comes first.
func TestTailOfEitherGroup(t *testing.T) {
	t.Parallel()
	const seed, customers = 11, 8000
	r, x := newRig(t), rand.New(rand.NewPCG(seed, 1))
	for c := range customers {
		days, level := 2, 1.
		if c%4 > 0 { // among those who buy often, few spend 35 times as much as others
			if days = 5; x.Float64() < .02 {
				level = 35
			}
		}
		for d := range days {
			r.add(fmt.Sprintf("customer-%d", c), order(contract.Day("2025-12-02").Add(5*d), int64(2000*level*(.8+.4*x.Float64()))))
		}
	}
	often := &contract.Condition{Field: "purchase_days", Op: contract.Gte, Value: 4}
	others := &contract.Condition{Not: often}
	for against, scopes := range map[bool][2]*contract.Condition{false: {often, others}, true: {others, often}} {
		id := r.want(contract.InsightOrder{Kind: contract.DifferenceInsight, Metric: aov(), Tolerance: 800, Absolute: true, Scope: scopes[0], Against: scopes[1]})
		r.until("2026-01-01")
		i := r.insight(id)
		if i.State != contract.InsightPublished || i.Verdicts.Variability != contract.Fails || i.Tail == nil || i.Tail.Against != against || i.Tail.Fall < .15 {
			t.Errorf("where the few are in the second group is %v (seed %d): %s, tail %+v", against, seed, show(i), i.Tail)
		}
	}
}

// TestMoverIsWidened: what is known of a mover allows for its having been chosen; of other claims nothing was.
func TestMoverIsWidened(t *testing.T) {
	t.Parallel()
	e := validity.Estimate{SD: 2, N: 5000}
	for kind, want := range map[contract.InsightKind]float64{contract.MoverInsight: 2 * validity.Chosen(12, 5000), contract.ChangeInsight: 2} {
		g := &gather{c: &claim{order: &contract.InsightOrder{Kind: kind}}, st: &State{Among: 12}}
		if got := g.chosen(e).SD; got != want || kind == contract.MoverInsight && got < 2.5 {
			t.Errorf("%s: %v, want %v", kind, got, want)
		}
	}
}
