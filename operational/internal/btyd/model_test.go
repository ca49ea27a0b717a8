package btyd

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/shared/fault"
)

func refused(t testing.TB, err error, because string) {
	t.Helper()
	if fault.CodeOf(err) != fault.ModelNotIdentified || !strings.Contains(err.Error(), because) {
		t.Errorf("got %v, want %s naming %q", err, fault.ModelNotIdentified, because)
	}
}

func TestGatesRefuse(t *testing.T) {
	t.Parallel()
	_, err := FitBGNBD(population(t, masterOrders(t), "19970331"), DefaultGates())
	refused(t, err, "12.71 weeks and the model needs 13")
	few := population(t, sampleOrders(t)[:1000], "19970930")
	_, err = FitMBGNBD(few, DefaultGates())
	refused(t, err, "customers came back and the model needs 500")
	_, err = FitGammaGamma(few, DefaultGates())
	refused(t, err, "customers came back and the model needs 500")
}

// After January alone b grows without bound: there is no maximum, gates or not.
func TestJanuaryIsNotIdentified(t *testing.T) {
	t.Parallel()
	p := population(t, masterOrders(t), "19970131")
	_, err := FitBGNBD(p, Gates{})
	refused(t, err, "parameters")
	_, err = ValueForecast(p, DefaultGates(), 52)
	refused(t, err, "weeks")
}

// In the sample the same month has a maximum, on a ridge: the standard error of ln a is 9.
func TestMaximumOnARidgeIsNotIdentified(t *testing.T) {
	t.Parallel()
	_, err := FitBGNBD(population(t, sampleOrders(t), "19970131"), Gates{})
	refused(t, err, "information matrix is singular")
}

// With q < 1 a new customer's mean spend is infinite, and so would be the value.
func TestSpendWithoutAMeanIsNotIdentified(t *testing.T) {
	t.Parallel()
	const seed = 11
	t.Logf("seed %d", seed)
	src := rand.NewPCG(seed, 0)
	customers := make([]Summary, 2000)
	for i := range customers {
		rate := distuv.Gamma{Alpha: .6, Beta: 15, Src: src}.Rand()
		spend := distuv.Gamma{Alpha: 6 * 2, Beta: 2 * rate, Src: src}.Rand()
		customers[i] = Summary{X: 2, Tx: 10, T: 30, Spend: spend, Count: 1}
		if i%2 == 0 {
			customers[i].X, customers[i].Spend = 1, distuv.Gamma{Alpha: 6, Beta: rate, Src: src}.Rand()
		}
	}
	p, err := NewPopulation(customers)
	if err != nil {
		t.Fatal(err)
	}
	_, err = FitGammaGamma(p, DefaultGates())
	refused(t, err, "a spend without a mean")
}

func TestRidgeIsNotIdentified(t *testing.T) {
	t.Parallel()
	// Nobody came back, and everybody came back once at the same time: nothing tells the parameters apart.
	for name, s := range map[string]Summary{
		"nobody came back": {T: 30, Count: 1000},
		"all are alike":    {X: 1, Tx: 10, T: 30, Spend: 20, Count: 1000},
	} {
		p, err := NewPopulation([]Summary{s})
		if err != nil {
			t.Fatal(err)
		}
		_, err = FitBGNBD(p, Gates{})
		refused(t, err, "")
		_, err = FitMBGNBD(p, Gates{})
		refused(t, err, "")
		_, err = FitGammaGamma(p, Gates{})
		refused(t, err, "")
		t.Log(name, err)
	}
}

func TestInvalidCustomers(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]Summary{
		"no count":            {T: 3},
		"part of a purchase":  {X: 1.5, Tx: 1, T: 3, Count: 1},
		"last after as-of":    {X: 1, Tx: 4, T: 3, Count: 1},
		"recency, no repeats": {Tx: 1, T: 3, Count: 1},
		"spend, no repeats":   {T: 3, Spend: 1, Count: 1},
		"negative spend":      {X: 1, Tx: 1, T: 3, Spend: -1, Count: 1},
		"not a number":        {X: 1, Tx: math.NaN(), T: 3, Count: 1},
		"infinite":            {X: 1, Tx: 1, T: math.Inf(1), Count: 1},
	} {
		if _, err := NewPopulation([]Summary{s}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
	if _, err := NewPopulation(nil); fault.CodeOf(err) != fault.NoData {
		t.Errorf("no customers: got %v", err)
	}
}

func TestForecastNeedsItsOwnCustomers(t *testing.T) {
	t.Parallel()
	p := population(t, sampleOrders(t), "19970930")
	fit := fitted(t, FitBGNBD, population(t, sampleOrders(t), "19970831"))
	if _, err := Purchases(p, fit, 39); !fault.Is(err, fault.Invalid) {
		t.Errorf("other customers: got %v, want invalid", err)
	}
	if _, err := Purchases(p, fitted(t, FitBGNBD, p), 0); !fault.Is(err, fault.Invalid) {
		t.Errorf("no weeks: got %v, want invalid", err)
	}
}

// The same customers in any order, or merged beforehand, give the same bits.
func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	customers := summarise(sampleOrders(t), date("19970930"))
	merged, err := Merge(customers)
	if err != nil {
		t.Fatal(err)
	}
	const seed = 20260101
	t.Logf("seed %d", seed)
	shuffled := slices.Clone(customers)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	results := func(in []Summary) []any {
		p, err := NewPopulation(in)
		if err != nil {
			t.Fatal(err)
		}
		value, err := ValueForecast(p, DefaultGates(), 52)
		if err != nil {
			t.Fatal(err)
		}
		alive, err := AliveForecast(p, DefaultGates())
		if err != nil {
			t.Fatal(err)
		}
		return []any{value, alive, fitted(t, FitBGNBD, p).Model, fitted(t, FitMBGNBD, p).Model, fitted(t, FitGammaGamma, p).Model}
	}
	want := results(customers)
	for name, in := range map[string][]Summary{"shuffled": shuffled, "merged": merged} {
		if diff := cmp.Diff(want, results(in)); diff != "" {
			t.Errorf("%s differs:\n%s", name, diff)
		}
	}
}

// A repeater whose orders were all free has no place in the Gamma-Gamma likelihood, yet counts in the forecast.
func TestFreeOrdersAreLeftOutOfTheSpendFit(t *testing.T) {
	t.Parallel()
	customers := summarise(sampleOrders(t), date("19970930"))
	with, err := NewPopulation(append(slices.Clone(customers), Summary{X: 3, Tx: 20, T: 30, Count: 1}))
	if err != nil {
		t.Fatal(err)
	}
	without, err := NewPopulation(customers)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := fitted(t, FitGammaGamma, with).Model, fitted(t, FitGammaGamma, without).Model; a != b {
		t.Errorf("the fit moved from %+v to %+v", b, a)
	}
	v, err := ValueForecast(with, DefaultGates(), 52)
	if err != nil || v.N != len(customers)+1 || math.IsNaN(v.Mean+v.StdErr) {
		t.Errorf("forecast %+v, %v", v, err)
	}
}

// A currency of small units is the same model with another gamma.
func TestUnitOfMoneyDoesNotMatter(t *testing.T) {
	t.Parallel()
	const unit = 1 << 20
	customers := summarise(sampleOrders(t), date("19970930"))
	for i := range customers {
		customers[i].Spend *= unit
	}
	small, err := NewPopulation(customers)
	if err != nil {
		t.Fatal(err)
	}
	want := fitted(t, FitGammaGamma, population(t, sampleOrders(t), "19970930")).Model
	got := fitted(t, FitGammaGamma, small).Model
	near(t, "p", got.P, want.P, 1e-6*want.P)
	near(t, "q", got.Q, want.Q, 1e-6*want.Q)
	near(t, "gamma", got.Gamma/unit, want.Gamma, 1e-6*want.Gamma)
}

func TestGradients(t *testing.T) {
	t.Parallel()
	p := population(t, sampleOrders(t), "19970930")
	for name, c := range map[string]struct {
		l  likelihood
		at []float64
	}{
		"BG/NBD at the maximum":   {betaGeometric{p, 0}, []float64{.24, 4.4, .79, 2.4}},
		"BG/NBD elsewhere":        {betaGeometric{p, 0}, []float64{2, .3, 5, .1}},
		"MBG/NBD at the maximum":  {betaGeometric{p, 1}, []float64{.52, 6.2, .89, 1.6}},
		"MBG/NBD elsewhere":       {betaGeometric{p, 1}, []float64{.1, 30, .05, 9}},
		"Pareto/NBD at the max.":  {paretoNBD{p}, []float64{.55, 10.6, .61, 11.7}},
		"Pareto/NBD elsewhere":    {paretoNBD{p}, []float64{3, .5, .1, 40}},
		"Gamma-Gamma at the max.": {gammaGamma{p}, []float64{6.2, 3.7, 15.4}},
		"Gamma-Gamma elsewhere":   {gammaGamma{p}, []float64{1, 9, 100}},
	} {
		theta := logs(c.at...)
		grad := make([]float64, len(theta))
		total(c.l, theta, grad)
		for k := range theta {
			const h = 1e-5
			up, down := slices.Clone(theta), slices.Clone(theta)
			up[k] += h
			down[k] -= h
			want := (total(c.l, up, nil) - total(c.l, down, nil)) / (2 * h)
			near(t, name, grad[k], want, 1e-5*(10+math.Abs(want)))
		}
	}
}

// The score weights and the numerical gradient of the forecast against the real thing: refitting resampled customers.
func TestStandardErrorsAgainstBootstrap(t *testing.T) {
	if testing.Short() {
		t.Skip("resamples and refits")
	}
	t.Parallel()
	const seed = 7
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, c := range []struct {
		name       string
		orders     []order
		asOf       string
		replicates int
		tolerance  float64
	}{
		{"sample", sampleOrders(t), "19970930", 100, .25},
		{"all customers at the end", masterOrders(t), "19980630", 24, .35},
	} {
		customers := summarise(c.orders, date(c.asOf))
		p := population(t, c.orders, c.asOf)
		value, err := ValueForecast(p, DefaultGates(), 52)
		if err != nil {
			t.Fatal(err)
		}
		alive, err := AliveForecast(p, DefaultGates())
		if err != nil {
			t.Fatal(err)
		}
		var values, alives []float64
		for range c.replicates {
			v, a := resampled(t, customers, rng)
			values, alives = append(values, v), append(alives, a)
		}
		v, a := stat.StdDev(values, nil), stat.StdDev(alives, nil)
		t.Logf("%s: value %.3f, bootstrap %.3f; alive %.4f, bootstrap %.4f", c.name, value.StdErr, v, alive.StdErr, a)
		near(t, c.name+": value", value.StdErr, v, c.tolerance*v)
		near(t, c.name+": alive", alive.StdErr, a, c.tolerance*a)
	}
}

func resampled(t *testing.T, customers []Summary, rng *rand.Rand) (value, alive float64) {
	t.Helper()
	draw := make([]Summary, len(customers))
	for i := range draw {
		draw[i] = customers[rng.IntN(len(customers))]
	}
	p, err := NewPopulation(draw)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ValueForecast(p, DefaultGates(), 52)
	if err != nil {
		t.Fatal(err)
	}
	a, err := AliveForecast(p, DefaultGates())
	if err != nil {
		t.Fatal(err)
	}
	return v.Mean, a.Mean
}

// The literature's formula, good where it does not cancel.
func hypergeometricMean(r, alpha, a, b, t float64) float64 {
	z := t / (alpha + t)
	return (a + b - 1) / (a - 1) * (1 - math.Pow(1-z, r)*mathext.Hypergeo(r, b, a+b-1, z))
}

func TestAliveMeanAgainstHypergeometric(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r, alpha := rapid.Float64Range(.1, 30).Draw(t, "r"), rapid.Float64Range(1, 90).Draw(t, "alpha")
		a, b := rapid.Float64Range(1.3, 5).Draw(t, "a"), rapid.Float64Range(.3, 30).Draw(t, "b")
		weeks := rapid.Float64Range(5, 100).Draw(t, "weeks")
		want := hypergeometricMean(r, alpha, a, b, weeks)
		if got := aliveMean(r, alpha, a, b, weeks); math.Abs(got/want-1) > 1e-8 {
			t.Fatalf("got %v, want %v", got, want)
		}
	})
}

func TestSeriesAgainstQuadrature(t *testing.T) {
	t.Parallel()
	positive := func(t *rapid.T, name string, low, high float64) float64 {
		return math.Exp(rapid.Float64Range(math.Log(low), math.Log(high)).Draw(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		r, alpha := positive(t, "r", .01, 500), positive(t, "alpha", .1, 100)
		a, b := positive(t, "a", .01, 1e4), positive(t, "b", .01, 1e4)
		weeks := positive(t, "weeks", .001, 100)
		want, ok := aliveSeries(r, alpha, a, b, weeks)
		if !ok {
			t.Skip("too many terms for the series")
		}
		if got := aliveQuadrature(r, alpha, a, b, weeks); math.Abs(got/want-1) > 1e-9 {
			t.Fatalf("quadrature %v, series %v", got, want)
		}
	})
}

func TestModelProperties(t *testing.T) {
	t.Parallel()
	type model interface {
		PAlive(x, tx, t float64) float64
		ExpectedGiven(x, tx, t, weeks float64) float64
		Expected(weeks float64) float64
		Probability(n int, weeks float64) float64
	}
	exp := func(t *rapid.T, name string, low, high float64) float64 {
		return math.Exp(rapid.Float64Range(low, high).Draw(t, name))
	}
	rapid.Check(t, func(t *rapid.T) {
		r, alpha, a, b := exp(t, "r", -6, 6), exp(t, "alpha", -4, 8), exp(t, "a", -6, 8), exp(t, "b", -6, 8)
		x := float64(rapid.OneOf(rapid.IntRange(0, 50), rapid.IntRange(0, 1_000_000)).Draw(t, "x"))
		age := exp(t, "T", -3, 12)
		tx := 0.0
		if x > 0 {
			tx = age * rapid.Float64Range(0, 1).Draw(t, "tx/T")
		}
		horizon := exp(t, "weeks", -5, 12)
		for name, m := range map[string]model{"BG/NBD": BGNBD{r, alpha, a, b}, "MBG/NBD": MBGNBD{r, alpha, a, b}} {
			now, later := m.PAlive(x, tx, age), m.PAlive(x, tx, age*1.1)
			if !(now >= 0 && now <= 1 && later <= now) {
				t.Fatalf("%s: P(alive) %v, later %v", name, now, later)
			}
			if name == "BG/NBD" && x == 0 && now != 1 {
				t.Fatalf("BG/NBD: P(alive | no repeat) = %v", now)
			}
			near, far := m.ExpectedGiven(x, tx, age, horizon), m.ExpectedGiven(x, tx, age, 2*horizon)
			rate := (r + x) / (alpha + age)
			if !(near >= 0 && near <= far*(1+1e-9) && near <= rate*horizon*(1+1e-9)) {
				t.Fatalf("%s: expected %v over %v weeks, %v over twice that; rate %v", name, near, horizon, far, rate)
			}
			if e := m.Expected(horizon); !(e >= 0 && e <= r/alpha*horizon*(1+1e-9)) {
				t.Fatalf("%s: E[X] = %v", name, e)
			}
			if p := m.Probability(int(x), horizon); !(p >= 0 && p <= 1+1e-6) {
				t.Fatalf("%s: P(X = %v) = %v", name, x, p)
			}
		}
	})
}

func TestDistributionAddsUp(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]interface {
		Probability(n int, weeks float64) float64
		Expected(weeks float64) float64
	}{"BG/NBD": fine, "MBG/NBD": MBGNBD{.52484, 6.1831, .89136, 1.6140}} {
		sum, mean := 0.0, 0.0
		for n := range 400 {
			p := m.Probability(n, 39)
			sum += p
			mean += float64(n) * p
		}
		near(t, name+": sum of P(X(39)=n)", sum, 1, 1e-9)
		near(t, name+": mean of P(X(39)=n)", mean, m.Expected(39), 1e-7)
	}
}

func TestExpectedSpendProperties(t *testing.T) {
	t.Parallel()
	m := GammaGamma{6.25, 3.74, 15.44}
	rapid.Check(t, func(t *rapid.T) {
		x := float64(rapid.IntRange(1, 100000).Draw(t, "x"))
		spend := rapid.Float64Range(0, 1e9).Draw(t, "spend")
		prior, e := m.ExpectedSpend(0, 0), m.ExpectedSpend(x, spend)
		if e < math.Min(prior, spend)-1e-9 || e > math.Max(prior, spend)*(1+1e-9) {
			t.Fatalf("expected spend %v is not between the prior's %v and the customer's %v", e, prior, spend)
		}
	})
}
