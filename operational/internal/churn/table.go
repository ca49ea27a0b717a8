package churn

import (
	"cmp"
	"math"
	"slices"

	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

// Kind is how an attribute is read.
type Kind string

// The kinds of attributes.
const (
	Number   Kind = "number"
	Category Kind = "category"
)

// Attribute is something known of customers.
type Attribute struct {
	Name string
	Kind Kind
}

// Value is what is known of one customer's attribute; the zero value says that nothing is.
type Value struct {
	Known  bool
	Number float64 // finite; where the attribute is a number
	Text   string  // where it is a category
}

// Numeric is a known number, Text a known category.
func Numeric(v float64) Value { return Value{Known: true, Number: v} }

// Text is a known category.
func Text(s string) Value { return Value{Known: true, Text: s} }

// Subject is a customer whose attributes are known, in the order of the table's.
type Subject struct {
	Customer string // an opaque key
	Values   []Value
}

// Example is a customer of whom it is also known whether they left after the attributes were taken.
type Example struct {
	Subject
	Churned bool
	Day     purchase.Day // when the attributes were taken; the same for all where the data has no time
}

// Table is what a model learns from.
type Table struct {
	Attributes []Attribute
	Examples   []Example
}

// checked returns the table sorted by customer, so that nothing depends on the order of its rows.
func (t Table) checked() (Table, error) {
	ids := make([]string, len(t.Examples))
	for i, e := range t.Examples {
		ids[i] = e.Customer
		if err := checkSubject(t.Attributes, e.Subject); err != nil {
			return Table{}, err
		}
	}
	if _, err := predict.Distinct(ids); err != nil {
		return Table{}, err
	}
	names := map[string]bool{}
	for _, a := range t.Attributes {
		if a.Name == "" || names[a.Name] || a.Kind != Number && a.Kind != Category {
			return Table{}, fault.New(fault.Invalid, fault.BadDefinition, "attribute %q of kind %q: need a name that comes once and a kind", a.Name, a.Kind)
		}
		names[a.Name] = true
	}
	sorted := slices.Clone(t.Examples)
	slices.SortFunc(sorted, func(a, b Example) int { return cmp.Compare(a.Customer, b.Customer) })
	return Table{t.Attributes, sorted}, nil
}

func checkSubject(attributes []Attribute, s Subject) error {
	if len(s.Values) != len(attributes) {
		return fault.New(fault.Invalid, fault.InvalidItem, "customer %q has %d values for %d attributes", s.Customer, len(s.Values), len(attributes))
	}
	for i, v := range s.Values {
		if v.Known && attributes[i].Kind == Number && (math.IsNaN(v.Number) || math.IsInf(v.Number, 0)) {
			return fault.New(fault.Invalid, fault.InvalidItem, "customer %q: %s is not a finite number; leave it out where it is unknown",
				s.Customer, attributes[i].Name)
		}
	}
	return nil
}

// sample keeps at most so many customers, in their order.
func (t Table) sample(most int) Table {
	if len(t.Examples) <= most {
		return t
	}
	ids := make([]string, len(t.Examples))
	for i, e := range t.Examples {
		ids[i] = e.Customer
	}
	places := predict.Shuffled(ids)[:most]
	slices.Sort(places)
	out := Table{t.Attributes, make([]Example, most)}
	for i, at := range places {
		out.Examples[i] = t.Examples[at]
	}
	return out
}

func (t Table) events() int {
	n := 0
	for _, e := range t.Examples {
		if e.Churned {
			n++
		}
	}
	return n
}

// split separates the rows for which out is true.
func (t Table) split(out func(i int) bool) (kept, left Table) {
	kept.Attributes, left.Attributes = t.Attributes, t.Attributes
	for i, e := range t.Examples {
		if out(i) {
			left.Examples = append(left.Examples, e)
		} else {
			kept.Examples = append(kept.Examples, e)
		}
	}
	return kept, left
}
