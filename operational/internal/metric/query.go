package metric

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
)

// Query asks the warehouse for the moments of some measures over customers. Every customer contributes one vector z, with
// an element per measure; what comes back are the sums over customers of z and of its products, from which values and
// their errors follow.
type Query struct {
	Entity   contract.Entity
	Window   Span
	Before   Span // what active_before means; may be empty
	Measures []Measure
	Convert  *Convert            // what z is for a conversion, whose measures have no fields and filters
	Scope    *contract.Condition // selects customers: fields of the customer entity, or parameters of the profile
	By       string              // a dimension, or a parameter of the profile; empty for the whole alone
	Spread   bool                // also the median and the 90th percentile of the customers' own z[0]/z[1]
}

// Frame is a window, and the one that is before it to fields such as active_before.
type Frame struct{ Window, Before Span }

// Frames returns the frames that the query looks at, each once: its own first, then those of its measures.
func (q *Query) Frames() []Frame {
	frames := []Frame{{q.Window, q.Before}}
	for i := range q.Measures {
		if f := q.Frame(&q.Measures[i]); !slices.Contains(frames, f) {
			frames = append(frames, f)
		}
	}
	return frames
}

// Frame returns the frame that a measure is taken from.
func (q *Query) Frame(m *Measure) Frame {
	if m.Earlier != nil {
		return *m.Earlier
	}
	return Frame{q.Window, q.Before}
}

// Spans returns the days of the windows of the query's measures, in order and without overlaps.
func (q *Query) Spans() []Span {
	var all []Span
	for i := range q.Measures {
		all = append(all, q.Frame(&q.Measures[i]).Window)
	}
	slices.SortFunc(all, func(a, b Span) int { return cmp.Compare(a.From, b.From) })
	out := all[:1]
	for _, s := range all[1:] {
		if last := &out[len(out)-1]; s.From <= last.Until {
			last.Until = max(last.Until, s.Until)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// Convert makes of a query one of conversions: z is {1 if converted, 1} of every customer with a row of the query's
// entity in the window that matches Base, and zero of others. Converted is whoever has a row of entity Into that matches
// Then, on the first day with a match of Base or at most Days days later.
type Convert struct {
	Base, Then *contract.Condition
	Into       contract.Entity
	Days       int
}

// Measure is an additive measure: the sum over a customer's rows that match a filter of a field, of 1 (Field empty), or
// of 1 at most once (Once). A row without the field, or in whose profile it is no number, adds 0.
type Measure struct {
	Name    string
	Field   string
	Once    bool
	Filter  *contract.Condition
	Earlier *Frame // where it is taken from, if not from the query's window
}

// Group is the moments of the customers that share a key of the query's dimension.
type Group struct {
	Key      string
	N        int64       // customers whose last measure (the denominator) is not zero
	Having   int64       // customers whose first measure (the numerator) is not zero
	Sums     []float64   // Σ z
	Products [][]float64 // Σ z z'; symmetric
	Median   *float64
	P90      *float64
}

// Order is a statistic over rows, of the first measure's field where its filter holds: the value at a percentile, at
// rank ⌈p n⌉ of n, or how many different values there are.
type Order struct {
	Query
	Percentile float64 // between 0 and 1
	Distinct   bool
}

// Statistic is the value of an order statistic, exact, and what it was taken from.
type Statistic struct {
	Value     *float64 // nil if there are no rows
	Rows      int64    // with a number, or, of different values, with any
	Customers int64    // whose rows those are
	// Of a percentile, Squares is the sum over customers of their rows squared, and Low and High are the values at its [Ranks], nil
	// where there are none. Of different values, Alone is how many customers have one that nobody else has, and Squares
	// the sum of the squares of how many they have.
	Squares, Alone int64
	Low, High      *float64
}

// Quality counts the orders of a window and what is odd about them.
type Quality struct {
	Orders, WithAmount, WithItems, ZeroAmount, Identical int64
}

// LinksPartition is the partition under which days are touched that changed because identities were linked or parted.
// Its positions count such changes.
const LinksPartition = -1

// Covering returns the position of ingest with that of [LinksPartition], which ingest knows nothing of: whoever has read
// everything touched contains that, too.
func Covering(position map[int]int64, touched map[contract.Day]map[int]int64) map[int]int64 {
	all := maps.Clone(position)
	for _, parts := range touched {
		if at, ok := parts[LinksPartition]; ok {
			if all == nil {
				all = map[int]int64{}
			}
			all[LinksPartition] = max(all[LinksPartition], at)
		}
	}
	return all
}

// Warehouse answers queries, each from one snapshot. Days are in the tenant's zone.
type Warehouse interface {
	// Settle brings the persons that linked identities belong to up to date: who is linked counts as one customer in what is
	// asked from now on, and the days on which they did anything are touched under LinksPartition.
	Settle(ctx context.Context) error
	// Stirred counts the customers of whom facts of the days arrived after the given position of one of the partitions. It
	// stops at enough, and leaves out what came long ago: it may tell too few, never too many.
	Stirred(ctx context.Context, days []Span, since map[int]int64, enough int64) (int64, error)
	// FirstDay returns the day of the earliest row, or "" if there is none.
	FirstDay(ctx context.Context) (contract.Day, error)
	// Moments returns one group per key, sorted by key; without a dimension exactly one, of zeros if nobody matches.
	Moments(ctx context.Context, q Query) ([]Group, error)
	// Order returns an order statistic.
	Order(ctx context.Context, q Order) (Statistic, error)
	// Summaries returns the purchase summary of every customer who bought before the end of the window, as of its last day.
	Summaries(ctx context.Context, w Span, scope *contract.Condition) ([]btyd.Summary, error)
	// Quality counts over the orders of the window.
	Quality(ctx context.Context, w Span) (Quality, error)
	// Covered counts the customers of whom a parameter that is no order's is known, and all there are: as they are now.
	Covered(ctx context.Context, p contract.ParameterName) (have, of int64, err error)
}
