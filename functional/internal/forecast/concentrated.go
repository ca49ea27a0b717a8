package forecast

import (
	"math"

	"gonum.org/v1/gonum/floats"
)

// concentrated is the sum of squares over start values as a function of the weights.
//
// Errors are linear in the start values: those without any, plus each start value times the errors that it makes where the
// values are all 0. All of these are filtered side by side, in rows of one window: the responses to the start values, and
// last the errors without any.
type concentrated struct {
	form
	y       []float64
	season  int
	columns int       // start values
	rows    []float64 // len(y) rows of columns+1
	states  []float64 // level, slope and seasons, each of columns+1
	normal  [][]float64
	solved  []float64 // the start values
}

// block is the number of rows that are added up at once.
const block = 4

func newConcentrated(f form, y []float64, season int) *concentrated {
	k := f.countStarts(season)
	c := &concentrated{form: f, y: y, season: season, columns: k, solved: make([]float64, k), normal: make([][]float64, k)}
	c.rows, c.states = make([]float64, (len(y)+block-1)/block*block*(k+1)), make([]float64, (2+season)*(k+1))
	for j := range c.normal {
		c.normal[j] = make([]float64, k)
	}
	return c
}

// state returns one of the states: 0 is the level, 1 the slope, and then come the seasons.
func (c *concentrated) state(i int) []float64 {
	n := c.columns + 1
	return c.states[i*n : (i+1)*n : (i+1)*n]
}

// begin sets the states to the unit of each start value, as added reads them.
func (c *concentrated) begin() {
	clear(c.states)
	c.state(0)[0] = 1
	at := 1
	if c.trend {
		c.state(1)[at] = 1
		at++
	}
	for season := 0; at < c.columns; season, at = season+1, at+1 {
		c.state(2 + season)[at] = 1
		c.state(2 + c.season - 1)[at] = -1
	}
}

// respond filters all side by side.
func (c *concentrated) respond(w weights) {
	c.begin()
	n := c.columns + 1
	level, slope := c.state(0), c.state(1)
	for t, v := range c.y {
		row, season := c.rows[t*n:(t+1)*n], c.state(2+t%c.season)
		gap := math.IsNaN(v)
		for j := range row {
			base := level[j] + w.phi*slope[j]
			e := -base - season[j]
			if j == n-1 {
				e += v
			}
			if gap {
				e = 0
			}
			row[j] = e
			level[j] = base + w.alpha*e
			slope[j] = w.phi*slope[j] + w.beta*e
			season[j] += w.gamma * e
		}
	}
}

// ridge keeps a start value without influence at 0.
const ridge = 1e-10

// squares solves for the start values and returns the sum of squares, never quite 0, whose logarithm is taken.
func (c *concentrated) squares(w weights) float64 {
	c.respond(w)
	k, n := c.columns, c.columns+1
	for i := range c.normal {
		clear(c.normal[i])
	}
	clear(c.solved)
	for at := 0; at < len(c.rows); at += block * n { // rows are short: one at a time costs most in going round
		a, b, d, e := c.rows[at:at+n], c.rows[at+n:at+2*n], c.rows[at+2*n:at+3*n], c.rows[at+3*n:at+4*n]
		for i := range k {
			add4(c.normal[i][:i+1], a, b, d, e, i)
		}
		add4(c.solved, a, b, d, e, k)
	}
	floats.Scale(-1, c.solved)
	for i := range k {
		c.normal[i][i] += ridge * (1 + c.normal[i][i])
	}
	if !solve(c.normal, c.solved) {
		return math.Inf(1)
	}
	sum := math.SmallestNonzeroFloat64
	for t := range c.y {
		row := c.rows[t*n : (t+1)*n]
		e := row[k] + floats.Dot(c.solved, row[:k])
		sum += e * e
	}
	return sum
}

// add4 adds four rows, each times its ith number.
func add4(to, a, b, c, d []float64, i int) {
	u, v, w, x := a[i], b[i], c[i], d[i]
	a, b, c, d = a[:len(to)], b[:len(to)], c[:len(to)], d[:len(to)]
	for j := range to {
		to[j] += u*a[j] + v*b[j] + w*c[j] + x*d[j]
	}
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
