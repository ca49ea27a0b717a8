package forecast

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// concentrated is the sum of squares over start values as a function of the weights.
type concentrated struct {
	form
	y, zeros []float64
	season   int
	columns  [][]float64 // the errors without data that each start value makes
	errors   []float64   // those with data and no start
	normal   [][]float64
	solved   []float64
	left     []float64
}

func newConcentrated(f form, y []float64, season int) *concentrated {
	c := &concentrated{form: f, y: y, zeros: make([]float64, len(y)), season: season, errors: make([]float64, len(y)), left: make([]float64, len(y))}
	for t, v := range y {
		if math.IsNaN(v) {
			c.zeros[t] = v
		}
	}
	k := f.countStarts(season)
	c.columns, c.normal, c.solved = make([][]float64, k), make([][]float64, k), make([]float64, k)
	for j := range k {
		c.columns[j], c.normal[j] = make([]float64, len(y)), make([]float64, k)
	}
	return c
}

// ridge keeps a start value without influence at 0.
const ridge = 1e-10

// squares solves for the start values and returns the sum of squares, never quite 0, whose logarithm is taken.
func (c *concentrated) squares(w weights) float64 {
	k := len(c.columns)
	unit := make([]float64, k)
	for j := range unit {
		unit[j] = 1
		s := c.added(unit, c.season)
		c.filter(c.zeros, w, &s, c.columns[j])
		unit[j] = 0
	}
	s := c.added(unit, c.season)
	c.filter(c.y, w, &s, c.errors)
	for i := range k {
		for j := range i + 1 {
			c.normal[i][j] = floats.Dot(c.columns[i], c.columns[j])
		}
		c.normal[i][i] += ridge * (1 + c.normal[i][i])
		c.solved[i] = -floats.Dot(c.columns[i], c.errors)
	}
	if !solve(c.normal, c.solved) {
		return math.Inf(1)
	}
	copy(c.left, c.errors)
	for j, column := range c.columns {
		floats.AddScaled(c.left, c.solved[j], column)
	}
	return floats.Dot(c.left, c.left) + math.SmallestNonzeroFloat64
}

// solve overwrites the lower half of a positive definite matrix by its Cholesky factor and b by the solution. It reports
// false when the matrix is not positive definite. It is called at every trial of a search, where a library's estimate of the
// condition would be most of the cost.
func solve(a [][]float64, b []float64) bool {
	for i, row := range a {
		for j := range i + 1 {
			v := row[j] - floats.Dot(row[:j], a[j][:j])
			if i > j {
				row[j] = v / a[j][j]
				continue
			}
			if !(v > 0) {
				return false
			}
			row[i] = math.Sqrt(v)
		}
		b[i] = (b[i] - floats.Dot(row[:i], b[:i])) / row[i]
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := i + 1; j < len(a); j++ {
			b[i] -= a[j][i] * b[j]
		}
		b[i] /= a[i][i]
	}
	return true
}
