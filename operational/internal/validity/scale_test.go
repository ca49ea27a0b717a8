package validity

import (
	"math"
	"testing"
)

// TestInfluencesOfAnySize: influences beyond 2^27 give the same interval as the same ones in a larger unit.
func TestInfluencesOfAnySize(t *testing.T) {
	t.Parallel()
	small, large := make([]float64, 1000), make([]float64, 1000)
	for i := range small {
		small[i] = float64(i%7) - 3
		large[i] = small[i] * (1 << 40)
	}
	a, err := FromInfluences(1, small, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	b, err := FromInfluences(1, large, 0, false)
	if err != nil || math.Abs(b.SD/a.SD/(1<<40)-1) > 1e-12 || a.Peak != b.Peak {
		t.Errorf("in cents the standard deviation is %g (%v), in a larger unit %g", b.SD, err, a.SD)
	}
	at := func(by float64) *Baseline {
		base, err := NewLinearBaseline(1000, 13, func(w, i int) float64 { return by * (small[i] + float64(w%2)) })
		if err != nil {
			t.Fatal(err)
		}
		return base
	}
	if ratio := at(1<<40).StdErr() / at(1).StdErr() / (1 << 40); math.Abs(ratio-1) > 1e-5 {
		t.Errorf("the error of a baseline in cents is %g times that in a larger unit", ratio)
	}
	if _, err := FromInfluences(1, []float64{math.Inf(1)}, 0, false); err == nil {
		t.Error("an influence without end was summed")
	}
}
