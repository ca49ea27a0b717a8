package btyd

import (
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestParetoNBDSampleFit(t *testing.T) {
	t.Parallel()
	p := population(t, sampleOrders(t), "19970930")
	f := fitted(t, FitParetoNBD, p)
	near(t, "LL by the model", f.Model.LogLikelihood(p), f.LogLikelihood, 1e-7)
	near(t, "LL", f.LogLikelihood, -9594.976179, 1e-3)
	near(t, "r", f.Model.R, .553277, 1e-3)
	near(t, "alpha", f.Model.Alpha, 10.577683, .02)
	near(t, "s", f.Model.S, .606240, 1e-3)
	near(t, "beta", f.Model.Beta, 11.668736, .02)
	for i, want := range []float64{.048, .84, .19, 6.2} {
		near(t, fmt.Sprintf("standard error %d", i), f.StdErrs[i], want, want*.05)
	}
	near(t, "E[X(52)]", f.Model.Expected(52), 1.4731, 1e-3)
	near(t, "CET(52) of 1516", f.Model.ExpectedGiven(26, 216./7, 31, 52), 25.4552, 1e-3)
	near(t, "P(alive) of 1516", f.Model.PAlive(26, 216./7, 31), .99787, 1e-5)
}

func TestParetoNBDExpectations(t *testing.T) {
	t.Parallel()
	m := ParetoNBD{.55, 10.56, .61, 11.64}
	for i, want := range []float64{.05078, .09916, .14543, .18979, .23247, .27361, .31335, .35181, .38909} {
		near(t, fmt.Sprintf("E[X(%d)]", i+1), m.Expected(float64(i+1)), want, 1e-5)
	}
}

// The published cases in which the 2F1 formula overflows.
func TestParetoNBDAliveIsFinite(t *testing.T) {
	t.Parallel()
	m := ParetoNBD{.5143, 2.8845, .2856, 14.1087}
	x := []float64{221, 254, 161, 204}
	tx := []float64{103.42857, 97.14286, 94.71429, 98.57143}
	age := []float64{103.57143, 97.28571, 98, 99.42857}
	for i := range x {
		if p := m.PAlive(x[i], tx[i], age[i]); !(p > .5 && p <= 1) {
			t.Errorf("P(alive) of %g = %v", x[i], p)
		}
	}
}

func TestParetoNBDShareAlive(t *testing.T) {
	t.Parallel()
	p := population(t, masterOrders(t), "19980630")
	m := fitted(t, FitParetoNBD, p).Model
	sum := 0.0
	for _, h := range p.histories {
		sum += float64(h.Count) * m.PAlive(h.X, h.Tx, h.T)
	}
	near(t, "share alive", sum/float64(p.Customers()), .452, 5.1e-4)
}

func TestParetoNBDDistributionAddsUp(t *testing.T) {
	t.Parallel()
	m := ParetoNBD{.55, 10.56, .61, 11.64}
	sum, mean := 0.0, 0.0
	for n := range 300 {
		p := m.Probability(n, 39)
		sum += p
		mean += float64(n) * p
	}
	near(t, "sum", sum, 1, 1e-10)
	near(t, "mean", mean, m.Expected(39), 1e-8)
	near(t, "P(X(0)=0)", m.Probability(0, 0), 1, 1e-15)
}

func TestParetoNBDProperties(t *testing.T) {
	t.Parallel()
	exp := func(t *rapid.T, name string, low, high float64) float64 {
		return math.Exp(rapid.Float64Range(low, high).Draw(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		m := ParetoNBD{exp(t, "r", -6, 6), exp(t, "alpha", -4, 8), exp(t, "s", -6, 6), exp(t, "beta", -4, 8)}
		x := float64(rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(0, 1_000_000)).Draw(t, "x"))
		age := exp(t, "T", -3, 12)
		tx := 0.0
		if x > 0 {
			tx = age * rapid.Float64Range(0, 1).Draw(t, "tx/T")
		}
		now, later := m.PAlive(x, tx, age), m.PAlive(x, tx, age*1.1)
		if !(now >= 0 && now <= 1 && later <= now*(1+1e-9)) {
			t.Fatalf("P(alive) %v, later %v", now, later)
		}
		weeks := exp(t, "weeks", -5, 12)
		e := m.ExpectedGiven(x, tx, age, weeks)
		if rate := (m.R + x) / (m.Alpha + age); !(e >= 0 && e <= rate*weeks*(1+1e-9)) {
			t.Fatalf("expected %v over %v weeks at rate %v", e, weeks, rate)
		}
	})
}

func BenchmarkFitParetoNBD(b *testing.B) { benchmarkFit(b, FitParetoNBD) }
