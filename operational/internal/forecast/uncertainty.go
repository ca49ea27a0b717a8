package forecast

import (
	"math"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

const (
	paramStep  = 1e-5 // relative, for central differences by a parameter
	paramRidge = 1e-8 // relative to the mean square of the derivatives; a weight at the end of its region has none
)

// uncertainty is what not knowing the parameters adds to the variance of the forecasts: g' V g, g the derivative of a
// forecast by the parameters, V = s² (J'J)^-1 their covariance in the Gauss-Newton approximation, J the derivatives of the
// one-step errors. Without it intervals would be those of known parameters, too narrow above all where the slope of a
// trend rests on few values.
type uncertainty struct {
	form
	windows  int
	normal   mat.Cholesky // of J'J
	tangents []tangent
}

// tangent is where two neighbours of a parameter lead, one step up and one down.
type tangent struct {
	end     [2]state
	weights [2]weights
	step    float64
}

// uncertainty is nil where a neighbour of the parameters is outside what the form allows.
func (s *searcher) uncertainty(x []float64) *uncertainty {
	u := &uncertainty{form: s.form, windows: len(s.y), tangents: make([]tangent, len(x))}
	jacobian := mat.NewDense(len(s.y), len(x), nil)
	moved, column := append([]float64(nil), x...), make([]float64, len(s.y))
	for j := range x {
		t := &u.tangents[j]
		t.step = paramStep * math.Max(1, math.Abs(x[j]))
		for side, sign := range []float64{1, -1} {
			moved[j] = x[j] + sign*t.step
			end, ok := s.run(moved)
			if !ok {
				return nil
			}
			t.end[side], t.weights[side] = end, s.weightsOf(moved)
			floats.AddScaled(column, sign/(2*t.step), s.errors)
		}
		moved[j] = x[j]
		jacobian.SetCol(j, column)
		clear(column)
	}
	var normal mat.SymDense
	normal.SymOuterK(1, jacobian.T())
	ridge := paramRidge * mat.Trace(&normal) / float64(len(x))
	for j := range x {
		normal.SetSym(j, j, normal.At(j, j)+ridge)
	}
	if !u.normal.Factorize(&normal) {
		return nil
	}
	return u
}

// add adds to the variances of the next windows, sigma2 being that of one step.
func (u *uncertainty) add(variances []float64, sigma2 float64) {
	if u == nil {
		return
	}
	ahead, k := len(variances), len(u.tangents)
	by := mat.NewDense(ahead, k, nil)
	for j, t := range u.tangents {
		up := u.project(t.end[0], t.weights[0], u.windows, ahead)
		floats.Sub(up, u.project(t.end[1], t.weights[1], u.windows, ahead))
		floats.Scale(1/(2*t.step), up)
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
