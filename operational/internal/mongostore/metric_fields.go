package mongostore

import (
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Field names come from closed tables and values go in as values, through $literal, so that no text of a definition can
// become an operator.

type (
	doc   = bson.D
	stage = bson.D
)

func op(name string, v any) doc   { return doc{{Key: name, Value: v}} }
func list(vs ...any) bson.A       { return bson.A(vs) }
func cond(test, yes, no any) doc  { return op("$cond", list(test, yes, no)) }
func literal(v any) doc           { return op("$literal", v) }
func between(from, until any) doc { return doc{{Key: "$gte", Value: from}, {Key: "$lt", Value: until}} }
func field(name string) string    { return "$" + name }

func inSpan(s metric.Span) doc {
	return op("$and", list(op("$gte", list("$day", literal(s.From))), op("$lt", list("$day", literal(s.Until)))))
}

// rowFields maps the fields of a row-wise entity to the documents' own.
var rowFields = map[contract.Entity]map[string]string{
	contract.CustomerDay: {
		"customer": "customer", "orders": "orders", "revenue": "revenueMinor", "units": "units", "zero_orders": "zeroOrders",
	},
	contract.Answer: {"customer": "customer", "score": "score"},
}

// customerFields are those of the documents that the first stage of a customer's history makes.
var customerFields = map[string]string{
	"customer": "_id", "orders": "orders", "purchase_days": "days", "revenue": "revenue", "units": "units",
	"new": "new", "active": "active", "active_before": "before", newBefore: "newBefore",
}

// path returns where a field of an entity is found in the documents at hand.
func path(e contract.Entity, name string) (string, error) {
	switch e {
	case contract.Profile:
		if strings.ContainsAny(name, "$.") || name == "" {
			return "", unknownField(e, name)
		}
		return "values." + name + ".value", nil
	case contract.Customer:
		if f, ok := customerFields[name]; ok {
			return f, nil
		}
	default:
		if f, ok := rowFields[e][name]; ok {
			return f, nil
		}
	}
	return "", unknownField(e, name)
}

func unknownField(e contract.Entity, name string) error {
	return fault.New(fault.Invalid, fault.BadDefinition, "%s has no field %q", e, name)
}

// resolver returns the path of a condition's field.
type resolver func(name string) (string, error)

func of(e contract.Entity) resolver {
	return func(name string) (string, error) { return path(e, name) }
}

// comparisons maps operators; exists and in are made apart.
var comparisons = map[contract.Operator]string{
	contract.Eq: "$eq", contract.Ne: "$ne", contract.Gt: "$gt", contract.Gte: "$gte", contract.Lt: "$lt", contract.Lte: "$lte",
}

// condition compiles a condition tree to an expression. A field that is absent satisfies nothing but ne and not; one of another
// kind than the value is neither greater nor less.
func condition(c *contract.Condition, at resolver) (any, error) {
	switch {
	case len(c.All) > 0:
		return connective("$and", c.All, at)
	case len(c.Any) > 0:
		return connective("$or", c.Any, at)
	case c.Not != nil:
		e, err := condition(c.Not, at)
		return op("$not", list(e)), err
	}
	p, err := at(c.Field)
	if err != nil {
		return nil, err
	}
	present := op("$ne", list(op("$type", field(p)), "missing"))
	if c.Op == contract.Exists {
		if want, ok := c.Value.(bool); ok && !want {
			return op("$not", list(present)), nil
		}
		return present, nil
	}
	if c.Op == contract.In {
		values, ok := c.List()
		if !ok {
			return nil, fault.New(fault.Invalid, fault.BadDefinition, "in needs a list of values")
		}
		return op("$in", list(field(p), literal(values))), nil
	}
	name, ok := comparisons[c.Op]
	if !ok {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "%q is not an operator", c.Op)
	}
	e := op(name, list(field(p), literal(c.Value)))
	if c.Op == contract.Ne || c.Op == contract.Eq {
		return e, nil
	}
	return op("$and", list(sameKind(p, c.Value), e)), nil
}

// sameKind tests that a field is of the kind of a value: to MongoDB any text is greater than any number.
func sameKind(path string, v any) doc {
	switch v.(type) {
	case string:
		return op("$eq", list(op("$type", field(path)), "string"))
	case bool:
		return op("$eq", list(op("$type", field(path)), "bool"))
	}
	return op("$isNumber", field(path))
}

func connective(name string, cs []contract.Condition, at resolver) (any, error) {
	var all bson.A
	for i := range cs {
		e, err := condition(&cs[i], at)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return op(name, all), nil
}

// Two fields of a customer's history that dimensions and models need and definitions cannot name.
const (
	firstDay = "first"
	lastDay  = "last"
)

// newBefore is a field that only lowered definitions name: whether the first purchase lies in the earlier window.
const newBefore = "new_before"

// fieldSet is fields of the customer entity.
type fieldSet map[string]bool

func (s fieldSet) any(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { return s[n] })
}

func (s fieldSet) named(c *contract.Condition) {
	if c == nil {
		return
	}
	s[c.Field] = true
	for _, children := range [][]contract.Condition{c.All, c.Any} {
		for i := range children {
			s.named(&children[i])
		}
	}
	s.named(c.Not)
}
