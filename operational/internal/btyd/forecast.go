package btyd

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/strata-crm/strata/shared/fault"
)

// Frequency is a model of how often customers come back: [BGNBD], [MBGNBD] or [ParetoNBD].
type Frequency interface {
	// PAlive is the probability, in [0, 1], that a customer with x repeats, the last tx weeks after the first purchase,
	// is still a customer t weeks after it.
	PAlive(x, tx, t float64) float64
	// ExpectedGiven is the expected number of purchases of such a customer in the next weeks.
	ExpectedGiven(x, tx, t, weeks float64) float64
}

// Estimate is a mean over all customers of a population.
type Estimate struct {
	Mean   float64
	StdErr float64 // sampling of customers and the error of the fitted parameters together
	N      int     // customers
}

// Forecast is a figure for every customer of a population, by models that were fitted on it. It is immutable and safe
// for concurrent use.
type Forecast struct {
	population *Population
	values     []float64 // of the population's cells
	parts      []influence
}

// ForecastPurchases is the expected number of purchases of each customer over the next weeks. It fails (Invalid) when
// the model was not fitted on p or weeks is not positive.
func ForecastPurchases[M Frequency](p *Population, fit *Fit[M], weeks float64) (*Forecast, error) {
	if err := checkForecast(p, weeks, fit.estimate); err != nil {
		return nil, err
	}
	return byHistory(p, fit, func(m M, h Summary) float64 { return m.ExpectedGiven(h.X, h.Tx, h.T, weeks) }), nil
}

// ForecastAlive is the probability, in [0, 1], of each customer to be one still. Under BG/NBD it is 1 for all who have
// not come back; use MBG/NBD. It fails (Invalid) when the model was not fitted on p.
func ForecastAlive[M Frequency](p *Population, fit *Fit[M]) (*Forecast, error) {
	if err := checkForecast(p, 1, fit.estimate); err != nil {
		return nil, err
	}
	return byHistory(p, fit, func(m M, h Summary) float64 { return m.PAlive(h.X, h.Tx, h.T) }), nil
}

// ForecastValue is the residual value of each customer in currency units: the purchases expected within the horizon,
// discounted as it says, times the expected revenue of one. It fails (Invalid) when a model was not fitted on p or the
// horizon cannot be.
func ForecastValue[M Frequency](p *Population, purchases *Fit[M], spend *Fit[GammaGamma], horizon Horizon) (*Forecast, error) {
	if err := checkForecast(p, horizon.Weeks, purchases.estimate, spend.estimate); err != nil {
		return nil, err
	}
	schedule, err := horizon.schedule()
	if err != nil {
		return nil, err
	}
	count := func(m M, h Summary) float64 { return schedule.worth(m, h) }
	counts := p.each(func(h Summary) float64 { return count(purchases.Model, h) })
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
	return &Forecast{p, values, []influence{
		{purchases.estimate, gradient(p, purchases, revenue, count), p.cellOf},
		{spend.estimate, spendGrad, p.spendOf},
	}}, nil
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

// Value is the mean over all customers of [ForecastValue] over the next weeks, undiscounted. It fails as that does.
func Value[M Frequency](p *Population, purchases *Fit[M], spend *Fit[GammaGamma], weeks float64) (Estimate, error) {
	return meanOf(ForecastValue(p, purchases, spend, Horizon{Weeks: weeks}))
}

// Purchases is the mean over all customers of [ForecastPurchases]. It fails as that does.
func Purchases[M Frequency](p *Population, fit *Fit[M], weeks float64) (Estimate, error) {
	return meanOf(ForecastPurchases(p, fit, weeks))
}

// AliveForecast fits MBG/NBD and returns [Alive]. It refuses with model_not_identified as the fit does.
func AliveForecast(p *Population, g Gates) (Estimate, error) {
	fit, err := FitMBGNBD(p, g)
	if err != nil {
		return Estimate{}, err
	}
	return Alive(p, fit)
}

// Alive is the share of customers who have not left, in [0, 1]: the mean of [ForecastAlive]. It fails as that does.
func Alive[M Frequency](p *Population, fit *Fit[M]) (Estimate, error) {
	return meanOf(ForecastAlive(p, fit))
}

func meanOf(f *Forecast, err error) (Estimate, error) {
	if err != nil {
		return Estimate{}, err
	}
	return f.Mean(), nil
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

// each evaluates a quantity for every history.
func (p *Population) each(quantity func(Summary) float64) []float64 {
	out := make([]float64, len(p.histories))
	for i, h := range p.histories {
		out[i] = quantity(h)
	}
	return out
}

// byHistory is the forecast of a quantity that depends on a customer's history alone.
func byHistory[M any](p *Population, fit *Fit[M], quantity func(M, Summary) float64) *Forecast {
	counts := p.each(func(h Summary) float64 { return float64(h.Count) })
	quantities := p.each(func(h Summary) float64 { return quantity(fit.Model, h) })
	values := make([]float64, len(p.cells))
	for i, h := range p.cellOf {
		values[i] = quantities[h]
	}
	return &Forecast{p, values, []influence{{fit.estimate, gradient(p, fit, counts, quantity), p.cellOf}}}
}

// gradient is the derivative by the log-parameters of the weighted sum of a quantity, by central differences.
func gradient[M any](p *Population, fit *Fit[M], weights []float64, quantity func(M, Summary) float64) []float64 {
	theta := fit.estimate.theta
	sum := func(theta []float64) float64 {
		m := fit.build(exps(theta))
		return floats.Dot(weights, p.each(func(h Summary) float64 { return quantity(m, h) }))
	}
	grad := make([]float64, len(theta))
	for k := range theta {
		moved := slices.Clone(theta)
		moved[k] = theta[k] + centralStep
		up := sum(moved)
		moved[k] = theta[k] - centralStep
		grad[k] = (up - sum(moved)) / (2 * centralStep)
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

// Mean is the mean over all customers, with the standard error of its linearisation: a customer moves it by
//
//	psi_i = e_i - mean e + grad' A^-1 score_i,
//
// grad the derivative of the mean, A the observed information per customer, one such term for each model. The customers
// are independent, so the variance is sum psi_i^2 / n^2. It covers both which customers came and what they taught the
// models; parameters held fixed would cover about two thirds of what a 95 % interval should.
func (f *Forecast) Mean() Estimate {
	n, mean := float64(f.population.customers), f.mean()
	psi := make([]float64, len(f.values))
	for i, v := range f.values {
		psi[i] = v - mean
	}
	for _, part := range f.parts {
		weights, score, density := part.weights(), make([]float64, len(part.grad)), part.density()
		for i, row := range part.row {
			if row >= 0 {
				density(row, score)
				psi[i] += floats.Dot(weights, score)
			}
		}
	}
	squares := 0.0
	for i, c := range f.population.cells {
		squares += float64(c.Count) * psi[i] * psi[i]
	}
	return Estimate{Mean: mean, StdErr: math.Sqrt(squares) / n, N: f.population.customers}
}

func (f *Forecast) mean() float64 {
	sum := 0.0
	for i, c := range f.population.cells {
		sum += float64(c.Count) * f.values[i]
	}
	return sum / float64(f.population.customers)
}
