package btyd

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// The numbers in this file are those of the design's reference values: published, or computed there with public
// packages. Two printed digits mean a tolerance of half the last digit.

func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.8g, want %.8g ± %.2g", what, got, want, tolerance)
	}
}

func fitted[M any](t testing.TB, fit func(*Population, Gates) (*Fit[M], error), p *Population) *Fit[M] {
	t.Helper()
	f, err := fit(p, DefaultGates())
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// Fader, Hardie & Lee (2005), to the digits of CLVTools and BTYD.
var (
	fine       = BGNBD{0.2425945, 4.4136019, 0.7929199, 2.4258881}
	threeDigit = BGNBD{0.243, 4.414, 0.793, 2.426}
)

func TestBGNBDSampleFit(t *testing.T) {
	t.Parallel()
	p := population(t, sampleOrders(t), "19970930")
	f := fitted(t, FitBGNBD, p)
	near(t, "r", f.Model.R, 0.2425945, 1e-3)
	near(t, "alpha", f.Model.Alpha, 4.4136019, 1e-3)
	near(t, "a", f.Model.A, 0.7929199, 1e-3)
	near(t, "b", f.Model.B, 2.4258881, 1e-3)
	near(t, "LL", f.LogLikelihood, -9582.4292, 1e-3)
	near(t, "LL by the model", f.Model.LogLikelihood(p), f.LogLikelihood, 1e-7)
}

func TestBGNBDExpectations(t *testing.T) {
	t.Parallel()
	near(t, "E[Y(39) | 2, 30.43, 38.86]", fine.ExpectedGiven(2, 30.43, 38.86, 39), 1.226, 1e-3)
	for week, want := range map[float64]float64{0.1429: .0078, 1: .0532, 3: .1506, 31.8571: 1.0405, 32: 1.0437, 78: 1.8576} {
		near(t, fmt.Sprintf("E[X(%g)]", week), fine.Expected(week), want, math.Max(5.1e-5, want*1e-3))
	}
	near(t, "P(X(2)=10)", threeDigit.Probability(10, 2), 1.07869e-07, 5e-13)
	near(t, "P(X(39)=0)", threeDigit.Probability(0, 39), 0.5737864, 1e-7)
	near(t, "E[X(52)], fine", fine.Expected(52), 1.444005, 1e-5)
	near(t, "E[X(52)], three digits", threeDigit.Expected(52), 1.44605, 5e-6)
	near(t, "CET(52) of 1516", fine.ExpectedGiven(26, 216./7, 31, 52), 25.7565, 1e-3)
	near(t, "P(alive) of 1516", fine.PAlive(26, 216./7, 31), 0.96885, 1e-5)
	near(t, "P(alive | 2, 30.43, 38.86)", threeDigit.PAlive(2, 30.43, 38.86), .7266, 5.1e-5)
}

func TestMBGNBDSampleFit(t *testing.T) {
	t.Parallel()
	p := population(t, sampleOrders(t), "19970930")
	f := fitted(t, FitMBGNBD, p)
	near(t, "LL by the model", f.Model.LogLikelihood(p), f.LogLikelihood, 1e-7)
	near(t, "r", f.Model.R, .52484, 1e-3)
	near(t, "alpha", f.Model.Alpha, 6.1831, 1e-3)
	near(t, "a", f.Model.A, .89136, 1e-3)
	near(t, "b", f.Model.B, 1.6140, 1e-3)
	near(t, "LL", f.LogLikelihood, -9582.1357, 1e-3)
}

func TestAllCustomersAt39Weeks(t *testing.T) {
	t.Parallel()
	p := population(t, masterOrders(t), "19970930")
	f := fitted(t, FitBGNBD, p)
	near(t, "r", f.Model.R, .2516, 1e-3)
	near(t, "alpha", f.Model.Alpha, 4.7889, 1e-3)
	near(t, "a", f.Model.A, .7234, 1e-3)
	near(t, "b", f.Model.B, 2.1611, 1e-3)
	actual := purchaseDays(masterOrders(t), "19970930", 7*39)
	near(t, "actual purchases in 39 weeks", float64(actual), 19684, 0)
	near(t, "purchases in 39 weeks", predicted(t, p, f, 39), 16874, .5)
	before, seen := 0.0, 0
	for i, want := range []float64{1.056, 1.239, 1.252, .967, 1.020, 1.394, 1.262, 1.098, 1.231} {
		total, actual := predicted(t, p, f, float64(4*(i+1))), purchaseDays(masterOrders(t), "19970930", 28*(i+1))
		near(t, fmt.Sprintf("window %d, actual/predicted", i+1), float64(actual-seen)/(total-before), want, 5.1e-4)
		before, seen = total, actual
	}
}

func predicted(t *testing.T, p *Population, f *Fit[BGNBD], weeks float64) float64 {
	t.Helper()
	e, err := Purchases(p, f, weeks)
	if err != nil {
		t.Fatal(err)
	}
	return e.Mean * float64(e.N)
}

// purchaseDays counts the customer-days in the days after the as-of day; all customers had come before it.
func purchaseDays(orders []order, asOf string, days int) int {
	type customerDay struct {
		customer string
		day      time.Time
	}
	from := date(asOf)
	to := from.AddDate(0, 0, days)
	seen := map[customerDay]bool{}
	for _, o := range orders {
		if o.day.After(from) && !o.day.After(to) {
			seen[customerDay{o.customer, o.day}] = true
		}
	}
	return len(seen)
}

func TestAllCustomersAtTheEnd(t *testing.T) {
	t.Parallel()
	p := population(t, masterOrders(t), "19980630")
	bg, mbg := fitted(t, FitBGNBD, p), fitted(t, FitMBGNBD, p)
	near(t, "BG/NBD LL", bg.LogLikelihood, -173425.9, .051)
	near(t, "MBG/NBD LL", mbg.LogLikelihood, -173294.4, .051)
	alive, err := Alive(p, mbg)
	if err != nil {
		t.Fatal(err)
	}
	near(t, "share alive, MBG/NBD", alive.Mean, .414, 5e-4)
	sum := 0.0
	for _, h := range p.histories {
		sum += float64(h.Count) * bg.Model.PAlive(h.X, h.Tx, h.T)
	}
	near(t, "share alive, BG/NBD", sum/float64(p.Customers()), .797, 5e-4)
}

func TestGammaGammaSampleFit(t *testing.T) {
	t.Parallel()
	customers := summarise(sampleOrders(t), date("19970930"))
	p, err := NewPopulation(customers)
	if err != nil {
		t.Fatal(err)
	}
	f := fitted(t, FitGammaGamma, p)
	near(t, "LL", f.LogLikelihood, -4055.9177, 1e-3)
	near(t, "LL by the model", f.Model.LogLikelihood(p), f.LogLikelihood, 1e-7)
	near(t, "p", f.Model.P, 6.249572, 1e-3)
	near(t, "q", f.Model.Q, 3.744225, 1e-3)
	near(t, "gamma", f.Model.Gamma, 15.443521, 1e-3)
	near(t, "standard error of gamma", f.StdErrs[2], 4.2, .05)
	sum := 0.0
	for _, c := range customers {
		sum += c.Spend
	}
	near(t, "mean spend of repeaters", sum/float64(p.Repeaters()), 35.0778, 5.1e-5)
	for i, want := range []float64{24.65, 18.91, 35.17, 35.17, 35.17, 71.46, 18.91, 35.17, 27.28, 35.17} {
		got := f.Model.ExpectedSpend(customers[i].X, customers[i].Spend)
		near(t, fmt.Sprintf("expected spend of customer %d", i+1), got, want, .0051)
	}
}

// monthly is the value column of the table "CDNOW month by month"; in the refused months it is what the models give
// without gates.
var monthly = []struct {
	asOf    string
	value   float64
	refused bool
}{
	{"19970228", 68.78, true}, {"19970331", 49.71, true}, {"19970430", 41.56, false}, {"19970531", 35.43, false},
	{"19970630", 37.57, false}, {"19970731", 38.94, false}, {"19970831", 35.40, false}, {"19970930", 34.51, false},
	{"19971031", 34.62, false}, {"19971130", 36.67, false}, {"19971231", 36.23, false}, {"19980131", 35.45, false},
	{"19980228", 35.76, false}, {"19980331", 38.07, false}, {"19980430", 36.70, false}, {"19980531", 35.50, false},
	{"19980630", 35.11, false},
}

func TestValueMonthByMonth(t *testing.T) {
	t.Parallel()
	for _, m := range monthly {
		t.Run(m.asOf, func(t *testing.T) {
			t.Parallel()
			p := population(t, masterOrders(t), m.asOf)
			gates := DefaultGates()
			if m.refused {
				_, err := ValueForecast(p, gates, 52)
				refused(t, err, "weeks")
				gates = Gates{}
			}
			v, err := ValueForecast(p, gates, 52)
			if err != nil {
				t.Fatal(err)
			}
			near(t, "value", v.Mean, m.value, .0051)
		})
	}
}

// TestValueStandardError compares with the reference, each figure of which is the deviation of 16 bootstraps and so
// known to ±18 % itself. That of 1998-06, .6, is not among them: it is 1.5 times too small, see
// TestStandardErrorsAgainstBootstrap.
func TestValueStandardError(t *testing.T) {
	t.Parallel()
	for asOf, want := range map[string]float64{"19970630": 1.6, "19970930": 1.3, "19971231": 1.0, "19980331": 1.3} {
		v, err := ValueForecast(population(t, masterOrders(t), asOf), DefaultGates(), 52)
		if err != nil {
			t.Fatal(err)
		}
		near(t, "standard error at "+asOf, v.StdErr, want, want/4)
	}
}
