package fact

import (
	"slices"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
)

// CustomerDay is a customer's purchases of one day.
type CustomerDay struct {
	Tenant     contract.TenantID
	Customer   identity.Key
	Day        contract.Day
	Orders     int64
	Revenue    int64 // minor units
	Units      int64
	ZeroOrders int64 // orders of amount 0
	Identical  int64 // orders that repeat another of the day in time, source, amount and quantity
	WithAmount int64 // orders whose amount was collected
	WithItems  int64 // orders whose quantity was collected
}

// DayKey names a customer's day within a tenant.
type DayKey struct {
	Customer identity.Key
	Day      contract.Day
}

// ID returns the key as text.
func (k DayKey) ID() string { return string(k.Customer) + "|" + string(k.Day) }

// Key returns the day that an order belongs to.
func (f *Fact) Key() DayKey { return DayKey{f.Customer, f.Day} }

// Rows returns the rows of the days that the given orders touch: before holds all orders stored for those days, added the
// new ones. Rows come sorted by key. It also returns, for each new order, whether it repeats another one.
func Rows(t contract.TenantID, before, added []Fact) (rows []CustomerDay, repeats map[string]bool) {
	days := map[DayKey][]Fact{}
	for _, f := range before {
		days[f.Key()] = append(days[f.Key()], f)
	}
	repeats = map[string]bool{}
	touched := map[DayKey]bool{}
	seen := map[DayKey]map[same]bool{}
	for _, f := range added {
		k := f.Key()
		if !touched[k] {
			touched[k], seen[k] = true, map[same]bool{}
			for i := range days[k] {
				seen[k][days[k][i].same()] = true
			}
		}
		repeats[f.ID()] = seen[k][f.same()]
		seen[k][f.same()] = true
		days[k] = append(days[k], f)
	}
	for k := range touched {
		rows = append(rows, row(t, k, days[k]))
	}
	slices.SortFunc(rows, func(a, b CustomerDay) int {
		return slices.Compare([]string{string(a.Customer), string(a.Day)}, []string{string(b.Customer), string(b.Day)})
	})
	return rows, repeats
}

// Days returns the rows of one customer's orders, which come in the order of their days.
func Days(t contract.TenantID, c identity.Key, orders []Fact) []CustomerDay {
	var rows []CustomerDay
	for from := 0; from < len(orders); {
		until := from + 1
		for until < len(orders) && orders[until].Day == orders[from].Day {
			until++
		}
		rows = append(rows, row(t, DayKey{c, orders[from].Day}, orders[from:until]))
		from = until
	}
	return rows
}

func row(t contract.TenantID, k DayKey, orders []Fact) CustomerDay {
	r := CustomerDay{Tenant: t, Customer: k.Customer, Day: k.Day, Orders: int64(len(orders))}
	distinct := make(map[same]bool, len(orders))
	for i := range orders {
		o := &orders[i]
		distinct[o.same()] = true
		if o.Amount != nil {
			r.WithAmount++
			r.Revenue += *o.Amount
			if *o.Amount == 0 {
				r.ZeroOrders++
			}
		}
		if o.Quantity != nil {
			r.WithItems++
			r.Units += *o.Quantity
		}
	}
	r.Identical = r.Orders - int64(len(distinct))
	return r
}
