package forecast

import (
	"fmt"
	"math"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.8g, want %.8g ± %.2g", what, got, want, tolerance)
	}
}

// The examples of Hyndman & Athanasopoulos (2018), Forecasting: Principles and Practice, 2nd ed., chapter 7: oil production
// of Saudi Arabia 1996-2013 in millions of tonnes, air passengers of Australia 1990-2016 in millions, and visitor nights of
// foreign tourists in Australia by quarter from 2005 to 2015 in millions. The figures are those that R's forecast package
// prints for them.
var (
	oil = []float64{445.3641, 453.1950, 454.4096, 422.3789, 456.0371, 440.3866, 425.1944, 486.2052, 500.4291, 521.2759, 508.9476, 488.8889,
		509.8706, 456.7229, 473.8166, 525.9509, 549.8338, 542.3405}
	passengers = []float64{17.5534, 21.8601, 23.8866, 26.9293, 26.8885, 28.8314, 30.0751, 30.9535, 30.1857, 31.5797, 32.577569, 33.477398,
		39.021581, 41.386432, 41.596552, 44.657324, 46.951775, 48.728837, 51.488427, 50.026967, 60.640913, 63.3603103378, 66.355274, 68.197955,
		68.1232376693, 69.7793454797, 72.597700806}
	tourists = []float64{42.20566, 24.64917, 32.66734, 37.25735, 45.24246, 29.35048, 36.34421, 41.78208, 49.27660, 31.27540, 37.85063, 38.83704,
		51.23690, 31.83855, 41.32342, 42.79900, 55.70836, 33.40714, 42.31664, 45.15712, 59.57608, 34.83733, 44.84168, 46.97125, 60.01903, 38.37118,
		46.97586, 50.73380, 61.64687, 39.29957, 52.67121, 54.33232, 66.83436, 40.87119, 51.82854, 57.49191, 65.25147, 43.06121, 54.76076, 59.83447,
		73.25703, 47.69662, 61.09777, 66.05576}
)

func smoothedBy(t *testing.T, m Method, values []float64, season int) smoothed {
	t.Helper()
	trimmed, err := Series{Values: values, Season: season}.trim()
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.fit(trimmed, nil)
	if err != nil {
		t.Fatal(err)
	}
	return f.(smoothed)
}

func (m smoothed) rmse() float64 { return math.Sqrt(m.sse / float64(m.windows)) }

// ses(oildata, h=5)
func TestSimpleSmoothingOfOil(t *testing.T) {
	t.Parallel()
	m := smoothedBy(t, Simple, oil, 0)
	near(t, "alpha", m.weights.alpha, .8339, 1e-3)
	near(t, "level at the start", m.start.level, 446.5868, .05)
	near(t, "RMSE", m.rmse(), 28.12, .0051)
	means := m.means(5)
	variances := m.known(m.end, m.weights, len(oil), 5, m.sigma2()) // R's intervals are those of known parameters
	normal := distuv.UnitNormal
	for i, w := range [][4]float64{{504.4541, 580.9070, 484.2183, 601.1429}, {492.9073, 592.4539, 466.5589, 618.8023}, {483.5747, 601.7864, 452.2860, 633.0752},
		{475.5269, 609.8343, 439.9778, 645.3834}, {468.3452, 617.0159, 428.9945, 656.3667}} {
		sd := math.Sqrt(variances[i])
		near(t, "mean", means[i], 542.6806, .01)
		for j, q := range []float64{.1, .9, .025, .975} {
			near(t, fmt.Sprintf("%g %% limit of %d", 100*q, 2014+i), means[i]+normal.Quantile(q)*sd, w[j], .05)
		}
	}
}

// at runs a form with given weights from a given state and returns its end and the sum of squares, of errors in the
// series' unit.
func (f form) at(t *testing.T, y []float64, w weights, start state) (end state, sse float64) {
	t.Helper()
	end = start.clone()
	errors := make([]float64, 1)
	for i := range y {
		expected := f.project(end, w, i, 1)[0]
		sse += (y[i] - expected) * (y[i] - expected)
		step := state{level: end.level, slope: end.slope}
		if f.seasonal {
			step.seasonal = []float64{end.seasonal[i%len(end.seasonal)]}
		}
		if _, ok := f.filter(y[i:i+1], w, &step, errors); !ok {
			t.Fatal("the level falls to 0")
		}
		if end.level, end.slope = step.level, step.slope; f.seasonal {
			end.seasonal[i%len(end.seasonal)] = step.seasonal[0]
		}
	}
	return end, sse
}

// holt(air, h=5): at R's parameters its forecasts to all digits; R's own search stops a little short of the maximum, which is
// found here.
func TestHoltOfPassengers(t *testing.T) {
	t.Parallel()
	const alpha, beta = 0.830216559778346, 0.000100014855685128
	w := weights{alpha: alpha, beta: beta * alpha, phi: 1}
	m := smoothedBy(t, Holt, passengers, 0)
	end, sse := m.at(t, passengers, w, state{level: 15.5715222051655, slope: 2.10171710376136})
	means := m.means(5)
	theirs := m.project(end, w, len(passengers), 5)
	for i, want := range []float64{74.6013036045367, 76.7030432818444, 78.8047829591522, 80.90652263646, 83.0082623137678} {
		near(t, fmt.Sprintf("R's forecast of %d", 2017+i), theirs[i], want, 2e-4)
		near(t, fmt.Sprintf("forecast of %d", 2017+i), means[i], want, .03)
	}
	t.Logf("sum of squares %.5f, at R's parameters %.5f", m.sse, sse)
	near(t, "alpha", m.weights.alpha, .83, .01)
	if m.sse > sse+1e-6 {
		t.Errorf("sum of squares %.6f, at R's parameters %.6f", m.sse, sse)
	}
}

// hw(aust, seasonal = "additive") and "multiplicative", tables 7.3 and 7.4 of the book: RMSE 1.763 at alpha .306, beta*
// .0003, gamma .426, level 32.26, trend .70 and seasons 9.70, -9.31, -1.69, 1.31 at the start; RMSE 1.576 of the other.
func TestHoltWintersOfTourists(t *testing.T) {
	t.Parallel()
	n := float64(len(tourists))
	a := smoothedBy(t, HoltWinters, tourists, 4)
	_, sse := a.at(t, tourists, weights{alpha: .306, beta: .0003 * .306, gamma: .426, phi: 1}, state{32.26, .70, []float64{9.70, -9.31, -1.69, 1.31}})
	near(t, "RMSE at the book's parameters", math.Sqrt(sse/n), 1.763, .001)
	near(t, "RMSE", a.rmse(), 1.763, .01)
	if a.sse > sse {
		t.Errorf("sum of squares %.4f, at the book's parameters %.4f", a.sse, sse)
	}
	m := smoothedBy(t, HoltWintersFactors, tourists, 4)
	_, sse = m.at(t, tourists, m.weights, m.start)
	if rmse := math.Sqrt(sse / n); rmse > 1.576 || rmse < 1.55 {
		t.Errorf("RMSE of the multiplicative form %.4f, the book's 1.576", rmse)
	}
	t.Logf("additive %+v, RMSE %.4f; multiplicative %+v, RMSE %.4f", a.weights, a.rmse(), m.weights, math.Sqrt(sse/n))
}

// snaive(ts, h): the last season again, the error of k seasons ahead sqrt(k) times that of one.
func TestSeasonalNaive(t *testing.T) {
	t.Parallel()
	s, err := Series{Values: tourists, Season: 4}.trim()
	if err != nil {
		t.Fatal(err)
	}
	f, err := SeasonalNaive.fit(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	means, variances := f.means(6), f.variances(6)
	for i, want := range []float64{73.25703, 47.69662, 61.09777, 66.05576, 73.25703, 47.69662} {
		near(t, "mean", means[i], want, 0)
	}
	near(t, "variance of the second season", variances[4], 2*variances[0], 1e-12)
}

// A round of the operational checks: errors of 10, 10 and 10 on 100, 0 and 50.
func TestWAPE(t *testing.T) {
	t.Parallel()
	w, known := WAPE([]float64{100, 0, 50}, []float64{90, 10, 60})
	if !known {
		t.Fatal("unknown")
	}
	near(t, "WAPE", w, .20, 1e-12)
	if _, known := WAPE([]float64{0}, []float64{1}); known {
		t.Error("known where all is 0")
	}
	if _, known := WAPE([]float64{1}, nil); known {
		t.Error("known for different lengths")
	}
}
