package btyd

import (
	"math"
	"testing"
)

// In a world of the model its intervals cover at least their level; in another they do not.
func TestHoldOutCoverage(t *testing.T) {
	t.Parallel()
	m := BGNBD{.8, 6, .8, 2.4}
	tested := simulated(m, 6000, 90, 365, 273, 11)
	h, err := Evaluate(m, tested, 39)
	if err != nil {
		t.Fatal(err)
	}
	inside := 0
	for _, c := range tested { // every one, not the rows that are counted
		p, err := Predict(m, c.Summary, 39, CoverageLevel)
		if err != nil {
			t.Fatal(err)
		}
		if float64(p.Low) <= c.Later && c.Later <= float64(p.High) {
			inside++
		}
	}
	all := float64(inside) / float64(len(tested))
	near(t, "coverage of the rows counted", h.Coverage, all, 4*math.Sqrt(all*(1-all)/coveredMost))
	if h.Coverage < CoverageLevel || h.Coverage == 1 {
		t.Errorf("coverage in the model's own world is %v", h.Coverage)
	}
	for i := range tested {
		tested[i].Later = 2*tested[i].Later + 3
	}
	if h, err = Evaluate(m, tested, 39); err != nil || h.Coverage > CoverageLevel {
		t.Errorf("coverage of another world is %v, %v", h.Coverage, err)
	}
	if h, err = Evaluate(onlyMean{m}, tested, 39); err != nil || !math.IsNaN(h.Coverage) {
		t.Errorf("coverage without probabilities is %v, %v", h.Coverage, err)
	}
}

// onlyMean tells no probabilities.
type onlyMean struct{ Frequency }
