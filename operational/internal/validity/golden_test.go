package validity

import (
	"math"
	"testing"
)

// A1: the golden values of insight-validity.md, 3.6, to 1e-6 relative.
func TestA1Golden(t *testing.T) {
	t.Parallel()
	exactly(t, "golden values", "1e-6")
	golden := func(what string, got, want float64) {
		t.Helper()
		near(t, what, got, want, 1e-6*math.Abs(want))
	}
	golden("rho2(.05)", Rho2(.05), 0.001756360085606575)
	golden("rho2(.01)", Rho2(.01), 0.0024861334356688055)
	// The table is printed to six digits after the point, so these are held to half of the last one.
	for i, m := range []float64{100, 400, 1000, 5000, 20000, 100000} {
		near(t, "half-width at 5 %", Holding().HalfWidth(1, m), []float64{.641775, .198804, .104852, .042928, .022194, .010597}[i], 5.01e-7)
		near(t, "half-width at 1 %", Failing().HalfWidth(1, m), []float64{.688275, .222804, .121104, .050513, .025885, .012161}[i], 5.01e-7)
	}
	m := Effective(20_000, 1_000_000)
	golden("m of 20,000 of 1,000,000", m, 20408.163265306)
	golden("half-width there", Holding().HalfWidth(1, m), .02198706)
	golden("log e", Failing().LogE(.05, 1, 5000), 4.485876750)

	var e Detector
	for i, d := range []float64{.05, .12, .18, .20, .19} {
		if err := e.Observe(d, .03, .10); err != nil {
			t.Fatal(err)
		}
		// Three of the five are printed to six digits; none is below .4.
		near(t, "log e of the detector", e.LogE(), []float64{-.623219, -.836747, .468030, 4.649423, 8.587636}[i], 5.01e-7)
	}
}

func TestIntervalAndEvidenceAgree(t *testing.T) {
	t.Parallel()
	for _, m := range []float64{400, 5000, 77777} {
		for _, l := range []Level{Holding(), Failing(), Failing().Split(5), Failing().Spend(7)} {
			h := l.HalfWidth(2.5, m)
			near(t, "log e at the interval's end", l.LogE(h, 2.5, m), l.threshold(), 1e-9)
		}
	}
}

func TestSpendingSumsToTheBudget(t *testing.T) {
	t.Parallel()
	sum := 0.0
	for j := 1; j <= 100_000; j++ {
		sum += Failing().Spend(j).Alpha
	}
	near(t, "spent", sum, .01*(1-1./100_001), 1e-12)
}

func TestEffective(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		n, of int64
		want  float64
	}{
		{1000, 0, 1000}, {500, 1999, 0}, {1999, 1999, math.Inf(1)}, {2000, 2000, math.Inf(1)}, {1000, 2000, 2000},
		{1900, 2000, 9500}, {1999, 2000, 9995}, {20_000, 20_000, math.Inf(1)},
	} {
		if got := Effective(c.n, c.of); math.Abs(got-c.want) > 1e-9*c.want && got != c.want {
			t.Errorf("Effective(%d, %d) = %g, want %g", c.n, c.of, got, c.want)
		}
	}
	if h := Holding().HalfWidth(1, math.Inf(1)); h != 0 {
		t.Errorf("half-width at n = N is %g, want 0", h)
	}
	if h := Holding().HalfWidth(1, 0); !math.IsInf(h, 1) {
		t.Errorf("half-width with no customers is %g, want none", h)
	}
}
