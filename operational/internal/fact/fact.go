// Package fact owns the warehouse's rows: one fact per order or survey answer, and one row per customer and day that is
// rewritten from the facts. It computes them from events; it neither stores them nor aggregates over them.
//
// No row depends on the order in which events arrive.
package fact

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Kind of a fact.
type Kind string

// The kinds.
const (
	Order  Kind = "order"  // a purchase
	Answer Kind = "answer" // an answer to a survey
)

// Fact is one thing that a customer did.
type Fact struct {
	Tenant   contract.TenantID
	Source   contract.SourceID
	Event    string       // the event's id; names the fact together with tenant and source
	Customer identity.Key // the identity in the source; links map it to a person
	At       time.Time
	Day      contract.Day // in the tenant's zone
	Kind     Kind
	Amount   *int64 // of an order, minor units of the tenant's currency; nil where it was not collected
	Quantity *int64 // of an order
	Score    *float64
	More     map[contract.ParameterName]json.RawMessage // other parameters of an order, such as its cost
	Format   string
	Trust    string
	Import   string // the run that brought it
}

// Of returns the fact that an event states, or false for one that states none (its values are traits of the profile).
// zone is the tenant's. A value of another type than its parameter's is fault.Invalid, code poison.
func Of(e *lake.Event, zone *time.Location) (Fact, bool, error) {
	f := Fact{Tenant: e.Tenant, Source: e.Source, Event: e.ID, Customer: identity.Key(e.CustomerKey), At: e.Time,
		Day: contract.DayOf(e.Time, zone), Format: e.Format, Trust: e.Trust}
	if e.Import != nil {
		f.Import = e.Import.Run
	}
	switch {
	case has(e, contract.ParamOrderTime, contract.ParamOrderAmount, contract.ParamOrderItems):
		f.Kind = Order
		return f, true, f.order(e)
	case has(e, contract.ParamNPS):
		f.Kind = Answer
		return f, true, read(e.Parameters[contract.ParamNPS], &f.Score)
	default:
		return f, false, nil
	}
}

func has(e *lake.Event, names ...contract.ParameterName) bool {
	return slices.ContainsFunc(names, func(n contract.ParameterName) bool { _, ok := e.Parameters[n]; return ok })
}

func (f *Fact) order(e *lake.Event) error {
	for name, raw := range e.Parameters {
		var err error
		switch name {
		case contract.ParamOrderAmount:
			var a contract.Amount
			if err = read(raw, &a); err == nil {
				f.Amount = &a.Minor
			}
		case contract.ParamOrderItems:
			err = read(raw, &f.Quantity)
		case contract.ParamOrderTime, contract.ParamCustomerID:
		default:
			if f.More == nil {
				f.More = map[contract.ParameterName]json.RawMessage{}
			}
			f.More[name] = raw
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func read(raw json.RawMessage, v any) error {
	if err := json.Unmarshal(raw, v); err != nil {
		return fault.New(fault.Invalid, fault.Poison, "a parameter does not have its type")
	}
	return nil
}

// same is what identical orders of a customer and day share. All of them count: identical rows are real orders more often
// than not, so they are only pointed out.
type same struct {
	at               int64
	source           contract.SourceID
	amount, quantity int64
	known            [2]bool
}

func (f *Fact) same() same {
	s := same{at: f.At.UnixMilli(), source: f.Source}
	if f.Amount != nil {
		s.amount, s.known[0] = *f.Amount, true
	}
	if f.Quantity != nil {
		s.quantity, s.known[1] = *f.Quantity, true
	}
	return s
}

// ID names the fact within its tenant.
func (f *Fact) ID() string { return string(f.Source) + "|" + f.Event }
