package churn

import (
	"math"
	"strconv"
	"testing"

	"github.com/strata-crm/strata/operational/internal/datatest"
	"github.com/strata-crm/strata/operational/internal/predict"
)

// telco is the public churn file: three numbers, sixteen categories, 11 blank charges.
func telco(t testing.TB) Table {
	t.Helper()
	columns, rows := datatest.Telco(t)
	var table Table
	last := len(columns) - 1
	for _, name := range columns[1:last] {
		kind := Category
		switch name {
		case "tenure", "MonthlyCharges", "TotalCharges":
			kind = Number
		}
		table.Attributes = append(table.Attributes, Attribute{name, kind})
	}
	for _, r := range rows {
		e := Example{Subject: Subject{Customer: r[0]}, Churned: r[last] == "Yes"}
		for i, a := range table.Attributes {
			e.Values = append(e.Values, telcoValue(t, a.Kind, r[i+1]))
		}
		table.Examples = append(table.Examples, e)
	}
	return table
}

func telcoValue(t testing.TB, kind Kind, text string) Value {
	t.Helper()
	if kind == Category {
		return Text(text)
	}
	if text == " " {
		return Value{}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return Numeric(v)
}

// The design's gate: plain logistic regression reaches .8456 and .1356 there. AUC is of all customers' probabilities together.
func TestTelco(t *testing.T) {
	t.Parallel()
	table := telco(t)
	runs := 10
	if testing.Short() {
		runs = 3
	}
	var auc, brier, loss float64
	for seed := range runs {
		s := DefaultSettings()
		s.Seed = uint64(seed)
		h, _, err := Evaluate(table, s)
		if err != nil {
			t.Fatal(err)
		}
		auc += h.Measures["auc"] / float64(runs)
		brier += h.Measures["brier"] / float64(runs)
		loss += h.Measures["log_loss"] / float64(runs)
	}
	t.Logf("mean of %d seeded stratified 5-fold runs: AUC %.5f, Brier %.5f, log loss %.5f", runs, auc, brier, loss)
	if auc < .845 || brier > .136 || loss > .4174 {
		t.Errorf("AUC %.5f, Brier %.5f, log loss %.5f: want at least .845, and at most .136 and .4174", auc, brier, loss)
	}
}

func TestTelcoModel(t *testing.T) {
	t.Parallel()
	table := telco(t)
	m, err := Fit(table, DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	if h := m.Model.HoldOut; m.Model.N != 7043 || h.Customers != 7043 || h.Design != predict.CrossValidation {
		t.Errorf("model %+v", m.Model)
	}
	near(t, "base rate", m.Model.HoldOut.Measures["base_rate"], 1869./7043, 1e-12)
	t.Logf("calibration: logit = %.4f + %.4f of the fitted", m.shift, m.slope)
	for _, b := range m.Calibration {
		t.Logf("%4d customers: told %.3f, left %.3f (%.3f to %.3f)", b.N, b.Predicted, b.Observed, b.Interval.Low, b.Interval.High)
		if math.Abs(b.Predicted-b.Observed) > .04 {
			t.Errorf("%.3f told, %.3f left", b.Predicted, b.Observed)
		}
	}
	missing := 0
	for _, c := range m.Coefficients() {
		if c.Level == missingLevel {
			missing++
		}
		if c.Attribute == "Contract" {
			t.Logf("%s %s: %+.3f ± %.3f", c.Attribute, c.Level, c.Estimate, c.StdErr)
		}
	}
	if missing != 1 {
		t.Errorf("%d columns for missing values, want one for the 11 blank charges", missing)
	}
	checkTelcoCustomers(t, table, m)
}

// checkTelcoCustomers prints a customer with the reasons, and holds the probabilities to their sum: calibration leaves it.
func checkTelcoCustomers(t *testing.T, table Table, m *Logistic) {
	t.Helper()
	sum := 0.0
	for _, e := range table.Examples {
		p, err := m.Predict(e.Subject)
		if err != nil {
			t.Fatal(err)
		}
		if !p.Interval.Contains(p.Probability) || len(p.Reasons) != 3 || p.Model.Name != LogisticName {
			t.Fatalf("prediction %+v", p)
		}
		if e.Customer == "7590-VHVEG" {
			t.Logf("%s: %.3f (%.3f to %.3f), because %s", p.Customer, p.Probability, p.Interval.Low, p.Interval.High, p.Reasons)
		}
		sum += p.Probability
	}
	near(t, "customers expected to leave", sum, 1869, 20)
}
