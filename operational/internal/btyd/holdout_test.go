package btyd

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/fault"
)

// The table of the reference values: BTYD and CLVTools, run on the same file.
func TestHoldOutOfTheSample(t *testing.T) {
	t.Parallel()
	tested := divided(t, sampleOrders(t), "19970930", "19980630")
	bg, g, err := FitHoldOut(tested, 39, FitBGNBD, DefaultGates())
	if err != nil {
		t.Fatal(err)
	}
	pareto, q, err := FitHoldOut(tested, 39, FitParetoNBD, DefaultGates())
	if err != nil {
		t.Fatal(err)
	}
	customers := []int{1411, 439, 214, 100, 62, 38, 29, 64}
	actual := []float64{.2367, .6970, 1.3925, 1.5600, 2.5323, 2.9474, 3.8621, 6.3594}
	for _, c := range []struct {
		name                                string
		h                                   HoldOut
		model                               interface{ Probability(int, float64) float64 }
		predicted, frequency                []float64
		total, mae, rmse, correlation, near float64
	}{
		{"BG/NBD", g, bg.Model, []float64{.2251, .5231, 1.0441, 1.5203, 2.1638, 2.6538, 3.5040, 6.1570},
			[]float64{1407.68, 460.32, 192.46, 101.17, 59.85, 38.12, 25.55, 71.85}, 1653.39, .7855, 1.6080, .6256, .03},
		{"Pareto/NBD", q, pareto.Model, []float64{.1384, .5994, 1.1958, 1.7138, 2.3983, 2.9071, 3.8185, 6.4029},
			[]float64{1434.13, 396.88, 193.48, 111.80, 69.98, 45.85, 30.92, 73.96}, 1665.43, .7545, 1.6028, .6302, .1},
	} {
		near(t, c.name+": customers", float64(c.h.Customers), 2357, 0)
		near(t, c.name+": actual", c.h.Actual, 1882, 0)
		near(t, c.name+": predicted", c.h.Predicted, c.total, c.near)
		near(t, c.name+": MAE", c.h.MAE, c.mae, 1e-4)
		near(t, c.name+": RMSE", c.h.RMSE, c.rmse, 1e-4)
		near(t, c.name+": correlation", c.h.Correlation, c.correlation, 1e-4)
		p, err := NewPopulation(firstParts(tested))
		if err != nil {
			t.Fatal(err)
		}
		inSample := InSample(c.model, p)
		for x, b := range c.h.ByX {
			near(t, fmt.Sprintf("%s: customers with %d", c.name, x), float64(b.Customers), float64(customers[x]), 0)
			near(t, fmt.Sprintf("%s: actual mean of %d", c.name, x), b.Actual, actual[x], 5.1e-5)
			near(t, fmt.Sprintf("%s: predicted mean of %d", c.name, x), b.Predicted, c.predicted[x], 3e-4)
			near(t, fmt.Sprintf("%s: in-sample customers with %d", c.name, x), inSample[x].Actual, float64(customers[x]), 0)
			near(t, fmt.Sprintf("%s: in-sample frequency of %d", c.name, x), inSample[x].Predicted, c.frequency[x], c.near)
		}
	}
}

// In a world that obeys the model the forecast is right, and the order of customers means nothing.
func TestHoldOutOfASimulation(t *testing.T) {
	t.Parallel()
	const seed = 17
	t.Logf("seed %d", seed)
	tested := simulated(fine, 6000, 84, 280, 182, seed)
	_, h, err := FitHoldOut(tested, 26, FitBGNBD, DefaultGates())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("actual %.0f, predicted %.1f, correlation %.3f", h.Actual, h.Predicted, h.Correlation)
	near(t, "predicted", h.Predicted, h.Actual, .1*h.Actual)
	shuffled := slices.Clone(tested)
	rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	_, again, err := FitHoldOut(shuffled, 26, FitBGNBD, DefaultGates())
	if diff := cmp.Diff(h, again); err != nil || diff != "" {
		t.Errorf("in another order: %v\n%s", err, diff)
	}
}

func TestHoldOutRefuses(t *testing.T) {
	t.Parallel()
	one := []Tested{{Summary{X: 1, Tx: 2, T: 9, Count: 1}, 1}}
	if _, _, err := FitHoldOut(one, 10, FitBGNBD, DefaultGates()); fault.CodeOf(err) != fault.ModelNotIdentified {
		t.Errorf("one customer: got %v", err)
	}
	if _, err := Evaluate(fine, nil, 10); fault.CodeOf(err) != fault.NoData {
		t.Errorf("no customers: got %v", err)
	}
	if _, err := Evaluate(fine, one, 0); !fault.Is(err, fault.Invalid) {
		t.Errorf("no weeks: got %v, want invalid", err)
	}
	if _, err := Evaluate(fine, []Tested{{one[0].Summary, math.NaN()}}, 10); !fault.Is(err, fault.Invalid) {
		t.Errorf("no number of purchases: got %v, want invalid", err)
	}
	h, err := Evaluate(fine, one, 10)
	if err != nil || h.Correlation != 0 || h.MAE <= 0 {
		t.Errorf("one customer: %+v, %v", h, err)
	}
}

// The likelihood and its gradient stay finite for the extreme customers of the published cases, under all models.
func TestExtremeCustomersAreFinite(t *testing.T) {
	t.Parallel()
	customers := []Summary{
		{X: 221, Tx: 103.42857, T: 103.57143, Count: 1}, {X: 254, Tx: 97.14286, T: 97.28571, Count: 1},
		{X: 161, Tx: 94.71429, T: 98, Count: 1}, {X: 204, Tx: 98.57143, T: 99.42857, Count: 1},
		{X: 100000, Tx: 500, T: 520, Count: 1}, {T: 5200, Count: 1}, {X: 1, T: 1e-3, Tx: 1e-3, Count: 1},
	}
	p, err := NewPopulation(customers)
	if err != nil {
		t.Fatal(err)
	}
	for name, l := range map[string]likelihood{"BG/NBD": betaGeometric{p, 0}, "MBG/NBD": betaGeometric{p, 1}, "Pareto/NBD": paretoNBD{p}} {
		theta, grad := logs(.5143, 2.8845, .2856, 14.1087), make([]float64, 4)
		ll := total(l, theta, grad)
		if sum := ll + grad[0] + grad[1] + grad[2] + grad[3]; math.IsNaN(sum) || math.IsInf(sum, 0) {
			t.Errorf("%s: log-likelihood %v, gradient %v", name, ll, grad)
		}
	}
}
