package rfm

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

// Levels is the number of scores of a dimension: 1, the worst, to 5.
const Levels = 5

// Scores are a customer's three scores, each from 1 to [Levels].
type Scores struct{ R, F, M int }

// Gates says what quintiles need. The zero value lets everything pass.
type Gates struct {
	MinCustomers int // fewer say little about where a fifth of them ends
}

// DefaultGates are those of the product.
func DefaultGates() Gates { return Gates{MinCustomers: 30} }

// Thresholds are where the scores 2, 3, 4 and 5 begin, in that order. A value no better than the first has score 1.
type Thresholds struct {
	Recency   [Levels - 1]int   // at most so many days; must not rise. A negative one is out of reach
	Frequency [Levels - 1]int   // at least so many purchase days; must not fall
	Monetary  [Levels - 1]int64 // at least so much revenue, minor units; must not fall
}

func (t Thresholds) check() error {
	for i := 1; i < Levels-1; i++ {
		if t.Recency[i] > t.Recency[i-1] || t.Frequency[i] < t.Frequency[i-1] || t.Monetary[i] < t.Monetary[i-1] {
			return fault.New(fault.Invalid, fault.BadDefinition, "thresholds of score %d are easier than those of score %d: recency must not rise, "+
				"frequency and monetary must not fall", i+2, i+1)
		}
	}
	return nil
}

func (t Thresholds) scores(c Customer) Scores {
	s := Scores{1, 1, 1}
	for i := range Levels - 1 {
		if c.Recency <= t.Recency[i] {
			s.R++
		}
		if c.Frequency >= t.Frequency[i] {
			s.F++
		}
		if c.Monetary >= t.Monetary[i] {
			s.M++
		}
	}
	return s
}

// Scored is a customer with scores and the segment that they mean.
type Scored struct {
	Customer
	Scores
	Segment Segment
}

// Fixed scores the customers by thresholds that do not depend on them, so that a score means the same from month to
// month. The result is sorted by id. It fails (Invalid) on thresholds out of order, on rules that are no partition
// ([Rules.Check]), and on a customer that cannot be or comes twice.
func Fixed(customers []Customer, t Thresholds, rules Rules) ([]Scored, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	table, err := rules.table()
	if err != nil {
		return nil, err
	}
	in, err := sorted(customers)
	if err != nil {
		return nil, err
	}
	out := make([]Scored, len(in))
	for i, c := range in {
		s := t.scores(c)
		out[i] = Scored{c, s, table[s.R-1][s.F-1][s.M-1]}
	}
	return out, nil
}

// Quintiles scores the customers against each other. A value that is better than those of w of n customers has score
//
//	1 + ⌊5 w / n⌋,
//
// in whole numbers: without ties a fifth of the customers has each score. Equal values always share a score, that of the
// worst place among them, so a 5 is never given to more than a fifth. Ties therefore make the groups unequal, and may
// leave a score empty: where half of all customers bought once, all of them have frequency score 1 and nobody has 2. Nothing
// is split by chance or by id; [Distribution] shows what came out.
//
// The thresholds returned give the same scores to the same customers by [Fixed]: keep them to compare later months. It
// fails as Fixed does, and with low_sample (Conflict) when there are too few customers.
func Quintiles(customers []Customer, g Gates, rules Rules) ([]Scored, Thresholds, error) {
	if len(customers) < max(1, g.MinCustomers) {
		return nil, Thresholds{}, fault.New(fault.Conflict, fault.LowSample, "%d customers and quintiles need %d: wait for more, or score by "+
			"fixed thresholds", len(customers), max(1, g.MinCustomers))
	}
	t := thresholdsOf(customers)
	out, err := Fixed(customers, t, rules)
	return out, t, err
}

func thresholdsOf(customers []Customer) Thresholds {
	recency, frequency, monetary := make([]int, len(customers)), make([]int, len(customers)), make([]int64, len(customers))
	for i, c := range customers {
		recency[i], frequency[i], monetary[i] = -c.Recency, c.Frequency, c.Monetary
	}
	var t Thresholds
	for i, least := range quintiles(recency, math.MaxInt) {
		t.Recency[i] = -least
	}
	t.Frequency = quintiles(frequency, math.MaxInt)
	t.Monetary = quintiles(monetary, math.MaxInt64)
	return t
}

// quintiles returns, for each score s from 2, the least value that is better than those of at least (s-1)/5 of the
// customers, or beyond where there is none. It sorts its argument.
func quintiles[V int | int64](values []V, beyond V) (least [Levels - 1]V) {
	slices.Sort(values)
	n := len(values)
	for k := range least {
		need := ((k+1)*n + Levels - 1) / Levels // so many must be worse
		worst := values[need-1]
		at, _ := slices.BinarySearch(values, worst+1)
		least[k] = beyond
		if at < n {
			least[k] = values[at]
		}
	}
	return least
}

// Distribution counts the customers of each score; index 0 is score 1.
type Distribution struct{ R, F, M [Levels]int }

// Distributed counts the scores of the customers.
func Distributed(scored []Scored) Distribution {
	var d Distribution
	for _, s := range scored {
		d.R[s.R-1]++
		d.F[s.F-1]++
		d.M[s.M-1]++
	}
	return d
}
