package metric

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// The models and what is read off them.
const (
	valueModel  = "bg_nbd_gamma_gamma"
	aliveModel  = "mbg_nbd"
	valueOutput = "residual_value"
	aliveOutput = "share_alive"
)

func checkModel(m *contract.ModelSpec) error {
	if m == nil || !(m.Name == valueModel && m.Output == valueOutput && m.Horizon > 0 && m.Discount >= 0 && m.Discount <= 1 || m.Name == aliveModel && m.Output == aliveOutput) {
		return fmt.Errorf("no such model")
	}
	return nil
}

// modelled fits the definition's model to the customers' summaries. A model that the data do not identify gives a result
// without a value, with the reason.
func (p *Program) modelled(customers []btyd.Summary, gates btyd.Gates, group int64) (Result, error) {
	if len(customers) == 0 {
		return Result{Reason: &contract.Reason{Code: fault.NoData, Item: string(p.c.Metric.ID)}}, nil
	}
	population, err := btyd.NewPopulation(customers)
	if err != nil {
		return Result{}, fmt.Errorf("summaries: %w", err)
	}
	n := int64(population.Customers())
	r := Result{N: n, Smallest: n}
	if p.c.Metric.Model.Name == aliveModel {
		err = r.alive(population, gates)
	} else {
		horizon := btyd.Horizon{Weeks: float64(p.c.Metric.Model.Horizon), Discount: btyd.Yearly(p.c.Metric.Model.Discount)}
		err = r.worth(population, customers, gates, horizon, p.c.Metric.Dimension, group)
	}
	if r.Model != nil {
		r.Model.Repeaters = coarse(r.Model.Repeaters, n, group)
	}
	if fault.CodeOf(err) == fault.ModelNotIdentified {
		return Result{N: n, Smallest: n, Reason: unidentified(p.c.Metric.Model.Name, population, gates, group)}, nil
	}
	return r, err
}

// unidentified is why the model was refused: what a gate asks for, with the figures, or that the data do not identify it.
func unidentified(model string, p *btyd.Population, gates btyd.Gates, group int64) *contract.Reason {
	reason := contract.Reason{Code: fault.ModelNotIdentified, Item: model}
	switch repeaters := int64(p.Repeaters()); {
	case p.Weeks() < gates.MinWeeks:
		reason = reason.Figures(p.Weeks(), gates.MinWeeks)
	case repeaters < int64(gates.MinRepeaters):
		reason.Item = contract.RepeatCustomers
		reason = reason.Figures(float64(coarse(repeaters, int64(p.Customers()), group)), float64(gates.MinRepeaters))
	}
	return &reason
}

// coarse returns how many of the n customers came again, such that neither they nor the others are fewer than a group,
// unless there are none: the value tells of all customers, and need not be withheld because a handful never came back.
func coarse(repeaters, n, group int64) int64 {
	switch others := n - repeaters; {
	case n >= group && others > 0 && others < group:
		return n - group
	case repeaters > 0 && repeaters < group:
		return 0
	}
	return repeaters
}

// restingOn says which fit the value rests on, and takes the value away where that has expired.
func (r Result) restingOn(fits model.Line, id contract.MetricID) Result {
	if r.Model == nil {
		return r
	}
	m := *r.Model
	m.Version, m.State = btyd.Version, contract.ModelShadow
	f, ok := fits.Current()
	if ok {
		m.Fit, m.State, m.HoldOut = f.Number, f.State, f.Latest().HoldOut
	}
	if m.State != contract.ModelExpired {
		r.Model = &m
		return r
	}
	m.Parameters, m.LogLikelihood = map[string]float64{}, 0 // from which the value could be made all the same
	return Result{N: r.N, Smallest: r.Smallest, Model: &m, Reason: &contract.Reason{Code: fault.Validity, Item: string(id)}}
}

func (r *Result) alive(p *btyd.Population, gates btyd.Gates) error {
	fit, err := btyd.FitMBGNBD(p, gates)
	if err != nil {
		return err
	}
	e, err := btyd.Alive(p, fit)
	if err != nil {
		return err
	}
	r.estimate(e)
	m := fit.Model
	r.Model = describe(aliveModel, p, fit.LogLikelihood, map[string]float64{"r": m.R, "alpha": m.Alpha, "a": m.A, "b": m.B})
	return nil
}

func (r *Result) worth(p *btyd.Population, customers []btyd.Summary, gates btyd.Gates, horizon btyd.Horizon, by string, group int64) error {
	purchases, err := btyd.FitBGNBD(p, gates)
	if err != nil {
		return err
	}
	spend, err := btyd.FitGammaGamma(p, gates)
	if err != nil {
		return err
	}
	forecast, err := btyd.ForecastValue(p, purchases, spend, horizon)
	if err != nil {
		return err
	}
	r.estimate(forecast.Mean())
	b, g := purchases.Model, spend.Model
	r.Model = describe(valueModel, p, purchases.LogLikelihood, map[string]float64{
		"r": b.R, "alpha": b.Alpha, "a": b.A, "b": b.B, "p": g.P, "q": g.Q, "gamma": g.Gamma, "spend_log_likelihood": spend.LogLikelihood,
	})
	return r.individuals(customers, by, group, func(s btyd.Summary) (float64, error) {
		n, err := btyd.DiscountedGiven(b, s.X, s.Tx, s.T, horizon)
		return n * g.ExpectedSpend(s.X, s.Spend), err
	})
}

func (r *Result) estimate(e btyd.Estimate) {
	low, high := e.Mean-Z95*e.StdErr, e.Mean+Z95*e.StdErr
	r.Value, r.StdErr, r.Low, r.High = &e.Mean, &e.StdErr, &low, &high
}

func describe(name string, p *btyd.Population, ll float64, parameters map[string]float64) *contract.ModelFit {
	return &contract.ModelFit{
		Name: name, Parameters: parameters, LogLikelihood: ll, Customers: int64(p.Customers()), Repeaters: int64(p.Repeaters()), Weeks: p.Weeks(),
	}
}

// individuals adds what only the customers' own predictions tell: median, 90th percentile, and the mean by kind of buyer.
func (r *Result) individuals(customers []btyd.Summary, by string, group int64, predict func(btyd.Summary) (float64, error)) error {
	all := make([]prediction, len(customers))
	kinds := []contract.Part{{Key: "one_time"}, {Key: "repeat"}}
	for i, s := range customers {
		v, err := predict(s)
		if err != nil {
			return err
		}
		all[i] = prediction{v, max(1, int64(s.Count))}
		k := &kinds[0]
		if s.X > 0 {
			k = &kinds[1]
		}
		k.N += all[i].count
		k.Value += all[i].value * float64(all[i].count)
	}
	slices.SortFunc(all, func(a, b prediction) int { return cmp.Compare(a.value, b.value) })
	r.Median, r.P90 = quantile(all, .5, r.N), quantile(all, .9, r.N)
	r.coarsen(group)
	if by != ByBuyerKind || kinds[0].N < group || kinds[1].N < group {
		return nil
	}
	for _, k := range kinds {
		k.Value /= float64(k.N)
		r.Parts = append(r.Parts, k)
	}
	return nil
}

// prediction is of count customers with one history.
type prediction struct {
	value float64
	count int64
}

// quantile returns the value at rank ⌈q n⌉ of n customers, whose predictions are sorted.
func quantile(sorted []prediction, q float64, n int64) *float64 {
	want, seen := int64(math.Ceil(q*float64(n)-1e-9)), int64(0)
	for i := range sorted {
		if seen += sorted[i].count; seen >= want {
			return &sorted[i].value
		}
	}
	return nil
}
