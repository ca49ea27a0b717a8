package nextpurchase

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"

	"github.com/strata-crm/strata/shared/fault"
)

const (
	gradientGoal   = 1e-5 // per customer, in log-parameters
	maxLogDistance = 8    // a parameter e^±8 times that of MBG/NBD has run away
	hessianStep    = 1e-3 // in log-parameters
	minCurvature   = 1e-7 // smallest reciprocal condition number of an information matrix that counts as regular
)

// maximise climbs from the start to the maximum of the mean log-likelihood of the customers. It refuses with
// model_not_identified where that is not a regular one.
func maximise(customers []sufficient, start renewal) (renewal, error) {
	origin := start.theta()
	value := func(theta, grad []float64) float64 { return meanLoss(customers, theta, origin, grad) }
	grad, cached, f := make([]float64, parameters), make([]float64, parameters), math.NaN()
	eval := func(theta []float64) float64 {
		if math.IsNaN(f) || !floats.Equal(theta, cached) {
			f = value(theta, grad)
			copy(cached, theta)
		}
		return f
	}
	problem := optimize.Problem{Func: eval, Grad: func(g, theta []float64) { eval(theta); copy(g, grad) }}
	settings := &optimize.Settings{GradientThreshold: gradientGoal / 10, MajorIterations: 100, Converger: optimize.NeverTerminate{}}
	// A line search that fails near the maximum is no failure: what is confirmed is the place.
	result, err := optimize.Minimize(problem, origin, settings, &optimize.BFGS{})
	if result == nil {
		return renewal{}, fault.New(fault.Conflict, fault.ModelNotIdentified, "the gaps' likelihood cannot be climbed: %w", err)
	}
	return renewalOf(result.X), confirm(result.X, value)
}

// meanLoss is the negative mean log-likelihood, +Inf too far from the origin; it writes the gradient.
func meanLoss(customers []sufficient, theta, origin, grad []float64) float64 {
	clear(grad)
	if floats.Distance(theta, origin, math.Inf(1)) > maxLogDistance {
		return math.Inf(1)
	}
	m, sum, score := renewalOf(theta), 0.0, make([]float64, parameters)
	for _, c := range customers {
		sum += m.logLikelihood(c, score)
		floats.Add(grad, score)
	}
	n := float64(len(customers))
	floats.Scale(-1/n, grad)
	if math.IsNaN(sum) {
		return math.Inf(1)
	}
	return -sum / n
}

func confirm(theta []float64, value func(theta, grad []float64) float64) error {
	grad := make([]float64, parameters)
	if f := value(theta, grad); math.IsInf(f, 0) || !(floats.Norm(grad, math.Inf(1)) < gradientGoal) {
		return fault.New(fault.Conflict, fault.ModelNotIdentified, "the gaps' likelihood has no maximum inside the parameter space (gradient "+
			"%.1e): wait for more data", floats.Norm(grad, math.Inf(1)))
	}
	h := mat.NewSymDense(parameters, nil)
	up, down, at := make([]float64, parameters), make([]float64, parameters), make([]float64, parameters)
	for j := range parameters {
		copy(at, theta)
		at[j] = theta[j] + hessianStep
		value(at, up)
		at[j] = theta[j] - hessianStep
		value(at, down)
		for i := range j + 1 {
			h.SetSym(i, j, (up[i]-down[i])/(2*hessianStep))
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(h) || !(1/chol.Cond() > minCurvature) {
		return fault.New(fault.Conflict, fault.ModelNotIdentified, "the gaps' information matrix is singular at parameters %.3g: the data do not "+
			"tell them apart; wait for more data", []float64{math.Exp(theta[0]), math.Exp(theta[1]), math.Exp(theta[2]), math.Exp(theta[3]), math.Exp(theta[4])})
	}
	return nil
}
