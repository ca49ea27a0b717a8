package churn

import (
	"github.com/strata-crm/strata/shared/fault"
)

// Gates says what a table must have before a model is fitted to it. The zero value lets everything pass that has both
// classes.
type Gates struct {
	MinCustomers      int
	MinPerClass       int     // customers who left, and customers who stayed
	EventsPerVariable float64 // customers of the smaller class for each coefficient that is free to move
}

// DefaultGates are those of the product: ten events per variable (Peduzzi et al. 1996), and enough of both classes that
// each of five folds has some ten.
func DefaultGates() Gates { return Gates{MinCustomers: 200, MinPerClass: 50, EventsPerVariable: 10} }

func (g Gates) check(customers, events, variables int) error {
	rarer := min(events, customers-events)
	switch {
	case customers < g.MinCustomers:
		return notIdentified("%d customers and the model needs %d: wait for more data or widen the selection", customers, g.MinCustomers)
	case rarer < max(1, g.MinPerClass):
		return notIdentified("%d customers left and %d stayed, and the model needs %d of each: wait for more data or widen the selection",
			events, customers-events, max(1, g.MinPerClass))
	case float64(rarer) < g.EventsPerVariable*float64(variables):
		return notIdentified("%d events for %d variables and the model needs %g each: leave out attributes or wait for more data",
			rarer, variables, g.EventsPerVariable)
	}
	return nil
}

func notIdentified(format string, args ...any) error {
	return fault.New(fault.Conflict, fault.ModelNotIdentified, format, args...)
}
