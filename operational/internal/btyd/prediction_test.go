package btyd

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/fault"
)

var models = map[string]Countable{
	"BG/NBD": fine, "MBG/NBD": MBGNBD{.52484, 6.1831, .89136, 1.6140}, "Pareto/NBD": ParetoNBD{.5533, 10.578, .6062, 11.669},
}

// The number of purchases to come: probabilities add up to 1 and to the expectation, and are those of a random customer
// where nothing is known.
func TestProbabilityGivenAddsUp(t *testing.T) {
	t.Parallel()
	for name, m := range models {
		for _, s := range []Summary{{T: 30}, {X: 2, Tx: 30.43, T: 38.86}, {X: 26, Tx: 216. / 7, T: 31}, {X: 5, Tx: 4, T: 38}} {
			sum, mean := 0.0, 0.0
			for n := range 300 {
				p := m.ProbabilityGiven(n, s.X, s.Tx, s.T, 39)
				sum += p
				mean += float64(n) * p
			}
			near(t, name+": sum", sum, 1, 1e-8)
			near(t, name+": mean", mean, m.ExpectedGiven(s.X, s.Tx, s.T, 39), 1e-6)
		}
	}
	near(t, "P(X(39)=3) of a newcomer", fine.ProbabilityGiven(3, 0, 0, 0, 39), fine.Probability(3, 39), 1e-12)
}

// Nine in ten customers of a simulated world buy within their 80 % interval, which covers more because counts are whole.
func TestPredictionIntervalCovers(t *testing.T) {
	t.Parallel()
	const seed, weeks = 5, 26
	t.Logf("seed %d", seed)
	inside, n := 0, 0
	for _, c := range simulated(fine, 4000, 84, 280, 7*weeks, seed) {
		p, err := Predict(fine, c.Summary, weeks, .8)
		if err != nil {
			t.Fatal(err)
		}
		if n++; int(c.Later) >= p.Low && int(c.Later) <= p.High {
			inside++
		}
		if p.Low > p.High || float64(p.High) < math.Floor(p.Purchases)-1 {
			t.Fatalf("%+v: %+v", c, p)
		}
	}
	t.Logf("%d of %d inside", inside, n)
	if share := float64(inside) / float64(n); share < .8 {
		t.Errorf("%.3f inside the 80 %% interval", share)
	}
}

func TestNextPurchase(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		x := float64(rapid.IntRange(0, 40).Draw(t, "x"))
		age := rapid.Float64Range(1, 80).Draw(t, "T")
		tx := 0.0
		if x > 0 {
			tx = age * rapid.Float64Range(.2, 1).Draw(t, "tx/T")
		}
		share := rapid.Float64Range(.05, .9).Draw(t, "share")
		for name, m := range models {
			s := Summary{X: x, Tx: tx, T: age}
			weeks, known := NextPurchase(m, s, share)
			if !known {
				if p := 1 - m.ProbabilityGiven(0, x, tx, age, never); p >= share {
					t.Fatalf("%s: unknown, though %v within a hundred years", name, p)
				}
				continue
			}
			if p := 1 - m.ProbabilityGiven(0, x, tx, age, weeks); math.Abs(p-share) > 1e-4 {
				t.Fatalf("%s: %v by %v weeks, want %v", name, p, weeks, share)
			}
		}
	})
}

func TestPredictRefuses(t *testing.T) {
	t.Parallel()
	good := Summary{X: 1, Tx: 1, T: 3, Count: 1}
	for name, call := range map[string]func() (Prediction, error){
		"customer": func() (Prediction, error) { return Predict(fine, Summary{X: -1, Count: 1}, 10, .9) },
		"weeks":    func() (Prediction, error) { return Predict(fine, good, 0, .9) },
		"level":    func() (Prediction, error) { return Predict(fine, good, 10, 1) },
	} {
		if _, err := call(); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
	gone, err := Predict(fine, Summary{X: 30, Tx: 5, T: 400, Count: 1}, 52, .95)
	if err != nil || gone.High != 0 || !math.IsInf(gone.Next, 1) {
		t.Errorf("one who has left: %+v, %v", gone, err)
	}
}

// Discounted counts against a sum over small steps of time.
func TestDiscounting(t *testing.T) {
	t.Parallel()
	for name, m := range models {
		for _, h := range []Horizon{
			{Weeks: 52}, {Weeks: 52, Discount: Yearly(.1)}, {Weeks: 520, Discount: Yearly(.15)}, {Weeks: 52, Discount: Discount{Rate: .5}},
			{Weeks: 52, Discount: Discount{Rate: .01, Period: 52. / 12}}, {Weeks: 50, Discount: Discount{Rate: .03, Period: 13}},
		} {
			const steps = 20000
			want, before := 0.0, 0.0
			for i := range steps {
				at := h.Weeks * float64(i+1) / steps
				now := m.ExpectedGiven(2, 30.43, 38.86, at)
				worth := math.Exp(-h.Discount.Rate * (at - h.Weeks/steps/2))
				if p := h.Discount.Period; p > 0 {
					end := math.Min(h.Weeks, p*math.Ceil((at-h.Weeks/steps/2)/p))
					worth = math.Pow(1+h.Discount.Rate, -end/p)
				}
				want += (now - before) * worth
				before = now
			}
			got, err := DiscountedGiven(m, 2, 30.43, 38.86, h)
			if err != nil {
				t.Fatal(err)
			}
			near(t, name, got, want, 2e-6*want)
		}
	}
	for _, h := range []Horizon{{}, {Weeks: math.Inf(1)}, {Weeks: 9, Discount: Discount{Rate: -1}}, {Weeks: 9, Discount: Discount{Rate: .1, Period: .001}}} {
		if _, err := DiscountedGiven(fine, 2, 30, 39, h); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: got %v, want invalid", h, err)
		}
	}
	near(t, "a year at 10 %", math.Exp(-Yearly(.1).Rate*WeeksPerYear), 1/1.1, 1e-12)
}

// The inputs that the validity package asks for give the standard error that this package gives, whatever the order.
func TestLinearisationFitsValidity(t *testing.T) {
	t.Parallel()
	customers := summarise(sampleOrders(t), date("19970930"))
	p := population(t, sampleOrders(t), "19970930")
	bg, mbg, pareto, spend := fitted(t, FitBGNBD, p), fitted(t, FitMBGNBD, p), fitted(t, FitParetoNBD, p), fitted(t, FitGammaGamma, p)
	const seed = 3
	t.Logf("seed %d", seed)
	rand.New(rand.NewPCG(seed, 0)).Shuffle(len(customers), func(i, j int) { customers[i], customers[j] = customers[j], customers[i] })
	made := map[string]func() (*Forecast, error){
		"purchases, BG/NBD":     func() (*Forecast, error) { return ForecastPurchases(p, bg, 39) },
		"purchases, Pareto/NBD": func() (*Forecast, error) { return ForecastPurchases(p, pareto, 39) },
		"alive, MBG/NBD":        func() (*Forecast, error) { return ForecastAlive(p, mbg) },
		"value":                 func() (*Forecast, error) { return ForecastValue(p, bg, spend, Horizon{Weeks: 52}) },
		"discounted value":      func() (*Forecast, error) { return ForecastValue(p, mbg, spend, Horizon{52, Yearly(.1)}) },
	}
	for name, make := range made {
		f, err := make()
		if err != nil {
			t.Fatal(err)
		}
		l, err := f.Linearise(customers)
		if err != nil {
			t.Fatal(err)
		}
		psi, err := validity.ModelInfluence(l.Expected, l.Grad, l.Information, l.Scores)
		if err != nil {
			t.Fatal(err)
		}
		want, mean, squares, n := f.Mean(), 0.0, 0.0, float64(len(customers))
		for i, e := range l.Expected {
			mean += e / n
			squares += psi[i] * psi[i]
		}
		t.Logf("%s: %.5f ± %.5f", name, want.Mean, want.StdErr)
		near(t, name+": mean", mean, want.Mean, 1e-9*want.Mean)
		near(t, name+": standard error", math.Sqrt(squares)/n, want.StdErr, 1e-4*want.StdErr)
		each, err := f.Of(customers)
		if diff := cmp.Diff(l.Expected, each); err != nil || diff != "" {
			t.Errorf("%s: one by one: %v\n%s", name, err, diff)
		}
		if _, err := f.Linearise(customers[1:]); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: without one customer: got %v, want invalid", name, err)
		}
		if _, err := f.Linearise(append(customers[1:len(customers):len(customers)], customers[1])); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: one customer twice: got %v, want invalid", name, err)
		}
	}
}

// The discounted value of the sample, and what discounting does to it.
func TestDiscountedValue(t *testing.T) {
	t.Parallel()
	p := population(t, sampleOrders(t), "19970930")
	bg, spend := fitted(t, FitBGNBD, p), fitted(t, FitGammaGamma, p)
	value := func(h Horizon) Estimate {
		f, err := ForecastValue(p, bg, spend, h)
		if err != nil {
			t.Fatal(err)
		}
		return f.Mean()
	}
	plain, discounted := value(Horizon{Weeks: 52}), value(Horizon{52, Yearly(.15)})
	t.Logf("52 weeks: %.3f ± %.3f, at 15 %% a year %.3f ± %.3f", plain.Mean, plain.StdErr, discounted.Mean, discounted.StdErr)
	// Purchases fall off within the year, so that their mean distance is a little under half of it.
	if ratio := discounted.Mean / plain.Mean; ratio < math.Pow(1.15, -.5) || ratio > math.Pow(1.15, -.4) {
		t.Errorf("discounting leaves %.4f", ratio)
	}
	near(t, "standard error", discounted.StdErr/plain.StdErr, discounted.Mean/plain.Mean, .02)
	if _, err := ForecastValue(p, bg, spend, Horizon{52, Discount{Rate: math.NaN()}}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a rate that is no number: got %v, want invalid", err)
	}
}
