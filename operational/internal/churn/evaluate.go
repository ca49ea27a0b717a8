package churn

import (
	"fmt"
	"slices"

	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

// calibrationBins is how many rows a calibration table has.
const calibrationBins = 10

// Evaluate tells how well a model fitted by the settings predicts customers that it has not seen. Where the examples'
// days differ, the latest fifth or so (one in [Settings.Folds], whole days) is predicted from all earlier ones. Where
// they do not, the data has no time, and every customer is predicted from the other folds, of seed [Settings.Seed].
// Calibration is part of what is evaluated: it is fitted inside the customers kept. It fails as [Fit] does.
func Evaluate(t Table, s Settings) (predict.HoldOut, []Bin, error) {
	t, s, err := prepared(t, s)
	if err != nil {
		return predict.HoldOut{}, nil, err
	}
	return evaluate(t, s)
}

// prepared checks settings, table and gates, and takes knots away as far as the gates ask for it.
func prepared(t Table, s Settings) (Table, Settings, error) {
	if !(s.Penalty > 0) || s.Folds < 2 || s.Knots < 0 || s.Reasons < 0 || s.MaxFitted < 1 {
		return Table{}, s, fault.New(fault.Invalid, fault.BadDefinition, "settings of a churn model: need a positive penalty (%g), two folds or "+
			"more (%d), a customer to fit on (%d), and no negative number of knots (%d) or reasons (%d)", s.Penalty, s.Folds, s.MaxFitted,
			s.Knots, s.Reasons)
	}
	t, err := t.checked()
	if err != nil {
		return Table{}, s, err
	}
	t = t.sample(s.MaxFitted)
	s, err = s.affordable(t)
	return t, s, err
}

// affordable returns the settings with the most knots, up to theirs, with which the table passes the gates.
func (s Settings) affordable(t Table) (Settings, error) {
	for ; ; s.Knots-- {
		err := s.Gates.check(len(t.Examples), t.events(), newEncoder(t, s.Knots).variables())
		if err == nil || s.Knots == 0 {
			return s, err
		}
	}
}

func evaluate(t Table, s Settings) (predict.HoldOut, []Bin, error) {
	if cut, weeks, ok := laterTime(t, s.Folds); ok {
		return evaluateLater(t, s, cut, weeks)
	}
	logits, err := leftOut(t, s, func(kept Table) (*Logistic, error) { return fitCalibrated(kept, s) })
	if err != nil {
		return predict.HoldOut{}, nil, err
	}
	h, bins := compare(logits, t.churned())
	h.Design = predict.CrossValidation
	return h, bins, nil
}

// laterTime returns the first day of the hold-out and its length: the latest days with at most one in parts of
// all examples, at least one day.
func laterTime(t Table, parts int) (cut purchase.Day, weeks float64, ok bool) {
	days := make([]purchase.Day, len(t.Examples))
	for i, e := range t.Examples {
		days[i] = e.Day
	}
	slices.Sort(days)
	n := len(days)
	if n == 0 || days[0] == days[n-1] {
		return 0, 0, false
	}
	cut = days[n-1]
	if wanted := days[n-1-n/parts] + 1; wanted < cut {
		cut = wanted
	}
	at, _ := slices.BinarySearch(days, cut)
	return days[at], float64(days[n-1]-days[at-1]) / 7, true
}

func evaluateLater(t Table, s Settings, cut purchase.Day, weeks float64) (predict.HoldOut, []Bin, error) {
	earlier, later := t.split(func(i int) bool { return t.Examples[i].Day >= cut })
	s, err := s.affordable(earlier)
	if err != nil {
		return predict.HoldOut{}, nil, fmt.Errorf("before the hold-out: %w", err)
	}
	m, err := fitCalibrated(earlier, s)
	if err != nil {
		return predict.HoldOut{}, nil, err
	}
	logits, row := make([]float64, len(later.Examples)), make([]float64, len(m.enc.columns))
	for i, e := range later.Examples {
		logits[i] = m.logit(e.Values, row)
	}
	h, bins := compare(logits, later.churned())
	h.Design, h.Weeks = predict.LaterTime, weeks
	return h, bins, nil
}

// compare holds the logits told against what happened. The area under the curve is left out where only one thing did.
func compare(logits []float64, churned []bool) (predict.HoldOut, []Bin) {
	p, base := make([]float64, len(logits)), 0.0
	for i, f := range logits {
		p[i] = sigmoid(f)
		base += outcome(churned[i]) / float64(len(logits))
	}
	measures := map[string]float64{"brier": Brier(p, churned), "log_loss": LogLoss(p, churned), "base_rate": base}
	if auc, ok := AUC(p, churned); ok {
		measures["auc"] = auc
	}
	return predict.HoldOut{Customers: len(logits), Measures: measures}, Calibration(p, churned, calibrationBins)
}
