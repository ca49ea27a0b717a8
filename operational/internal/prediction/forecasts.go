package prediction

import (
	"fmt"
	"math"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
)

// The models, and the version of what is made of them here.
const (
	valueName = "bg_nbd_gamma_gamma"
	aliveName = "mbg_nbd"
	version   = "1.0.0"
	level     = btyd.CoverageLevel // of a customer's own interval
)

// summaries returns the customers as the models see them, in the order given.
func (s *Service) summaries(all []purchase.History, asOf purchase.Day) ([]btyd.Summary, error) {
	out := make([]btyd.Summary, len(all))
	for i, h := range all {
		sum, customer, err := btyd.Summarise(s.bought(h), int(asOf))
		if err == nil && !customer {
			err = fmt.Errorf("a history without a purchase by the day")
		}
		if err != nil {
			return nil, err
		}
		sum.Spend = max(0, sum.Spend) // refunds beyond what was bought
		out[i] = sum
	}
	return out, nil
}

func (s *Service) bought(h purchase.History) []btyd.Bought {
	days := make([]btyd.Bought, len(h.Visits))
	for i, v := range h.Visits {
		days[i] = btyd.Bought{Day: int(v.Day), Revenue: float64(v.Minor) / s.minor}
	}
	return days
}

// value tells what customers will buy and spend.
func (s *Service) value(all []purchase.History, asOf purchase.Day, weeks float64) (Set, error) {
	customers, err := s.summaries(all, asOf)
	if err != nil {
		return Set{}, err
	}
	p, err := btyd.NewPopulation(customers)
	if err != nil {
		return Set{}, err
	}
	gates := btyd.DefaultGates()
	fit, err := btyd.FitBGNBD(p, gates)
	if err != nil {
		return Set{}, err
	}
	spend, err := btyd.FitGammaGamma(p, gates)
	if err != nil {
		return Set{}, err
	}
	model := predict.Model{Name: valueName, Version: btyd.Version, N: len(all), HoldOut: held(s, all, asOf, btyd.FitBGNBD)}
	set := Set{Columns: []export.Column{
		customerColumn,
		{Name: "expected_purchases", Type: export.Number, Note: fmt.Sprintf("days with a purchase in the next %g weeks, mean", weeks)},
		{Name: "purchases_low", Type: export.Integer, Note: "80 % interval of the customer's own purchases, from"},
		{Name: "purchases_high", Type: export.Integer, Note: "80 % interval, to"},
		{Name: "expected_value_minor", Type: export.Number, Note: fmt.Sprintf("revenue of the next %g weeks, minor units, undiscounted, mean", weeks)},
	}}
	t, sum := newTally("one_time", "repeat"), 0.0
	for i, c := range customers {
		e, err := btyd.Predict(fit.Model, c, weeks, level)
		if err != nil {
			return Set{}, err
		}
		value := e.Purchases * spend.Model.ExpectedSpend(c.X, c.Spend) * s.minor
		set.Rows = append(set.Rows, []any{all[i].Customer, e.Purchases, int64(e.Low), int64(e.High), value})
		t.add(buyerKind(c), value)
		sum += value
	}
	whole, err := btyd.Value(p, fit, spend, weeks)
	if err != nil {
		return Set{}, err
	}
	mean := sum / float64(len(all))
	set.Summary = Summary{Weeks: weeks, Mean: &mean, Interval: around(mean, whole.StdErr*s.minor), Unit: contract.Money, Groups: t.groups(int64(len(all)), s.smallest, true), Model: model}
	return set, nil
}

func buyerKind(c btyd.Summary) string {
	if c.X > 0 {
		return "repeat"
	}
	return "one_time"
}

// alive tells how likely customers are to be customers still.
func (s *Service) alive(all []purchase.History, asOf purchase.Day, _ float64) (Set, error) {
	customers, err := s.summaries(all, asOf)
	if err != nil {
		return Set{}, err
	}
	p, err := btyd.NewPopulation(customers)
	if err != nil {
		return Set{}, err
	}
	fit, err := btyd.FitMBGNBD(p, btyd.DefaultGates())
	if err != nil {
		return Set{}, err
	}
	model := predict.Model{Name: aliveName, Version: btyd.Version, N: len(all), HoldOut: held(s, all, asOf, btyd.FitMBGNBD)}
	set := Set{Columns: []export.Column{
		customerColumn,
		{Name: "alive", Type: export.Number, Note: "probability that this is still a customer"},
	}}
	t, sum := newTally("likely_gone", "uncertain", "likely_alive"), 0.0
	for i, c := range customers {
		alive := fit.Model.PAlive(c.X, c.Tx, c.T)
		set.Rows = append(set.Rows, []any{all[i].Customer, alive})
		t.add(likelihood(alive), alive)
		sum += alive
	}
	whole, err := btyd.Alive(p, fit)
	if err != nil {
		return Set{}, err
	}
	mean := sum / float64(len(all))
	set.Summary = Summary{Mean: &mean, Interval: around(mean, whole.StdErr), Unit: contract.Ratio, Groups: t.groups(int64(len(all)), s.smallest, true), Model: model}
	return set, nil
}

func likelihood(alive float64) string {
	switch {
	case alive < 1./3:
		return "likely_gone"
	case alive < 2./3:
		return "uncertain"
	}
	return "likely_alive"
}

// held is how the model does when the latest part of the data, which it does not see, is compared with its forecast: the
// longest of fitting.Spans that leaves enough to fit on. Its measures are predicted and actual, purchases of all customers,
// bias, the one against the other, mae, rmse and correlation over customers, and coverage, the share of them whose purchases
// lay in their own interval. It has 0 customers where the history is too
// short for any.
func held[M btyd.Frequency](s *Service, all []purchase.History, asOf purchase.Day, fit func(*btyd.Population, btyd.Gates) (*btyd.Fit[M], error)) predict.HoldOut {
	for _, weeks := range fitting.Spans {
		if e, ok := heldOut(s, all, asOf, weeks, fit); ok {
			out := predict.HoldOut{Design: predict.LaterTime, Customers: e.Customers, Weeks: e.Weeks, Measures: map[string]float64{
				"predicted": e.Predicted, "actual": e.Actual, "mae": e.MAE, "rmse": e.RMSE, "correlation": e.Correlation,
				"coverage": e.Coverage,
			}}
			if e.Actual > 0 {
				out.Measures["bias"] = e.Predicted/e.Actual - 1
			}
			return out
		}
	}
	return predict.HoldOut{Design: predict.LaterTime, Measures: map[string]float64{}}
}

// heldOut holds the last weeks out; false where that leaves too little to fit on.
func heldOut[M btyd.Frequency](s *Service, all []purchase.History, asOf purchase.Day, weeks int, fit func(*btyd.Population, btyd.Gates) (*btyd.Fit[M], error)) (btyd.HoldOut, bool) {
	from := int(asOf) - weeks*7
	var tested []btyd.Tested
	for _, h := range all {
		t, customer, err := btyd.Divide(s.bought(h), from, int(asOf))
		if err != nil {
			return btyd.HoldOut{}, false
		}
		if customer {
			t.Spend = max(0, t.Spend)
			tested = append(tested, t)
		}
	}
	_, e, err := btyd.FitHoldOut(tested, float64(weeks), fit, btyd.DefaultGates())
	return e, err == nil && !math.IsNaN(e.MAE)
}
