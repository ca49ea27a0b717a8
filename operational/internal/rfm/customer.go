package rfm

import (
	"cmp"
	"slices"

	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

// Customer is one customer's figures as of a day.
type Customer struct {
	ID        string
	Recency   int   // days since the last purchase day, 0 or more; fewer is better
	Frequency int   // days with a purchase, 1 or more
	Monetary  int64 // revenue of all purchases, minor units; may be 0, or negative after refunds
}

// AsOf returns the figures of the customers who had bought by the day, sorted by id. It fails (Invalid) as
// [purchase.AsOf] does.
func AsOf(histories []purchase.History, day purchase.Day) ([]Customer, error) {
	cut, err := purchase.AsOf(histories, day)
	if err != nil {
		return nil, err
	}
	out := make([]Customer, len(cut))
	for i, h := range cut {
		out[i] = Customer{ID: h.Customer, Recency: int(day - h.Last()), Frequency: len(h.Visits), Monetary: h.Revenue()}
	}
	return out, nil
}

// sorted returns the customers by id. It fails (Invalid) on one that cannot be and on an id that comes twice.
func sorted(customers []Customer) ([]Customer, error) {
	out := slices.Clone(customers)
	slices.SortFunc(out, func(a, b Customer) int { return cmp.Compare(a.ID, b.ID) })
	for i, c := range out {
		if c.ID == "" || c.Recency < 0 || c.Frequency < 1 || i > 0 && out[i-1].ID == c.ID {
			return nil, fault.New(fault.Invalid, fault.InvalidItem, "customer %+v: need an id that comes once, a recency of at least 0 and a "+
				"frequency of at least 1", c)
		}
	}
	return out, nil
}
