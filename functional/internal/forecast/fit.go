package forecast

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/diff/fd"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/optimize"
)

// smoothed is a fitted model of exponential smoothing.
type smoothed struct {
	form
	weights weights
	start   state
	end     state
	sse     float64 // sum of squares of the one-step errors, relative ones where the model multiplies
	freedom int     // values less parameters
	windows int
	x       []float64 // where the search ended, as unpack reads it; a good start on a series that is one window longer
	data    trimmed
}

// smooth fits a model of the form by maximum likelihood. near, where not nil, is the end of an earlier search.
func smooth(f form, t trimmed, near []float64) (smoothed, error) {
	if !f.fits(t) {
		return smoothed{}, refuse("%d values do not tell the %d parameters apart that this form has for a season of %d, or it needs positive values: "+
			"wait for more data", t.seen, f.parameters(t.season), t.season)
	}
	s := newSearcher(f, t)
	x := s.additive(f, near)
	if f.multiplying {
		x = s.multiplicative(near)
	}
	m := smoothed{form: f, weights: f.weightsOf(x), start: s.unpack(x), windows: len(t.y), freedom: t.seen - f.parameters(t.season), x: x, data: t}
	end, ok := s.run(x)
	if !ok {
		return smoothed{}, refuse("the level of the series falls to 0, which a multiplicative form does not have")
	}
	m.end, m.sse = end, floats.Dot(s.errors, s.errors)
	return m, nil
}

func (s state) clone() state { s.seasonal = slices.Clone(s.seasonal); return s }

// sigma2 is the variance of one step, that of the relative error where the model multiplies.
func (m smoothed) sigma2() float64 { return m.sse / float64(m.freedom) }

// searcher looks for the parameters of a form: the weights, as weightsOf reads them, and then the start values.
type searcher struct {
	form
	y      []float64
	season int
	errors []float64 // of the last run
}

func newSearcher(f form, t trimmed) *searcher {
	s := &searcher{form: f, y: t.y, season: 1, errors: make([]float64, len(t.y))}
	if f.seasonal {
		s.season = t.season
	}
	return s
}

// run filters the series with the parameters, and reports false where a multiplicative form falls to 0.
func (s *searcher) run(x []float64) (end state, ok bool) {
	end = s.unpack(x)
	_, ok = s.filter(s.y, s.weightsOf(x), &end, s.errors)
	return end, ok
}

// guesses are starts of the search for the weights: a level that moves slowly and one that moves fast.
func (f form) guesses(near []float64) [][]float64 {
	if near != nil {
		return [][]float64{near[:f.countWeights()]}
	}
	slow, fast := []float64{-1.5, -2, -2, 1}, []float64{1, -2, -2, 1}
	return [][]float64{slow[:f.countWeights()], fast[:f.countWeights()]}
}

// climb returns the lowest point that Nelder and Mead's method finds from the starts.
func climb(value func([]float64) float64, starts [][]float64) []float64 {
	best, bestF := starts[0], math.Inf(1)
	for _, start := range starts {
		settings := &optimize.Settings{MajorIterations: 400, Converger: &optimize.FunctionConverge{Absolute: 1e-7, Iterations: 10}}
		r, _ := optimize.Minimize(optimize.Problem{Func: value}, slices.Clone(start), settings, &optimize.NelderMead{SimplexSize: .5})
		if r != nil && r.F < bestF {
			best, bestF = r.X, r.F
		}
	}
	return best
}

// additive maximises the likelihood of a form, its errors and seasons taken as additive. They are linear in the start
// values, which are therefore solved for by least squares at each trial of the weights, so that the search is over the
// weights alone.
func (s *searcher) additive(f form, near []float64) []float64 {
	f.multiplying = false
	c := newConcentrated(f, s.y, s.season)
	theta := climb(func(theta []float64) float64 { return math.Log(c.squares(f.weightsOf(theta))) }, f.guesses(near))
	c.squares(f.weightsOf(theta))
	return append(slices.Clone(theta), c.solved...)
}

// multiplicative maximises the likelihood of a form whose errors and seasons multiply, from near or else from the
// additive form's end, its seasons turned into factors.
func (s *searcher) multiplicative(near []float64) []float64 {
	value := func(x []float64) float64 {
		start := s.unpack(x)
		logs, ok := s.filter(s.y, s.weightsOf(x), &start, s.errors)
		if !ok {
			return math.Inf(1)
		}
		return math.Log(floats.Dot(s.errors, s.errors)+math.SmallestNonzeroFloat64) + 2*logs/float64(len(s.y))
	}
	if near == nil {
		near = s.factors()
	}
	gradient := func(grad, x []float64) { fd.Gradient(grad, value, x, &fd.Settings{Formula: fd.Central, Step: 1e-6}) }
	settings := &optimize.Settings{MajorIterations: 60, GradientThreshold: 1e-5, Converger: &optimize.FunctionConverge{Absolute: 1e-9, Iterations: 5}}
	r, _ := optimize.Minimize(optimize.Problem{Func: value, Grad: gradient}, slices.Clone(near), settings, &optimize.BFGS{})
	if r != nil && r.F <= value(near) {
		return r.X
	}
	return near
}

// factors is the end of the additive search as a start for multiplicative.
func (s *searcher) factors() []float64 {
	x := s.additive(s.form, nil)
	start := s.added(x[s.form.countWeights():], s.season)
	mean, n := 0.0, 0.0
	for _, v := range s.y {
		if !math.IsNaN(v) {
			mean, n = mean+v, n+1
		}
	}
	mean /= n
	level := math.Max(start.level, .05*mean)
	x = append(x[:s.form.countWeights()], math.Log(level))
	if s.trend {
		x = append(x, start.slope/level)
	}
	for _, add := range start.seasonal[:s.season-1] {
		x = append(x, math.Log(math.Max(.05, 1+add/mean)))
	}
	return x
}

// unpack reads the start values that follow the weights in x.
func (s *searcher) unpack(x []float64) state {
	x = x[s.form.countWeights():]
	if s.multiplying {
		return s.scaled(x)
	}
	return s.added(x, s.season)
}

// added are start values as they are: level, slope, and all seasons but the last, which makes their sum 0.
func (f form) added(x []float64, season int) state {
	s := state{level: x[0]}
	x = x[1:]
	if f.trend {
		s.slope, x = x[0], x[1:]
	}
	if f.seasonal {
		s.seasonal = append(slices.Clone(x), -floats.Sum(x))
	}
	return s
}

// scaled are start values of which the level is a logarithm, the slope in units of the level, and the seasons
// logarithms of factors, whose sum the last makes 0.
func (s *searcher) scaled(x []float64) state {
	start := state{level: math.Exp(x[0]), seasonal: make([]float64, s.season)}
	x = x[1:]
	if s.trend {
		start.slope, x = x[0]*start.level, x[1:]
	}
	for i, v := range x {
		start.seasonal[i] = math.Exp(v)
	}
	start.seasonal[s.season-1] = math.Exp(-floats.Sum(x))
	return start
}
