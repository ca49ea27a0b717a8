package validity

import "math"

// Function is a value as a function of sums over customers; false where it has none, as with a denominator of zero.
type Function func(sums []float64) (float64, bool)

// Value is f at the sums; NaN where it has none or is not finite.
func (f Function) Value(sums []float64) float64 {
	v, ok := f(sums)
	if !ok || math.IsInf(v, 0) {
		return math.NaN()
	}
	return v
}

// Slope is the gradient of f at the sums, by central differences of a millionth. It is NaN where f has no value nearby. By it
// the value is linearised (the delta method: van der Vaart 1998, Asymptotic Statistics, theorem 3.1): of n customers one with
// vector z moves it by slope × sums × (z/mean z - 1) / n.
func (f Function) Slope(sums []float64) []float64 {
	g, at := make([]float64, len(sums)), make([]float64, len(sums))
	for i, x := range sums {
		h := 1e-6 * max(1, math.Abs(x))
		copy(at, sums)
		at[i] = x + h
		up := f.Value(at)
		at[i] = x - h
		g[i] = (up - f.Value(at)) / (2 * h)
	}
	return g
}

// mostCurved is by how much of its linear effect a function may bend within two standard errors of a sum.
const mostCurved = .25

// Curved reports whether f, of the components from first on of a base as large as of, bends so much, or jumps, within two standard errors of its sums that its linearisation, and every
// interval that rests on it, cannot be trusted yet: more customers straighten a smooth function, and nothing a kink that the value sits on.
func (f Function) Curved(m *Moments, first, components int, of float64) bool {
	sums := make([]float64, components)
	for i := range sums {
		sums[i] = of * m.Mean(first+i)
	}
	value, bent, moved := f.Value(sums), 0., 0.
	at := make([]float64, components)
	for i, x := range sums {
		h := 2 * of * math.Sqrt(max(0, m.covariance(first+i, first+i))/float64(m.n))
		copy(at, sums)
		at[i] = x + h
		up := f.Value(at)
		at[i] = x - h
		down := f.Value(at)
		bent += math.Abs(up+down-2*value) / 2
		moved += math.Abs(up-down) / 2
	}
	return !(bent <= mostCurved*moved)
}
