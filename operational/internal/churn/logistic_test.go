package churn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/gonum/mat"

	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

// known is a table whose customers leave by a law that is known: plan b raises the logit by 1, each unit of use lowers it
// by 0.8, and a use that is not known says nothing.
func known(seed uint64, n int) Table {
	r := rand.New(rand.NewPCG(seed, 0))
	t := Table{Attributes: []Attribute{{"plan", Category}, {"use", Number}, {"colour", Category}}}
	for i := range n {
		plan, use := []string{"a", "b"}[r.IntN(2)], r.NormFloat64()
		f := -.5 - .8*use
		if plan == "b" {
			f++
		}
		values := []Value{Text(plan), Numeric(use), Text([]string{"red", "green", "blue"}[r.IntN(3)])}
		if r.Float64() < .1 {
			values[1] = Value{}
		}
		t.Examples = append(t.Examples, Example{Subject{fmt.Sprintf("c%05d", i), values}, r.Float64() < sigmoid(f), 0})
	}
	return t
}

func plain() Settings {
	s := DefaultSettings()
	s.Knots = 0
	return s
}

func fit(t testing.TB, table Table, s Settings) *Logistic {
	t.Helper()
	m, err := Fit(table, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// At the minimum the derivative by each coefficient is zero, computed here customer by customer from the definition.
func TestMinimumHasNoSlope(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(5, 0))
	n, p, penalty := 300, 6, 2.5
	x, target := mat.NewDense(n, p, nil), make([]float64, n)
	for i := range n {
		x.Set(i, 0, 1)
		for j := 1; j < p; j++ {
			x.Set(i, j, r.NormFloat64())
		}
		target[i] = r.Float64()
	}
	theta, _, err := regression{x, target, penalty}.minimise(make([]float64, p))
	if err != nil {
		t.Fatal(err)
	}
	for j := range p {
		slope := 0.0
		for i := range n {
			f := 0.0
			for k := range p {
				f += x.At(i, k) * theta[k]
			}
			slope += (1/(1+math.Exp(-f)) - target[i]) * x.At(i, j)
		}
		if j > 0 {
			slope += penalty * theta[j]
		}
		near(t, fmt.Sprintf("slope of coefficient %d", j), slope, 0, 1e-6)
	}
}

// Two groups give the logits of their shares, and the standard error that every textbook has for a 2x2 table.
func TestCoefficientsOfATwoByTwoTable(t *testing.T) {
	t.Parallel()
	x, target := mat.NewDense(100, 2, nil), make([]float64, 100)
	for i := range 100 { // 10 of 40 and 30 of 60
		x.SetRow(i, []float64{1, outcome(i >= 40)})
		target[i] = outcome(i < 10 || i >= 70)
	}
	theta, chol, err := regression{x, target, 0}.minimise([]float64{0, 0})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "intercept", theta[0], math.Log(10./30), 1e-7)
	near(t, "difference", theta[1], math.Log(30./30)-math.Log(10./30), 1e-7)
	var cov mat.SymDense
	if err := chol.InverseTo(&cov); err != nil {
		t.Fatal(err)
	}
	near(t, "standard error", math.Sqrt(cov.At(1, 1)), math.Sqrt(1./10+1./30+1./30+1./30), 1e-7)
}

func TestPenaltyKeepsSeparatedClassesFinite(t *testing.T) {
	t.Parallel()
	x, target := mat.NewDense(20, 2, nil), make([]float64, 20)
	for i := range 20 {
		x.SetRow(i, []float64{1, float64(i)})
		target[i] = outcome(i >= 10)
	}
	theta, _, err := (regression{x, target, 1}).minimise([]float64{0, 0})
	if err != nil {
		t.Fatal(err)
	}
	near(t, "where the classes part", -theta[0]/theta[1], 9.5, 1e-6)
}

// Over many data sets of one law the intervals hold the truth as often as they say, and the estimates centre on it.
func TestIntervalsHoldTheTruth(t *testing.T) {
	t.Parallel()
	runs, n := 60, 2000
	var slope, difference, predicted int
	sum := 0.0
	probe := Subject{"probe", []Value{Text("b"), Numeric(1), Text("red")}}
	truth := sigmoid(-.5 + 1 - .8)
	for seed := range runs {
		m, err := fitCalibrated(known(uint64(seed), n), plain())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range m.Coefficients() {
			if c.Attribute == "use" && c.Level == "" {
				sum += c.Estimate / c.Scale / float64(runs)
				slope += within(c.Estimate, c.StdErr, -.8*c.Scale)
			}
			if c.Level == "b" { // the two levels are told against their mean
				difference += within(c.Estimate, c.StdErr, .5)
			}
		}
		got, err := m.Predict(probe)
		if err != nil {
			t.Fatal(err)
		}
		if got.Interval.Contains(truth) {
			predicted++
		}
	}
	t.Logf("of %d intervals %d hold the slope, %d the level, %d the probability; mean slope %.4f", runs, slope, difference, predicted, sum)
	near(t, "mean slope", sum, -.8, .03)
	// 57 are due; 51 or fewer of 60 have a probability of 1 %.
	for what, got := range map[string]int{"slope": slope, "level": difference, "probability": predicted} {
		if got < 52 {
			t.Errorf("%d of %d intervals hold the %s", got, runs, what)
		}
	}
}

func within(estimate, se, truth float64) int {
	if math.Abs(estimate-truth) <= z95*se {
		return 1
	}
	return 0
}

func TestGatesRefuse(t *testing.T) {
	t.Parallel()
	table := known(1, 2000)
	_, err := Fit(Table{table.Attributes, table.Examples[:199]}, DefaultSettings())
	refused(t, err, "199 customers and the model needs 200")
	var stayed []Example
	for _, e := range table.Examples {
		if !e.Churned || len(stayed) < 20 {
			stayed = append(stayed, e)
		}
	}
	rare := slices.Clone(stayed)
	for i := range rare {
		rare[i].Churned = i < 49
	}
	_, err = Fit(Table{table.Attributes, rare}, DefaultSettings())
	refused(t, err, "49 customers left")
	s := DefaultSettings()
	s.Gates.EventsPerVariable = 1000
	_, err = Fit(table, s)
	refused(t, err, "events for 5 variables and the model needs 1000 each")
	for i := range rare {
		rare[i].Churned = false
	}
	s.Gates = Gates{}
	_, err = Fit(Table{table.Attributes, rare}, s)
	refused(t, err, "0 customers left")
}

func TestKnotsGiveWayToTheGates(t *testing.T) {
	t.Parallel()
	table := known(3, 2000)
	s := DefaultSettings()
	events := min(table.events(), 2000-table.events())
	for knots := range 4 {
		s.Gates.EventsPerVariable = float64(events) / float64(5+knots) // plan 1, use 1 and missing 1, colour 2, and the knots
		_, used, err := prepared(table, s)
		if err != nil || used.Knots != knots {
			t.Errorf("%d knots (%v), want %d", used.Knots, err, knots)
		}
	}
}

func TestImpossibleInputIsRefused(t *testing.T) {
	t.Parallel()
	table := known(2, 300)
	change := func(f func(t *Table)) Table {
		c := Table{slices.Clone(table.Attributes), slices.Clone(table.Examples)}
		f(&c)
		return c
	}
	for name, bad := range map[string]Table{
		"customer twice":    change(func(t *Table) { t.Examples[1].Customer = t.Examples[0].Customer }),
		"value missing":     change(func(t *Table) { t.Examples[1].Values = t.Examples[1].Values[:1] }),
		"not a number":      change(func(t *Table) { t.Examples[1].Values = []Value{Text("a"), Numeric(math.NaN()), Text("red")} }),
		"attribute twice":   change(func(t *Table) { t.Attributes[0].Name = "use" }),
		"attribute unknown": change(func(t *Table) { t.Attributes[0].Kind = "" }),
	} {
		if _, err := Fit(bad, DefaultSettings()); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
	for name, s := range map[string]Settings{
		"penalty": {Folds: 5, MaxFitted: 1}, "folds": {Penalty: 1, Folds: 1, MaxFitted: 1}, "fitted": {Penalty: 1, Folds: 2},
		"knots": {Penalty: 1, Folds: 2, Knots: -1, MaxFitted: 1},
	} {
		if _, err := Fit(table, s); fault.CodeOf(err) != fault.BadDefinition {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := fit(t, table, plain()).Predict(Subject{"x", nil}); !fault.Is(err, fault.Invalid) {
		t.Errorf("a customer without values: got %v", err)
	}
}

// Attributes that know nothing are no model.
func TestNoiseIsNotIdentified(t *testing.T) {
	t.Parallel()
	refusals := 0
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 9))
		table := known(seed, 400)
		for i := range table.Examples {
			table.Examples[i].Churned = r.IntN(2) == 0
		}
		m, err := Fit(table, DefaultSettings())
		if err != nil {
			refused(t, err, "no better than by chance")
			refusals++
			continue
		}
		if auc := m.Model.HoldOut.Measures["auc"]; auc > .6 {
			t.Errorf("seed %d: noise has an AUC of %g", seed, auc)
		}
	}
	t.Logf("%d of 10 fits to noise were refused", refusals)
	if refusals == 0 {
		t.Error("no fit to noise was refused")
	}
}

func TestReasonsSumToTheLogit(t *testing.T) {
	t.Parallel()
	table := known(7, 1500)
	m := fit(t, table, DefaultSettings())
	average := m.shift + m.slope*m.theta[0]
	for _, e := range append(table.Examples[:200:200], Example{Subject: Subject{"new", []Value{Text("never seen"), {}, {}}}}) {
		row := make([]float64, len(m.enc.columns))
		f := m.logit(e.Values, row)
		sum := average
		for _, r := range m.contributions(e.Values, row, f) {
			sum += r.LogOdds
		}
		if math.Abs(sum-f) > 1e-9 {
			t.Fatalf("%s: average and reasons sum to %g, the logit is %g", e.Customer, sum, f)
		}
		p, err := m.Predict(e.Subject)
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(p.Reasons); i++ {
			if math.Abs(p.Reasons[i].LogOdds) > math.Abs(p.Reasons[i-1].LogOdds) {
				t.Fatalf("%s: reasons out of order: %v", e.Customer, p.Reasons)
			}
		}
	}
	got, err := m.Predict(Subject{"gone", []Value{Text("b"), Numeric(-2), Text("red")}})
	if err != nil {
		t.Fatal(err)
	}
	if got.Reasons[0].Attribute != "use" || got.Reasons[1].Attribute != "plan" || got.Reasons[0].Points <= 0 || got.Reasons[1].Points <= 0 {
		t.Errorf("low use on plan b: reasons %v", got.Reasons)
	}
}

// A level that nobody had, and a number nobody lacked, count as the average.
func TestUnseenCountsAsAverage(t *testing.T) {
	t.Parallel()
	table := known(7, 1500)
	for i := range table.Examples {
		if !table.Examples[i].Values[1].Known {
			table.Examples[i].Values[1] = Numeric(0)
		}
	}
	m := fit(t, table, DefaultSettings())
	row := make([]float64, len(m.enc.columns))
	near(t, "logit", m.logit([]Value{Text("z"), {}, Text("pink")}, row), m.shift+m.slope*m.theta[0], 1e-12)
}

func TestRareLevelsShareAColumn(t *testing.T) {
	t.Parallel()
	table := known(8, 1000)
	for i := range 14 {
		table.Examples[i].Values[2] = Text(fmt.Sprintf("rare %d", i/5))
	}
	var levels []string
	for _, c := range newEncoder(table, 0).columns {
		if c.attribute == 2 {
			levels = append(levels, c.level)
		}
	}
	if d := cmp.Diff([]string{"(other)", "blue", "green", "red"}, levels); d != "" {
		t.Error(d)
	}
}

// With days the hold-out is the latest fifth, whole days, whatever the seed.
func TestHoldOutIsLater(t *testing.T) {
	t.Parallel()
	table := known(11, 2000)
	for i := range table.Examples {
		table.Examples[i].Day = purchase.Day(i / 10 * 7) // 200 weeks of ten
		if i >= 1600 {                                   // the law turns round
			table.Examples[i].Churned = !table.Examples[i].Churned
		}
	}
	h, _, err := Evaluate(table, DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	if h.Design != predict.LaterTime || h.Customers != 400 || h.Weeks != 40 {
		t.Errorf("hold-out %+v, want 400 customers of 40 weeks", h)
	}
	if h.Measures["auc"] > .4 {
		t.Errorf("AUC %g: the later time, where the law has turned round, was not held out", h.Measures["auc"])
	}
	for i := range table.Examples {
		table.Examples[i].Day = purchase.Day(min(i, 1000)) // half of all on the last day
	}
	if h, _, err = Evaluate(table, DefaultSettings()); err != nil || h.Customers != 1000 {
		t.Errorf("a long last day: %+v, %v", h, err)
	}
}

func TestNothingDependsOnOrder(t *testing.T) {
	t.Parallel()
	table := known(13, 800)
	s := DefaultSettings()
	s.MaxFitted = 700 // a sample, too
	want := fit(t, table, s)
	backwards := Table{table.Attributes, slices.Clone(table.Examples)}
	slices.Reverse(backwards.Examples)
	got := fit(t, backwards, s)
	if want.Model.N != 700 {
		t.Errorf("fitted on %d customers, want 700", want.Model.N)
	}
	for _, d := range []string{cmp.Diff(want.Coefficients(), got.Coefficients()), cmp.Diff(want.Model, got.Model), cmp.Diff(want.Calibration, got.Calibration)} {
		if d != "" {
			t.Error(d)
		}
	}
}
