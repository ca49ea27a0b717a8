// Package purchase owns the purchase history of one customer as the models of customers read it: one entry for each day
// with an order, the gaps between them, and the three figures of the "buy till you die" models. It does not decide what
// an order or a customer is, nor in which time zone a day is one: days are those of the organisation.
package purchase

import (
	"cmp"
	"slices"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/fault"
)

// Day is a civil day of the organisation: days since 1970-01-01.
type Day int32

// Visit is all that a customer bought on one day.
type Visit struct {
	Day   Day
	Minor int64 // revenue in minor units; may be 0, or negative after refunds
}

// History is what one customer bought, one visit a day, in the order of the days.
type History struct {
	Customer string // an opaque key
	Visits   []Visit
}

// Check fails (Invalid) on a history without a customer or a visit, and on visits that do not come in the order of
// distinct days.
func (h History) Check() error {
	if h.Customer == "" || len(h.Visits) == 0 {
		return fault.New(fault.Invalid, fault.InvalidItem, "purchase history of %q: need a customer and at least one visit", h.Customer)
	}
	for i := 1; i < len(h.Visits); i++ {
		if h.Visits[i].Day <= h.Visits[i-1].Day {
			return fault.New(fault.Invalid, fault.InvalidItem, "purchase history of %q: day %d comes after day %d; merge and sort the days",
				h.Customer, h.Visits[i].Day, h.Visits[i-1].Day)
		}
	}
	return nil
}

// Until is the part of the history up to and including the day; it shares memory with h and may be empty.
func (h History) Until(asOf Day) History {
	end, found := slices.BinarySearchFunc(h.Visits, asOf, func(v Visit, d Day) int { return cmp.Compare(v.Day, d) })
	if found {
		end++
	}
	return History{h.Customer, h.Visits[:end:end]}
}

// NextAfter is the first day with a purchase after the given one.
func (h History) NextAfter(asOf Day) (Day, bool) {
	if n := len(h.Until(asOf).Visits); n < len(h.Visits) {
		return h.Visits[n].Day, true
	}
	return 0, false
}

// First and Last are the days of the first and the last visit; there must be one.
func (h History) First() Day { return h.Visits[0].Day }

// Last is the day of the last visit; there must be one.
func (h History) Last() Day { return h.Visits[len(h.Visits)-1].Day }

// Revenue is the sum over all visits, in minor units.
func (h History) Revenue() int64 {
	var sum int64
	for _, v := range h.Visits {
		sum += v.Minor
	}
	return sum
}

// Gaps are the days between neighbouring visits, oldest first: one less than there are visits.
func (h History) Gaps() []float64 {
	if len(h.Visits) < 2 {
		return nil
	}
	gaps := make([]float64, len(h.Visits)-1)
	for i := range gaps {
		gaps[i] = float64(h.Visits[i+1].Day - h.Visits[i].Day)
	}
	return gaps
}

// Median is the middle value, the mean of the two middle ones where their number is even, and 0 of none. It leaves its
// argument alone.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// Summary is the history for the models of package btyd, in weeks, as of a day on or after the last visit. Spend is left
// 0: it needs the currency's decimals.
func (h History) Summary(asOf Day) btyd.Summary {
	weeks := func(from, to Day) float64 { return float64(to-from) / 7 }
	return btyd.Summary{X: float64(len(h.Visits) - 1), Tx: weeks(h.First(), h.Last()), T: weeks(h.First(), asOf), Count: 1}
}

// AsOf returns the histories cut after the day, without the customers who had not bought by then, sorted by customer.
// It fails (Invalid) on the first history that is not one and on a customer who comes twice.
func AsOf(histories []History, day Day) ([]History, error) {
	out := make([]History, 0, len(histories))
	for _, h := range histories {
		if err := h.Check(); err != nil {
			return nil, err
		}
		if cut := h.Until(day); len(cut.Visits) > 0 {
			out = append(out, cut)
		}
	}
	slices.SortFunc(out, func(a, b History) int { return cmp.Compare(a.Customer, b.Customer) })
	for i := 1; i < len(out); i++ {
		if out[i].Customer == out[i-1].Customer {
			return nil, fault.New(fault.Invalid, fault.InvalidItem, "customer %q has two purchase histories: give each customer once", out[i].Customer)
		}
	}
	return out, nil
}
