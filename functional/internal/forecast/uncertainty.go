package forecast

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// What not knowing the parameters adds to the variance of the forecasts. Without it intervals would be those of known
// parameters: too narrow above all where a trend rests on few values, of which the likelihood often says that it is
// straight, the weight of its errors being at the end of its region.

// alternative is a model with other weights, that the data do not speak against.
type alternative struct {
	weights weights
	end     state
	sigma2  float64
	share   float64 // its likelihood as a part of the maximum
}

const (
	alternatives = 100  // tried for each weight, spread evenly over the region of all
	leastShare   = 1e-3 // of the maximum's likelihood, below which one is left out
)

// alternatives finds models beside the one at x. Their start values are fitted anew where errors are additive, else those
// of x.
func (s *searcher) alternatives(x []float64, sse float64, freedom int) []alternative {
	var out []alternative
	c := newConcentrated(s.form, s.y, s.season)
	if s.multiplying {
		c = nil
	}
	for i := range alternatives * s.countWeights() {
		theta := s.spread(i + 1)
		a := alternative{weights: s.weightsOf(theta)}
		start := x[s.countWeights():]
		if c != nil {
			c.squares(a.weights)
			start = c.solved
		}
		end, ok := s.run(append(theta, start...))
		squares := floats.Dot(s.errors, s.errors)
		if !ok || !(squares > 0) {
			continue
		}
		a.share = math.Exp(-float64(len(s.y)) / 2 * math.Log(squares/sse))
		if a.end, a.sigma2 = end, squares/float64(freedom); a.share >= leastShare {
			out = append(out, a)
		}
	}
	return out
}

// spread is the ith point of Halton's sequence over the region of the weights, as weightsOf reads it.
func (f form) spread(i int) []float64 {
	theta := make([]float64, f.countWeights())
	for d, prime := range []int{2, 3, 5, 7}[:len(theta)] {
		v, part := 0.0, 1.0
		for k := i; k > 0; k /= prime {
			part /= float64(prime)
			v += part * float64(k%prime)
		}
		theta[d] = math.Log(v / (1 - v))
	}
	return theta
}

const (
	paramStep  = 1e-5 // relative, for central differences by a start value
	paramRidge = 1e-8 // relative to the mean square of the derivatives; a start value may have no influence
)

// starting is what not knowing the start values adds: g' V g, g the derivative of a forecast by them, V = s² (J'J)^-1 their
// covariance, J the derivatives of the one-step errors.
type starting struct {
	form
	weights weights
	windows int
	normal  mat.Cholesky // of J'J
	ends    [][2]state   // where two neighbours of each lead, one step up and one down
	steps   []float64
}

// starting is nil where a neighbour of the start values is outside what the form allows.
func (s *searcher) starting(x []float64) *starting {
	first := s.countWeights()
	k := len(x) - first
	u := &starting{form: s.form, weights: s.weightsOf(x), windows: len(s.y), ends: make([][2]state, k), steps: make([]float64, k)}
	jacobian := mat.NewDense(len(s.y), k, nil)
	moved, column := append([]float64(nil), x...), make([]float64, len(s.y))
	for j := range k {
		u.steps[j] = paramStep * math.Max(1, math.Abs(x[first+j]))
		for side, sign := range []float64{1, -1} {
			moved[first+j] = x[first+j] + sign*u.steps[j]
			end, ok := s.run(moved)
			if !ok {
				return nil
			}
			u.ends[j][side] = end
			floats.AddScaled(column, sign/(2*u.steps[j]), s.errors)
		}
		moved[first+j] = x[first+j]
		jacobian.SetCol(j, column)
		clear(column)
	}
	var normal mat.SymDense
	normal.SymOuterK(1, jacobian.T())
	ridge := paramRidge * mat.Trace(&normal) / float64(k)
	for j := range k {
		normal.SetSym(j, j, normal.At(j, j)+ridge)
	}
	if !u.normal.Factorize(&normal) {
		return nil
	}
	return u
}

// add adds to the variances of the next windows, sigma2 being that of one step.
func (u *starting) add(variances []float64, sigma2 float64) {
	if u == nil {
		return
	}
	ahead := len(variances)
	by := mat.NewDense(ahead, len(u.ends), nil)
	for j, end := range u.ends {
		up := u.project(end[0], u.weights, u.windows, ahead)
		floats.Sub(up, u.project(end[1], u.weights, u.windows, ahead))
		floats.Scale(1/(2*u.steps[j]), up)
		by.SetCol(j, up)
	}
	var solved mat.VecDense
	for h := range variances {
		row := by.RowView(h)
		if u.normal.SolveVecTo(&solved, row) == nil {
			variances[h] += sigma2 * mat.Dot(row, &solved)
		}
	}
}
