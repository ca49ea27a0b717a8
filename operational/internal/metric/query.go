package metric

import (
	"context"

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
	Scope    *contract.Condition // selects customers: fields of the customer entity, or parameters of the profile
	By       string              // a dimension, for the customer entity; empty for the whole alone
	Spread   bool                // also the median and the 90th percentile of the customers' own z[0]/z[1]
}

// Measure is an additive measure: the sum over a customer's rows that match a filter of a field, of 1 (Field empty), or
// of 1 at most once (Once). A row without the field, or in whose profile it is no number, adds 0.
type Measure struct {
	Name   string
	Field  string
	Once   bool
	Filter *contract.Condition
}

// Group is the moments of the customers that share a key of the query's dimension.
type Group struct {
	Key      string
	N        int64       // customers whose last measure (the denominator) is not zero
	Sums     []float64   // Σ z
	Products [][]float64 // Σ z z'; symmetric
	Median   *float64
	P90      *float64
}

// Order is a percentile over rows, of the first measure's field where its filter holds.
type Order struct {
	Query
	Percentile float64 // between 0 and 1
}

// Statistic is the value of an order statistic, and what it was taken from.
type Statistic struct {
	Value     *float64 // nil if there are no rows
	Rows      int64    // with a number
	Customers int64    // whose rows those are
}

// Quality counts the orders of a window and what is odd about them.
type Quality struct {
	Orders, WithAmount, WithItems, ZeroAmount, Identical int64
}

// Warehouse answers queries, each from one snapshot. Days are in the tenant's zone.
type Warehouse interface {
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
}
