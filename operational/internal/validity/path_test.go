package validity

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

// follow watches a value over all history for some windows: it drifts to a place, and each window moves it by noise with the standard
// error s on top. It returns after how many windows it fails, 0 for never.
func follow(t *testing.T, seed uint64, windows int, s float64, drift func(window int) float64) int {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 5))
	v, err := NewVelocity(.10, 0)
	if err != nil {
		t.Fatal(err)
	}
	v.Path = &Path{}
	noise := 0.0
	for w := 1; w <= windows; w++ {
		noise += s * r.NormFloat64()
		if err := v.Follow(Shift{Effect: drift(w) + noise, StdErr: s * math.Sqrt(float64(w)), N: 1000}, s); err != nil {
			t.Fatal(err)
		}
		if v.Finding().Verdict == contract.Fails {
			return w
		}
	}
	return 0
}

// TestPath: a value over all history that sits on the edge of its band for ever is called false in at most 1 % of runs, and one that
// leaves it soon. The detector for windows that share nothing calls nearly all of them false.
func TestPath(t *testing.T) {
	t.Parallel()
	const runs, windows = 2000, 200
	fails, detector := 0, 0
	for seed := range uint64(runs) {
		if follow(t, seed, windows, .01, func(int) float64 { return .10 }) > 0 {
			fails++
		}
		r := rand.New(rand.NewPCG(seed, 5))
		var d Detector
		noise := 0.0
		for w := 1; w <= windows && d.LogE() < Failing().threshold(); w++ {
			noise += .01 * r.NormFloat64()
			if err := d.Observe(.10+noise, .01*math.Sqrt(float64(w)), .10); err != nil {
				t.Fatal(err)
			}
		}
		if d.LogE() >= Failing().threshold() {
			detector++
		}
	}
	atMost(t, "V2 of all history on the edge of its band, 200 windows: ever fails", fails, runs, .01)
	if detector < runs/5 {
		t.Errorf("the detector calls %d of %d false: then it would do", detector, runs)
	}
	late, found := 0, 0
	for seed := range uint64(runs) {
		switch w := follow(t, seed, windows, .003, func(w int) float64 { return math.Min(.02*float64(w), .20) }); {
		case w > 20:
			late++
			found++
		case w > 0:
			found++
		}
	}
	atLeast(t, "V2 a value over all history that drifts to two tolerances within ten windows: fails", found, runs, .99)
	atMost(t, "V2 the same, later than ten windows after that", late, runs, .05)
}

// TestOverlappingBaseline: of moving sums over step windows, one a window, the standard error of the baseline is that of its mean.
func TestOverlappingBaseline(t *testing.T) {
	t.Parallel()
	const customers, windows = 20_000, 13
	for _, step := range []int{1, 2, 6} {
		var means []float64
		s0 := 0.0
		for seed := range uint64(40) {
			r := rand.New(rand.NewPCG(seed, uint64(step)))
			at := make([][]float64, windows)
			for w := range at {
				at[w] = make([]float64, customers/40)
			}
			sum, n := 0.0, customers/40
			for i := range n {
				one := make([]float64, windows+step)
				for k := range one {
					one[k] = r.NormFloat64()
				}
				for w := range at {
					for k := range step {
						at[w][i] += one[w+k]
					}
					sum += at[w][i]
				}
			}
			b, err := NewLinearBaseline(n, windows, func(w, i int) float64 { return at[w][i] })
			if err != nil {
				t.Fatal(err)
			}
			means = append(means, sum/float64(n*windows))
			s0 += b.Overlapping(step).StdErr() / 40
		}
		squares := 0.0
		for _, m := range means {
			squares += m * m / float64(len(means))
		}
		if ratio := s0 / math.Sqrt(squares); ratio < .75 || ratio > 1.35 {
			t.Errorf("step %d: the error of a baseline is taken for %.2f times what it is", step, ratio)
		}
	}
}
