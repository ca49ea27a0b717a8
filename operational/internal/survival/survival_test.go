package survival

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/shared/fault"
)

func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.8g, want %.8g ± %.2g", what, got, want, tolerance)
	}
}

// Weeks of remission of 42 children with acute leukaemia (Freireich et al. 1963, Blood 21; as printed by Gehan 1965 and
// Cox 1972): 21 on 6-mercaptopurine, censored where +, and 21 on placebo, all relapsed.
func leukaemia() (treated, placebo []Observation) {
	for _, weeks := range []float64{6, 6, 6, 7, 10, 13, 16, 22, 23} {
		treated = append(treated, Observation{weeks, true, 1})
	}
	for _, weeks := range []float64{6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35} {
		treated = append(treated, Observation{weeks, false, 1})
	}
	for _, weeks := range []float64{1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23} {
		placebo = append(placebo, Observation{weeks, true, 1})
	}
	return treated, placebo
}

func curve(t testing.TB, o []Observation) Curve {
	t.Helper()
	c, err := KaplanMeier(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Klein & Moeschberger (2003), tables 4.1A and 4.1B; the limits are those of R's survfit with conf.type = "log-log".
func TestKaplanMeierOfLeukaemia(t *testing.T) {
	t.Parallel()
	treated, placebo := leukaemia()
	c := curve(t, treated)
	if c.Subjects != 21 || c.Events != 9 || c.Last != 35 {
		t.Errorf("%d subjects, %d events, last %g", c.Subjects, c.Events, c.Last)
	}
	want := []struct {
		time             float64
		atRisk           int
		survival, stdErr float64
	}{{6, 21, .857, .0764}, {7, 17, .807, .0869}, {10, 15, .753, .0963}, {13, 12, .690, .1068}, {16, 11, .627, .1141}, {22, 7, .538, .1282}, {23, 6, .448, .1346}}
	if len(c.Steps) != len(want) {
		t.Fatalf("%d steps, want %d", len(c.Steps), len(want))
	}
	for i, w := range want {
		s := c.Steps[i]
		near(t, "time", s.Time, w.time, 0)
		near(t, fmt.Sprintf("at risk at %g", w.time), float64(s.AtRisk), float64(w.atRisk), 0)
		near(t, fmt.Sprintf("survival at %g", w.time), s.Survival, w.survival, 5.1e-4)
		near(t, fmt.Sprintf("standard error at %g", w.time), s.StdErr, w.stdErr, 5.1e-5)
	}
	if censored := c.Steps[0].Censored + c.Steps[6].Censored; censored != 1+5 {
		t.Errorf("%d censored after the first and the last step, want 6", censored)
	}
	p := curve(t, placebo)
	for time, survival := range map[float64]float64{1: .905, 2: .810, 3: .762, 4: .667, 5: .571, 8: .381, 11: .286, 12: .190, 15: .143, 17: .095, 22: .048, 23: 0} {
		s, known := p.At(time)
		near(t, fmt.Sprintf("placebo at %g", time), s.Survival, survival, 5.1e-4)
		if !known {
			t.Errorf("placebo at %g is unknown", time)
		}
	}
	if _, known := c.At(36); known {
		t.Error("the treated beyond week 35 are known")
	}
	if s, known := p.At(100); !known || s.Survival != 0 {
		t.Error("the placebo group is not gone in week 100")
	}
	if s, known := c.At(5); !known || s.Survival != 1 || s.AtRisk != 21 {
		t.Errorf("before the first step: %+v", s)
	}
}

// SAS PROC LIFETEST and R's survfit print medians of 23 (13, none) and 8 (4, 11) weeks with log-log limits.
func TestMedians(t *testing.T) {
	t.Parallel()
	treated, placebo := leukaemia()
	if got, want := curve(t, treated).Median(), (Quantile{23, 13, math.Inf(1)}); got != want {
		t.Errorf("treated: %+v, want %+v", got, want)
	}
	if got, want := curve(t, placebo).Median(), (Quantile{8, 4, 11}); got != want {
		t.Errorf("placebo: %+v, want %+v", got, want)
	}
	if q, err := curve(t, treated).Quantile(.25); err != nil || q.Time != 13 {
		t.Errorf("first quartile: %+v, %v", q, err)
	}
	if _, err := curve(t, treated).Quantile(1); !fault.Is(err, fault.Invalid) {
		t.Errorf("a share of 1: got %v, want invalid", err)
	}
}

// The mean that SAS prints, restricted to the last event; its standard error is sqrt(m/(m-1)) times ours, m the events.
func TestRestrictedMeans(t *testing.T) {
	t.Parallel()
	treated, placebo := leukaemia()
	m, err := curve(t, treated).RestrictedMean(23)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "treated", m.Value, 17.9092, 5.1e-5)
	near(t, "standard error", m.StdErr*math.Sqrt(9./8), 1.6474, 5.1e-5)
	// Without losses it is the mean, and its variance the mean square deviation over n.
	p, err := curve(t, placebo).RestrictedMean(23)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "placebo", p.Value, 182./21, 1e-12)
	near(t, "standard error", p.StdErr*math.Sqrt(21./20), 1.4114, 5.1e-5)
	for _, until := range []float64{0, -1, 36, math.Inf(1), math.NaN()} {
		if _, err := curve(t, treated).RestrictedMean(until); !fault.Is(err, fault.Invalid) {
			t.Errorf("until %g: got %v, want invalid", until, err)
		}
	}
}

// The log-rank test of these data: 16.79, expected 19.25 and 10.75 (Kleinbaum & Klein 2012, chapter 2).
func TestCompareLeukaemia(t *testing.T) {
	t.Parallel()
	treated, placebo := leukaemia()
	c, err := Compare(treated, placebo, 23)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("difference of means %.3f (%.3f to %.3f) weeks; hazard ratio %.3f (%.3f to %.3f)", c.Difference, c.Low, c.High, c.HazardRatio, c.HazardLow, c.HazardHigh)
	near(t, "observed", c.Observed, 9, 0)
	near(t, "expected", c.Expected, 19.25, .0051)
	near(t, "variance", c.Variance, 6.257, 5.1e-4)
	near(t, "chi-square", c.ChiSquare(), 16.793, 5.1e-4)
	near(t, "difference", c.Difference, 17.9092-182./21, 1e-4)
	if !(c.Low > 0 && c.High > c.Low && c.HazardHigh < 1 && c.HazardLow < c.HazardRatio) {
		t.Errorf("limits: %+v", c)
	}
	back, err := Compare(placebo, treated, 23)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "the other way round", back.Difference, -c.Difference, 1e-12)
	near(t, "hazard ratio the other way round", back.HazardRatio, 1/c.HazardRatio, 1e-9)
	// A group to whom nothing happened has a mean without error; the ratio of rates is then that of the one-step estimate.
	if c, err := Compare(treated, []Observation{{9, false, 5}}, 9); err != nil || c.B.Value != 9 || c.B.StdErr != 0 || !(c.HazardRatio > 1) {
		t.Errorf("one group without events: %+v, %v", c, err)
	}
	if _, err := Compare([]Observation{{9, false, 5}}, []Observation{{9, false, 5}}, 9); fault.CodeOf(err) != fault.NoData {
		t.Errorf("no events: got %v, want no data", err)
	}
}

// Survival of 2,418 men with angina pectoris by year: Parker et al. 1946, Lee 1992, p. 91; the figures are those of the SAS
// manual, PROC LIFETEST, example "Life-Table Estimates for Males with Angina Pectoris".
func TestLifeTable(t *testing.T) {
	t.Parallel()
	rows := [][2]int{{456, 0}, {226, 39}, {152, 22}, {171, 23}, {135, 24}, {125, 107}, {83, 133}, {74, 102}, {51, 68}, {42, 64}, {43, 45}, {34, 53}, {18, 33}, {9, 27}, {6, 23}, {0, 30}}
	var men []Observation
	var cuts []float64
	for year, r := range rows {
		cuts = append(cuts, float64(year))
		for i, event := range []bool{true, false} {
			if r[i] > 0 {
				men = append(men, Observation{float64(year) + .5, event, r[i]})
			}
		}
	}
	table, err := LifeTable(men, cuts)
	if err != nil {
		t.Fatal(err)
	}
	survival := []float64{1, .8114, .7170, .6524, .5786, .5193, .4611, .4172, .3712, .3342, .2987, .2557, .2136, .1839, .1636, .1429}
	stdErr := []float64{0, .00796, .00918, .00973, .0101, .0103, .0104, .0105, .0106, .0107, .0109, .0111, .0114, .0118, .0123, .0133}
	for i, r := range table {
		near(t, fmt.Sprintf("survival until year %d", i), r.Survival, survival[i], 5.1e-5)
		near(t, fmt.Sprintf("standard error of year %d", i), r.StdErr, stdErr[i], 5.1e-5)
	}
	near(t, "exposed in the second year", table[1].Exposed, 1942.5, 0)
	near(t, "probability in the second year", table[1].Probability, .1163, 5.1e-5)
	near(t, "hazard in the first year", table[0].Hazard, 456./(2418-228), 1e-12)
	if last := table[15]; last.Entered != 30 || last.Withdrawn != 30 || last.Hazard != 0 || !math.IsInf(last.Until, 1) {
		t.Errorf("last row: %+v", last)
	}
	for _, bad := range [][]float64{nil, {1, 2}, {0, 2, 2}, {0, 3, 2}, {0, math.NaN()}, {0, math.Inf(1)}} {
		if _, err := LifeTable(men, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("cuts %v: got %v, want invalid", bad, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for _, o := range []Observation{{-1, true, 1}, {math.NaN(), true, 1}, {math.Inf(1), false, 1}, {1, true, 0}} {
		if _, err := KaplanMeier([]Observation{o}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: got %v, want invalid", o, err)
		}
	}
	if _, err := KaplanMeier(nil); fault.CodeOf(err) != fault.NoData {
		t.Errorf("nobody: got %v", err)
	}
}

func TestCurveProperties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) Observation {
			return Observation{float64(rapid.IntRange(0, 20).Draw(t, "time")), rapid.Bool().Draw(t, "event"), rapid.IntRange(1, 4).Draw(t, "count")}
		})
		all := rapid.SliceOfN(one, 1, 40).Draw(t, "observations")
		c, err := KaplanMeier(all)
		if err != nil {
			t.Fatal(err)
		}
		var apart []Observation // one by one, in another order
		for _, o := range all {
			for range o.Count {
				apart = append(apart, Observation{o.Time, o.Event, 1})
			}
		}
		slices.Reverse(apart)
		again, err := KaplanMeier(apart)
		if diff := cmp.Diff(c, again, cmpopts.IgnoreUnexported(Curve{})); err != nil || diff != "" {
			t.Fatalf("one by one: %v\n%s", err, diff)
		}
		before := 1.0
		for _, s := range c.Steps {
			if !(s.Survival < before && s.Survival >= 0 && s.Low <= s.Survival && s.Survival <= s.High && s.Low >= 0 && s.High <= 1) {
				t.Fatalf("step %+v after %v", s, before)
			}
			before = s.Survival
		}
		if until := c.Last / 2; until > 0 {
			m, err := c.RestrictedMean(until)
			if err != nil || !(m.Value > 0 && m.Value <= until && m.Low <= m.Value && m.Value <= m.High+1e-12) {
				t.Fatalf("mean until %v: %+v, %v", until, m, err)
			}
		}
	})
}

// The limits cover what they should in a world whose curve is known: exponential times, uniform losses.
func TestLimitsCover(t *testing.T) {
	t.Parallel()
	const seed, runs, n, at = 9, 1500, 80, .7
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	var inside, median, mean int
	draw := func(rate float64) (o []Observation) {
		for range n {
			event, loss := rng.ExpFloat64()/rate, 3*rng.Float64()
			o = append(o, Observation{math.Min(event, loss), event <= loss, 1})
		}
		return o
	}
	truth := 1 - math.Exp(-1) // the restricted mean until 1 at a rate of 1
	half := (1 - math.Exp(-2.)) / 2
	differences, ratios := 0, 0
	for range runs {
		a, b := draw(1), draw(2)
		c, err := Compare(a, b, 1)
		if err != nil {
			t.Fatal(err)
		}
		curve := curve(t, a)
		s, _ := curve.At(at)
		q := curve.Median()
		inside += count(s.Low <= math.Exp(-at) && math.Exp(-at) <= s.High)
		median += count(q.Low <= math.Ln2 && math.Ln2 <= q.High)
		mean += count(c.A.Low <= truth && truth <= c.A.High)
		differences += count(c.Low <= truth-half && truth-half <= c.High)
		ratios += count(c.HazardLow <= .5 && .5 <= c.HazardHigh)
	}
	for what, k := range map[string]int{"curve": inside, "median": median, "restricted mean": mean, "difference of means": differences} {
		share := float64(k) / runs
		t.Logf("%s: %.3f", what, share)
		if share < .93 || share > .975 {
			t.Errorf("95 %% limits of the %s cover %.3f", what, share)
		}
	}
	// Peto's one step is biased away from 1 by a ratio as far from it as this; it still covers.
	if share := float64(ratios) / runs; share < .88 {
		t.Errorf("95 %% limits of the hazard ratio cover %.3f", share)
	}
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
