package btyd

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

const (
	thinnedRows    = 500  // on so many rows, evenly spread, several starts are tried; the best is climbed on all
	maxLogDistance = 12   // a parameter e^±12 times its start has run away: the likelihood rises without bound
	climbGoal      = 1e-4 // gradient per customer at which Newton's method takes over
	finalGoal      = 1e-7 // where it failed from there
	gradientGoal   = 1e-9 // per customer, in log-parameters; the likelihood is then exact to far below 1e-6
	centralStep    = 1e-4 // in log-parameters, for central differences
	minCurvature   = 1e-8 // smallest reciprocal condition number of an information matrix that counts as regular
	maxLogStdErr   = 2    // a parameter known to no better than a factor of e^±4 (95 %) lies on a ridge
	polishSteps    = 20
)

// rowDensity returns the log-density of row i; where score is not nil it also writes the derivatives by the
// log-parameters there.
type rowDensity func(i int, score []float64) float64

// likelihood is a sum of log-densities over weighted rows, as a function of the logarithms of the parameters.
type likelihood interface {
	rows() int
	weight(i int) float64
	at(theta []float64) rowDensity
}

// estimate is a regular maximum of a likelihood.
type estimate struct {
	population *Population  // whose likelihood it is; nil where no forecast is made from it
	theta      []float64    // logarithms of the parameters
	logLik     float64      // at theta
	info       mat.SymDense // observed information of theta, of all customers the model is fitted on
	cov        mat.SymDense // its inverse
	of         likelihood   // which theta maximises
	evals      int          // evaluations of likelihood and gradient
}

// density is each row's log-density at the maximum. It is not safe for concurrent use.
func (e *estimate) density() rowDensity { return e.of.at(e.theta) }

// stdErrs returns the standard errors of the parameters themselves (delta method).
func (e *estimate) stdErrs() []float64 {
	se := make([]float64, len(e.theta))
	for i, t := range e.theta {
		se[i] = math.Exp(t) * math.Sqrt(e.cov.At(i, i))
	}
	return se
}

// total returns the log-likelihood at theta and, where grad is not nil, writes its gradient.
func total(l likelihood, theta, grad []float64) float64 {
	density := l.at(theta)
	var score []float64
	if grad != nil {
		score = make([]float64, len(grad))
		clear(grad)
	}
	sum := 0.0
	for i := range l.rows() {
		w := l.weight(i)
		sum += w * density(i, score)
		if grad != nil {
			floats.AddScaled(grad, w, score)
		}
	}
	return sum
}

// thinned is every stepth row of a likelihood.
type thinned struct {
	likelihood
	step int
}

func (l thinned) rows() int            { return (l.likelihood.rows() + l.step - 1) / l.step }
func (l thinned) weight(i int) float64 { return l.likelihood.weight(i * l.step) }
func (l thinned) at(theta []float64) rowDensity {
	density := l.likelihood.at(theta)
	return func(i int, score []float64) float64 { return density(i*l.step, score) }
}

// search is one run of the optimiser: the negative mean log-likelihood, which keeps thresholds free of sample size.
type search struct {
	likelihood
	center []float64 // of the box; a start, so that the box does not depend on the unit of money
	n      float64   // customers
	evals  int
}

func newSearch(l likelihood, center []float64) *search {
	s := &search{likelihood: l, center: center}
	for i := range l.rows() {
		s.n += l.weight(i)
	}
	return s
}

// value returns the function and, where grad is not nil, writes its gradient. It is +Inf outside the box of maxLogDistance, so that line searches turn back there.
func (s *search) value(theta, grad []float64) float64 {
	s.evals++
	if floats.Distance(theta, s.center, math.Inf(1)) > maxLogDistance {
		clear(grad)
		return math.Inf(1)
	}
	f := -total(s.likelihood, theta, grad) / s.n
	floats.Scale(-1/s.n, grad)
	if math.IsNaN(f) {
		return math.Inf(1)
	}
	return f
}

// maximise returns the highest maximum that it finds from the starts (log-parameters). It fails with
// model_not_identified when that has no gradient of zero or no regular information matrix. A part of the rows may be too few
// to tell the parameters apart and lead astray; then all starts are climbed on all rows.
func maximise(l likelihood, starts [][]float64) (*estimate, error) {
	first := likely(l, starts)
	e, err := highest(l, first)
	if err != nil && len(first) < len(starts) {
		return highest(l, starts)
	}
	return e, err
}

func highest(l likelihood, starts [][]float64) (*estimate, error) {
	s := newSearch(l, starts[0])
	best, bestF := starts[0], math.Inf(1)
	for _, start := range starts {
		theta := s.climb(start, climbGoal)
		if f := s.value(theta, nil); f < bestF {
			best, bestF = theta, f
		}
	}
	e, err := s.confirm(s.polish(best))
	if err != nil { // Newton's method may have begun too far from the maximum
		return s.confirm(s.polish(s.climb(best, finalGoal)))
	}
	return e, nil
}

// likely replaces several starts on many rows by one: where the best of them leads on a part of the rows, or that start
// itself where the part misleads.
func likely(l likelihood, starts [][]float64) [][]float64 {
	step := l.rows() / thinnedRows
	if step < 2 {
		return starts
	}
	all, part := newSearch(l, starts[0]), newSearch(thinned{l, step}, starts[0])
	best, bestF := starts[0], all.value(starts[0], nil)
	for _, start := range starts {
		theta := part.climb(start, climbGoal)
		if f := all.value(theta, nil); f < bestF {
			best, bestF = theta, f
		}
	}
	return [][]float64{best}
}

// climb runs BFGS until the gradient is below the goal. A line search that fails near the maximum is no failure: polish and confirm judge the place.
func (s *search) climb(start []float64, goal float64) []float64 {
	cached, cachedF, grad := make([]float64, len(start)), math.NaN(), make([]float64, len(start))
	eval := func(x []float64) float64 {
		if math.IsNaN(cachedF) || !floats.Equal(x, cached) {
			cachedF = s.value(x, grad)
			copy(cached, x)
		}
		return cachedF
	}
	problem := optimize.Problem{
		Func: eval,
		Grad: func(g, x []float64) { eval(x); copy(g, grad) },
	}
	settings := &optimize.Settings{GradientThreshold: goal, MajorIterations: 200, Converger: optimize.NeverTerminate{}}
	result, _ := optimize.Minimize(problem, start, settings, &optimize.BFGS{})
	if result == nil {
		return start
	}
	return result.X
}

// polish takes Newton steps while they help, so that the end does not depend on where the climb stopped. A curvature
// serves as long as its steps shrink the gradient tenfold.
func (s *search) polish(theta []float64) []float64 {
	grad := make([]float64, len(theta))
	f := s.value(theta, grad)
	var chol mat.Cholesky
	renew := true
	for range polishSteps {
		if floats.Norm(grad, math.Inf(1)) < gradientGoal/10 {
			break
		}
		if renew && !chol.Factorize(s.curvature(theta)) {
			break
		}
		next, nextGrad := make([]float64, len(theta)), make([]float64, len(theta))
		var step mat.VecDense
		if chol.SolveVecTo(&step, mat.NewVecDense(len(grad), grad)) != nil {
			break
		}
		floats.SubTo(next, theta, step.RawVector().Data)
		// The value is flat to rounding at the maximum; what still shows progress there is the gradient.
		nextF := s.value(next, nextGrad)
		before, after := floats.Norm(grad, 2), floats.Norm(nextGrad, 2)
		if !(nextF <= f+1e-12*math.Abs(f)) || after >= before {
			if renew {
				break
			}
			renew = true
			continue
		}
		theta, f, grad, renew = next, nextF, nextGrad, after > before/10
	}
	return theta
}

// curvature is the Hessian of the mean negative log-likelihood: central differences of the analytic gradient, made
// symmetric.
func (s *search) curvature(theta []float64) *mat.SymDense {
	n := len(theta)
	d := mat.NewDense(n, n, nil)
	up, down, at := make([]float64, n), make([]float64, n), make([]float64, n)
	for j := range n {
		copy(at, theta)
		at[j] = theta[j] + centralStep
		s.value(at, up)
		at[j] = theta[j] - centralStep
		s.value(at, down)
		floats.Sub(up, down)
		floats.Scale(1/(2*centralStep), up)
		d.SetCol(j, up)
	}
	h := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i; j < n; j++ {
			h.SetSym(i, j, (d.At(i, j)+d.At(j, i))/2)
		}
	}
	return h
}

// confirm makes an estimate of theta if it is a regular maximum.
func (s *search) confirm(theta []float64) (*estimate, error) {
	grad := make([]float64, len(theta))
	f := s.value(theta, grad)
	if g := floats.Norm(grad, math.Inf(1)); math.IsInf(f, 0) || !(g < gradientGoal) {
		return nil, notIdentified("the likelihood has no maximum inside the parameter space (gradient %.1e at parameters %.3g): "+
			"wait for more data", g, exps(theta))
	}
	var chol mat.Cholesky
	curvature := s.curvature(theta)
	if !chol.Factorize(curvature) || !(1/chol.Cond() > minCurvature) {
		return nil, singular(theta)
	}
	e := &estimate{theta: theta, logLik: -f * s.n, of: s.likelihood, evals: s.evals}
	e.info.ScaleSym(s.n, curvature)
	if err := chol.InverseTo(&e.cov); err != nil {
		return nil, singular(theta)
	}
	e.cov.ScaleSym(1/s.n, &e.cov)
	for i := range theta {
		if !(e.cov.At(i, i) < maxLogStdErr*maxLogStdErr) {
			return nil, singular(theta)
		}
	}
	return e, nil
}

func singular(theta []float64) error {
	return notIdentified("the information matrix is singular at parameters %.3g: the data do not tell them apart; wait for more data",
		exps(theta))
}

func exps(theta []float64) []float64 {
	out := make([]float64, len(theta))
	for i, t := range theta {
		out[i] = math.Exp(t)
	}
	return out
}

func logs(params ...float64) []float64 {
	out := make([]float64, len(params))
	for i, p := range params {
		out[i] = math.Log(p)
	}
	return out
}
