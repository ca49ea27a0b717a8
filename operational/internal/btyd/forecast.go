package btyd

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/strata-crm/strata/shared/fault"
)

// Estimate is a mean over all customers of a population.
type Estimate struct {
	Mean   float64
	StdErr float64 // sampling of customers and the error of the fitted parameters together
	N      int     // customers
}

// ValueForecast fits BG/NBD and Gamma-Gamma and returns [Value]. It refuses with model_not_identified as they do.
func ValueForecast(p *Population, g Gates, weeks float64) (Estimate, error) {
	purchases, err := FitBGNBD(p, g)
	if err != nil {
		return Estimate{}, err
	}
	spend, err := FitGammaGamma(p, g)
	if err != nil {
		return Estimate{}, err
	}
	return Value(p, purchases, spend, weeks)
}

// Value is the undiscounted residual value of a customer: the expected number of purchases over the next weeks times
// the expected revenue of one, in currency units, mean over all customers. It fails (Invalid) when a model was not
// fitted on p or weeks is not positive.
func Value(p *Population, purchases *Fit[BGNBD], spend *Fit[GammaGamma], weeks float64) (Estimate, error) {
	if err := checkForecast(p, weeks, purchases.estimate, spend.estimate); err != nil {
		return Estimate{}, err
	}
	expected := func(v [4]float64) []float64 { return betaGeometric{p, 0}.expectedByHistory(v, weeks) }
	counts := expected(purchases.Model.params())
	values := make([]float64, len(p.cells))
	revenue := make([]float64, len(p.histories)) // of one purchase by each customer with the history
	spendGrad, grad := make([]float64, 3), make([]float64, 3)
	for i, c := range p.cells {
		h, n := p.cellOf[i], float64(c.Count)
		money := spend.Model.ExpectedSpend(c.X, c.Spend)
		values[i] = counts[h] * money
		revenue[h] += n * money
		spend.Model.spendGradient(c.X, c.Spend, grad)
		floats.AddScaled(spendGrad, n*counts[h], grad)
	}
	return p.mean(values,
		influence{purchases.estimate, gradient(purchases.estimate.theta, revenue, expected), p.cellOf},
		influence{spend.estimate, spendGrad, p.spendOf}), nil
}

// Purchases is the expected number of purchases of a customer over the next weeks under BG/NBD, mean over all
// customers. It fails as [Value] does.
func Purchases(p *Population, fit *Fit[BGNBD], weeks float64) (Estimate, error) {
	if err := checkForecast(p, weeks, fit.estimate); err != nil {
		return Estimate{}, err
	}
	return p.historyMean(fit.estimate, func(v [4]float64) []float64 {
		return betaGeometric{p, 0}.expectedByHistory(v, weeks)
	}), nil
}

// AliveForecast fits MBG/NBD and returns [Alive]. It refuses with model_not_identified as the fit does.
func AliveForecast(p *Population, g Gates) (Estimate, error) {
	fit, err := FitMBGNBD(p, g)
	if err != nil {
		return Estimate{}, err
	}
	return Alive(p, fit)
}

// Alive is the share of customers who have not left, in [0, 1]: the mean of P(alive) under MBG/NBD. It fails (Invalid)
// when the model was not fitted on p.
func Alive(p *Population, fit *Fit[MBGNBD]) (Estimate, error) {
	if err := checkForecast(p, 1, fit.estimate); err != nil {
		return Estimate{}, err
	}
	return p.historyMean(fit.estimate, func(v [4]float64) []float64 {
		return betaGeometric{p, 1}.aliveByHistory(v)
	}), nil
}

// checkForecast holds a forecast to the customers its models were fitted on: the standard error pairs every customer's
// expectation with the same customer's score.
func checkForecast(p *Population, weeks float64, estimates ...*estimate) error {
	if !(weeks > 0) || math.IsInf(weeks, 1) {
		return fault.New(fault.Invalid, fault.InvalidItem, "a forecast over %g weeks: name a positive number of weeks", weeks)
	}
	for _, e := range estimates {
		if e == nil || e.population != p {
			return fault.New(fault.Invalid, fault.InvalidItem, "the model was not fitted on these customers: fit it on them first")
		}
	}
	return nil
}

// historyMean is the mean over all customers of a quantity that depends on history and four parameters.
func (p *Population) historyMean(e *estimate, quantity func(v [4]float64) []float64) Estimate {
	counts := make([]float64, len(p.histories))
	for i, h := range p.histories {
		counts[i] = float64(h.Count)
	}
	byHistory := quantity([4]float64(exps(e.theta)))
	values := make([]float64, len(p.cells))
	for i, h := range p.cellOf {
		values[i] = byHistory[h]
	}
	return p.mean(values, influence{e, gradient(e.theta, counts, quantity), p.cellOf})
}

// gradient is the derivative by the log-parameters of the weighted sum of a quantity, by central differences.
func gradient(theta, weights []float64, quantity func(v [4]float64) []float64) []float64 {
	grad := make([]float64, len(theta))
	for k := range theta {
		moved := slices.Clone(theta)
		moved[k] = theta[k] + centralStep
		up := floats.Dot(weights, quantity([4]float64(exps(moved))))
		moved[k] = theta[k] - centralStep
		down := floats.Dot(weights, quantity([4]float64(exps(moved))))
		grad[k] = (up - down) / (2 * centralStep)
	}
	return grad
}

// influence is how the parameters of one model carry a customer's data into a total: grad is the derivative of the
// total by the log-parameters, row[i] the likelihood's row of cell i, or -1 where the model was not fitted on it.
type influence struct {
	*estimate
	grad []float64
	row  []int
}

// weights is the inverse information times the gradient, to be multiplied by a customer's score.
func (f influence) weights() []float64 {
	var w mat.VecDense
	w.MulVec(&f.cov, mat.NewVecDense(len(f.grad), f.grad))
	return w.RawVector().Data
}

// mean is the mean of the cells' values with the standard error of its linearisation: a customer moves it by
//
//	psi_i = e_i - mean e + grad' A^-1 score_i,
//
// grad the derivative of the mean, A the observed information per customer, one such term for each model. The customers
// are independent, so the variance is sum psi_i^2 / n^2. It covers both which customers came and what they taught the
// models; parameters held fixed would cover about two thirds of what a 95 % interval should.
func (p *Population) mean(values []float64, parts ...influence) Estimate {
	n, sum := float64(p.customers), 0.0
	for i, c := range p.cells {
		sum += float64(c.Count) * values[i]
	}
	mean := sum / n
	psi := make([]float64, len(p.cells))
	for i, v := range values {
		psi[i] = v - mean
	}
	for _, part := range parts {
		weights, score := part.weights(), make([]float64, len(part.grad))
		for i, row := range part.row {
			if row >= 0 {
				part.density(row, score)
				psi[i] += floats.Dot(weights, score)
			}
		}
	}
	squares := 0.0
	for i, c := range p.cells {
		squares += float64(c.Count) * psi[i] * psi[i]
	}
	return Estimate{Mean: mean, StdErr: math.Sqrt(squares) / n, N: p.customers}
}
