package nextpurchase

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/datatest"
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

func near(t testing.TB, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.8g, want %.8g ± %.2g", what, got, want, tolerance)
	}
}

// With K = 1 the law of the gaps is MBG/NBD: the design's log-likelihood of the sample, customer by customer.
func TestAtRandomTheLawIsMBGNBD(t *testing.T) {
	t.Parallel()
	asOf := datatest.Day("19970930")
	customers, err := purchase.AsOf(datatest.CDNOWSample(t), asOf)
	if err != nil {
		t.Fatal(err)
	}
	law, model := renewal{1, .52484, 6.1831, .89136, 1.6140}, btyd.MBGNBD{R: .52484, Alpha: 6.1831, A: .89136, B: 1.6140}
	sum := 0.0
	f := Forecaster{asOf: asOf, settings: DefaultSettings(), alive: model, gaps: &law}
	for _, h := range customers {
		c, s := suffices(h, asOf), h.Summary(asOf)
		sum += law.logLikelihood(c, nil)
		near(t, "P(alive)", law.alive(c), model.PAlive(s.X, s.Tx, s.T), 1e-9)
		byGaps, byAlive := f.byGaps(c), f.byAlive(s)
		near(t, "return within 20 weeks", byGaps.within(20), byAlive.within(20), 1e-9)
	}
	near(t, "log-likelihood", sum, -9582.1357, 1e-3)
}

func TestScoreIsTheSlope(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		positive := func(name string, low, high float64) float64 { return rapid.Float64Range(low, high).Draw(t, name) }
		m := renewal{positive("k", .5, 4), positive("r", .3, 5), positive("alpha", 1, 20), positive("a", .3, 5), positive("b", .3, 5)}
		c := sufficient{n: float64(rapid.IntRange(0, 12).Draw(t, "n")), open: positive("open", .1, 60)}
		for range int(c.n) {
			g := positive("gap", .15, 30)
			c.sum += g
			c.logs += math.Log(g)
		}
		score := make([]float64, parameters)
		m.logLikelihood(c, score)
		for j, got := range score {
			const h = 1e-5
			up, down := m.theta(), m.theta()
			up[j] += h
			down[j] -= h
			want := (renewalOf(up).logLikelihood(c, nil) - renewalOf(down).logLikelihood(c, nil)) / (2 * h)
			if math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
				t.Fatalf("slope %d of %+v for %+v: %g, by differences %g", j, m, c, got, want)
			}
		}
	})
}

// clockwork are customers of a known law: gaps of shape K about a mean of their own, leaving after a purchase with a chance
// of their own, first seen in the first 26 weeks of 104.
func clockwork(seed uint64, n int, law renewal) ([]purchase.History, purchase.Day) {
	src := rand.NewPCG(seed, 0)
	rnd := rand.New(src)
	const asOf = 7 * 104
	out := make([]purchase.History, n)
	for i := range out {
		gap := distuv.Gamma{Alpha: law.K, Beta: distuv.Gamma{Alpha: law.R, Beta: law.Alpha, Src: src}.Rand(), Src: src}
		leave := distuv.Beta{Alpha: law.A, Beta: law.B, Src: src}.Rand()
		h := purchase.History{Customer: fmt.Sprintf("c%05d", i)}
		for at := 7 * 26 * rnd.Float64(); at < asOf; at += 7 * gap.Rand() {
			day := purchase.Day(at)
			if k := len(h.Visits); k == 0 || h.Visits[k-1].Day < day {
				h.Visits = append(h.Visits, purchase.Visit{Day: day, Minor: 100})
			}
			if rnd.Float64() < leave {
				break
			}
		}
		out[i] = h
	}
	return out, asOf
}

// Customers who buy by the clock are found to, and their interval says so: narrower than for purchases at random, and as
// often right as it claims.
func TestClockwork(t *testing.T) {
	t.Parallel()
	const seed = 21
	t.Logf("seed %d", seed)
	histories, asOf := clockwork(seed, 3000, renewal{K: 6, R: 6, Alpha: 4, A: .8, B: 6})
	f, err := Fit(histories, asOf, DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	k, _ := f.Regularity()
	near(t, "regularity", k, 6, .5)
	h := f.Model.HoldOut
	t.Logf("fitted %+v, hold-out %v", *f.gaps, h.Measures)
	near(t, "coverage, own gaps", h.Measures["coverage_own_gaps"], .8, .04)
	near(t, "coverage", h.Measures["coverage"], .8, .04)
	near(t, "expected returns", h.Measures["returns_expected"], h.Measures["returned"], .03)
	random := *f
	random.gaps = nil
	own, narrow := 0, 0
	for _, h := range histories {
		p := f.predict(h)
		if p.Basis != OwnGaps || p.Returns < .5 {
			continue
		}
		own++
		if width(p) < width(random.predict(h)) {
			narrow++
		}
	}
	if own < 500 || narrow < own*95/100 {
		t.Errorf("of %d regular customers %d have a narrower interval than by chance", own, narrow)
	}
}

func width(p Prediction) float64 { return p.Interval.High - p.Interval.Low }

func TestPredictionsAreOrdered(t *testing.T) {
	t.Parallel()
	f, err := Fit(datatest.CDNOWSample(t), datatest.Day("19971231"), DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	bases := map[Basis]int{}
	for _, h := range datatest.CDNOWSample(t) {
		p, err := f.Predict(h)
		if err != nil {
			t.Fatal(err)
		}
		bases[p.Basis]++
		if !(0 < p.Interval.Low && p.Interval.Low < p.Median && p.Median < p.Interval.High && p.Interval.High < 7*26 && p.Returns >= 0 && p.Returns < 1) {
			t.Fatalf("prediction %+v", p)
		}
		if p.Basis == AliveModel || (p.Basis == OwnGaps) != (p.Gaps >= 3) || p.Model.Name != Name || p.Model.HoldOut.Customers == 0 {
			t.Fatalf("prediction %+v", p)
		}
	}
	t.Logf("bases %v", bases)
	// A customer much too long silent is not expected, and never an error.
	gone := purchase.History{Customer: "gone"}
	for d := range purchase.Day(60) {
		gone.Visits = append(gone.Visits, purchase.Visit{Day: datatest.Day("19970101") + d})
	}
	p, err := f.Predict(gone)
	if err != nil || !(p.Returns < 1e-6) || math.IsNaN(p.Median) {
		t.Errorf("%+v, %v", p, err)
	}
}

// The quantiles invert the law that the probability of a return is read off.
func TestQuantilesInvertTheLaw(t *testing.T) {
	t.Parallel()
	law := renewal{2, 1, 5, 1, 3}
	f := Forecaster{gaps: &law}
	w := f.byGaps(sufficient{n: 4, sum: 16, logs: 4 * math.Log(4), open: 3})
	for _, q := range []float64{.1, .5, .9, 1} {
		near(t, fmt.Sprintf("share by quantile %g", q), w.within(w.quantile(q, 26))/w.within(26), q, 1e-7)
	}
}

func TestFitRefuses(t *testing.T) {
	t.Parallel()
	sample, asOf := datatest.CDNOWSample(t), datatest.Day("19970930")
	_, err := Fit(sample[:300], asOf, DefaultSettings())
	if fault.CodeOf(err) != fault.ModelNotIdentified || !strings.Contains(err.Error(), "customers came back") {
		t.Errorf("few customers: got %v", err)
	}
	for name, s := range map[string]Settings{"horizon": {OwnGaps: 3, MaxFitted: 1}, "own gaps": {HorizonWeeks: 1, MaxFitted: 1}, "fitted": {HorizonWeeks: 1, OwnGaps: 1}} {
		if _, err := Fit(sample, asOf, s); fault.CodeOf(err) != fault.BadDefinition {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := Fit([]purchase.History{{Customer: "a"}}, asOf, DefaultSettings()); !fault.Is(err, fault.Invalid) {
		t.Errorf("no visits: got %v", err)
	}
	s := DefaultSettings()
	s.MinRegulars = 10_000
	f, err := Fit(sample, asOf, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := f.Regularity(); ok || fault.CodeOf(f.GapsRefused()) != fault.ModelNotIdentified {
		t.Errorf("too few regulars: %v", f.GapsRefused())
	}
	for _, h := range sample {
		if p := f.predict(h.Until(asOf)); p.Basis != AliveModel {
			t.Fatalf("%+v without a law of the gaps", p)
		}
	}
	later := purchase.History{Customer: "later", Visits: []purchase.Visit{{Day: asOf + 1}}}
	for _, h := range []purchase.History{later, {Customer: "none"}} {
		if _, err := f.Predict(h); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", h.Customer, err)
		}
	}
	if got := f.Model.HoldOut; got.Design != predict.LaterTime || got.Customers != 0 {
		t.Errorf("39 weeks leave 13 to fit on, whose first quarter is too short: hold-out %+v", got)
	}
}

// The same customers give the same bits in any order, also where only some of them are fitted on.
func TestFitDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	s := DefaultSettings()
	s.MaxFitted = 800
	sample, asOf := datatest.CDNOWSample(t), datatest.Day("19980331")
	want, err := Fit(sample, asOf, s)
	if err != nil {
		t.Fatal(err)
	}
	backwards := slices.Clone(sample)
	slices.Reverse(backwards)
	got, err := Fit(backwards, asOf, s)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want.Model, got.Model); d != "" || *want.gaps != *got.gaps {
		t.Errorf("%+v and %+v: %s", *want.gaps, *got.gaps, d)
	}
}
