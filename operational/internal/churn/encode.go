package churn

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// rareLevel is how many customers a level needs to get a column of its own; rarer ones share one.
const rareLevel = 10

// Names of the levels that are not values.
const (
	missingLevel = "(missing)"
	rareLevels   = "(other)"
)

// column is one number that a customer is turned into: the attribute in standard deviations; by how much it exceeds a
// knot; that it is missing; or that it has one of its levels. Columns are centred on the customers fitted on, so that
// the mean customer is all zeros.
type column struct {
	attribute   int
	level       string  // of a category, or missingLevel; empty for the number itself
	knot        float64 // -Inf for the number itself
	mean, scale float64 // what is taken off and what is then divided by
}

// value is the column of a known number.
func (c column) value(v float64) float64 {
	if !math.IsInf(c.knot, -1) {
		v = math.Max(0, v-c.knot)
	}
	return (v - c.mean) / c.scale
}

// encoder turns values into columns.
type encoder struct {
	attributes []Attribute
	columns    []column
	levels     []map[string]int // by attribute: the column of a level
	of         [][]int          // by attribute: its columns
}

// newEncoder learns the columns from a table. Numbers get a bend at as many inner quantiles as there are knots (a linear
// spline: Harrell 2015, sec. 2.4.3), as far as those are different values.
func newEncoder(t Table, knots int) *encoder {
	e := &encoder{attributes: t.Attributes, levels: make([]map[string]int, len(t.Attributes)), of: make([][]int, len(t.Attributes))}
	for a, attribute := range t.Attributes {
		e.levels[a] = map[string]int{}
		if attribute.Kind == Number {
			e.addNumber(a, t.Examples, knots)
		} else {
			e.addLevels(a, t.Examples)
		}
	}
	return e
}

func (e *encoder) add(c column) {
	if c.level != "" {
		c.knot = math.Inf(-1)
		e.levels[c.attribute][c.level] = len(e.columns)
	}
	e.of[c.attribute] = append(e.of[c.attribute], len(e.columns))
	e.columns = append(e.columns, c)
}

// addNumber adds nothing for a number that is the same for everybody.
func (e *encoder) addNumber(a int, examples []Example, knots int) {
	var known []float64
	for _, x := range examples {
		if v := x.Values[a]; v.Known {
			known = append(known, v.Number)
		}
	}
	if len(known) == 0 {
		return
	}
	slices.Sort(known)
	if mean, sd := stat.PopMeanStdDev(known, nil); known[0] < known[len(known)-1] && sd > 0 {
		e.add(column{attribute: a, knot: math.Inf(-1), mean: mean, scale: sd})
		for _, k := range inner(known, knots) {
			bend := column{attribute: a, knot: k, scale: 1}
			excess := 0.0
			for _, v := range known {
				excess += bend.value(v)
			}
			e.add(column{attribute: a, knot: k, mean: excess / float64(len(known)), scale: sd})
		}
	}
	if missing := len(examples) - len(known); missing > 0 {
		e.add(column{attribute: a, level: missingLevel, mean: float64(missing) / float64(len(examples)), scale: 1})
	}
}

// inner returns the different ones of k inner quantiles that are neither the least nor the greatest value.
func inner(sorted []float64, k int) []float64 {
	var out []float64
	last := sorted[0]
	for i := range k {
		q := sorted[(i+1)*len(sorted)/(k+1)]
		if q > last && q < sorted[len(sorted)-1] {
			out = append(out, q)
			last = q
		}
	}
	return out
}

func (e *encoder) addLevels(a int, examples []Example) {
	count := map[string]int{}
	for _, x := range examples {
		count[levelOf(x.Values[a])]++
	}
	rare := 0
	for level, n := range count {
		if n < rareLevel {
			rare += n
			delete(count, level)
		}
	}
	if rare > 0 {
		count[rareLevels] += rare
	}
	if len(count) < 2 {
		return // the same for everybody
	}
	names := make([]string, 0, len(count))
	for level := range count {
		names = append(names, level)
	}
	slices.Sort(names)
	for _, level := range names {
		e.add(column{attribute: a, level: level, mean: float64(count[level]) / float64(len(examples)), scale: 1})
	}
}

func levelOf(v Value) string {
	if !v.Known {
		return missingLevel
	}
	return v.Text
}

// variables is how many coefficients are free to move: a category has one less than it has levels.
func (e *encoder) variables() int {
	n := 0
	for a, columns := range e.of {
		n += len(columns)
		if e.attributes[a].Kind == Category && len(columns) > 0 {
			n--
		}
	}
	return n
}

// row writes the columns of a customer's values. What is unknown, and was known of everybody fitted on, counts as the
// mean, and so does a level that is new where no rare ones were seen.
func (e *encoder) row(values []Value, out []float64) {
	for a, v := range values {
		if e.attributes[a].Kind == Number {
			e.numberRow(a, v, out)
			continue
		}
		at, known := e.levels[a][levelOf(v)]
		if !known {
			at, known = e.levels[a][rareLevels]
		}
		for _, j := range e.of[a] {
			switch {
			case !known:
				out[j] = 0
			case j == at:
				out[j] = 1 - e.columns[j].mean
			default:
				out[j] = -e.columns[j].mean
			}
		}
	}
}

func (e *encoder) numberRow(a int, v Value, out []float64) {
	for _, j := range e.of[a] {
		c := e.columns[j]
		switch {
		case c.level == "" && v.Known:
			out[j] = c.value(v.Number)
		case c.level == "":
			out[j] = 0
		case v.Known:
			out[j] = -c.mean
		default:
			out[j] = 1 - c.mean
		}
	}
}

// matrix has a row for each example: 1 for the intercept, then the columns.
func (e *encoder) matrix(examples []Example) *mat.Dense {
	x := mat.NewDense(len(examples), 1+len(e.columns), nil)
	for i, ex := range examples {
		row := x.RawRowView(i)
		row[0] = 1
		e.row(ex.Values, row[1:])
	}
	return x
}
