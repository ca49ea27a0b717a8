package mongostore

import (
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// This file compiles queries to aggregation pipelines. Field names come from closed tables and values go in as values,
// through $literal, so that no text of a definition can become an operator.

type (
	doc   = bson.D
	stage = bson.D
)

func op(name string, v any) doc   { return doc{{Key: name, Value: v}} }
func list(vs ...any) bson.A       { return bson.A(vs) }
func cond(test, yes, no any) doc  { return op("$cond", list(test, yes, no)) }
func literal(v any) doc           { return op("$literal", v) }
func between(from, until any) doc { return doc{{Key: "$gte", Value: from}, {Key: "$lt", Value: until}} }
func inSpan(s metric.Span) doc {
	return op("$and", list(op("$gte", list("$day", literal(s.From))), op("$lt", list("$day", literal(s.Until)))))
}
func field(name string) string { return "$" + name }

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
	"new": "new", "active": "active", "active_before": "before",
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

// condition compiles a condition tree to an expression. A field that is absent satisfies nothing but ne and not.
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
	return op("$and", list(present, e)), nil
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

// contribution compiles one measure over the document at hand: its field, or 1, where the filter holds, else 0.
func contribution(m metric.Measure, e contract.Entity) (any, error) {
	var value any = 1
	if m.Field != "" {
		p, err := path(e, m.Field)
		if err != nil {
			return nil, err
		}
		value = op("$ifNull", list(field(p), 0))
	}
	if m.Filter == nil {
		return value, nil
	}
	test, err := condition(m.Filter, of(e))
	return cond(test, value, 0), err
}

func z(i int) string { return fmt.Sprintf("z%d", i) }

// perRow is the first stages for entities whose rows belong to a day: each customer's contributions, summed.
func perRow(t contract.TenantID, q metric.Query) ([]stage, error) {
	match := doc{{Key: "tenant", Value: t}, {Key: "day", Value: between(q.Window.From, q.Window.Until)}}
	if q.Entity == contract.Answer {
		match = append(match, bson.E{Key: "kind", Value: fact.Answer})
	}
	group := doc{{Key: "_id", Value: "$customer"}}
	for i, m := range q.Measures {
		e, err := contribution(m, q.Entity)
		if err != nil {
			return nil, err
		}
		sum := "$sum"
		if m.Once {
			sum = "$max"
		}
		group = append(group, bson.E{Key: z(i), Value: op(sum, e)})
	}
	return []stage{op("$match", match), op("$group", group)}, nil
}

// history is the first stage for entities that need a customer's whole history up to the end of the window.
func history(t contract.TenantID, window, before metric.Span) []stage {
	flag := func(s metric.Span) doc { return op("$max", cond(inSpan(s), true, false)) }
	return []stage{
		op("$match", doc{{Key: "tenant", Value: t}, {Key: "day", Value: op("$lt", window.Until)}}),
		op("$group", doc{
			{Key: "_id", Value: "$customer"},
			{Key: "orders", Value: op("$sum", "$orders")}, {Key: "revenue", Value: op("$sum", "$revenueMinor")},
			{Key: "units", Value: op("$sum", "$units")}, {Key: "days", Value: op("$sum", 1)},
			{Key: "first", Value: op("$min", "$day")}, {Key: "last", Value: op("$max", "$day")},
			{Key: "active", Value: flag(window)}, {Key: "before", Value: flag(before)},
		}),
		op("$set", doc{{Key: "new", Value: op("$gte", list("$first", literal(window.From)))}}),
	}
}

// dimensions maps a dimension to the expression of its key, over the documents of a customer's history.
func dimension(by string, q metric.Query) (any, error) {
	switch by {
	case "":
		return nil, nil
	case "cohort":
		return op("$substrBytes", list("$first", 0, 7)), nil
	case "tenure":
		return cond(op("$gte", list("$first", literal(q.Before.From))), "newcomers", "established"), nil
	case "buyer_kind":
		return cond(op("$gt", list("$days", 1)), "repeat", "one_time"), nil
	}
	return nil, fault.New(fault.Invalid, fault.BadDefinition, "%q is not a dimension", by)
}

func perCustomer(t contract.TenantID, q metric.Query) ([]stage, error) {
	stages := history(t, q.Window, q.Before)
	set := doc{}
	for i, m := range q.Measures {
		e, err := contribution(m, contract.Customer)
		if err != nil {
			return nil, err
		}
		set = append(set, bson.E{Key: z(i), Value: e})
	}
	key, err := dimension(q.By, q)
	if err != nil {
		return nil, err
	}
	return append(stages, op("$set", append(set, bson.E{Key: "key", Value: key}))), nil
}

func perProfile(t contract.TenantID, q metric.Query) ([]stage, error) {
	set := doc{}
	for i, m := range q.Measures {
		e, err := contribution(m, contract.Profile)
		if err != nil {
			return nil, err
		}
		set = append(set, bson.E{Key: z(i), Value: e})
	}
	return []stage{op("$match", doc{{Key: "tenant", Value: t}}), op("$set", set)}, nil
}

// scoped adds the stages that keep only customers in the scope, on documents whose _id is the customer. Conditions on the
// history need the documents of history; all others are about the profile.
func scoped(t contract.TenantID, scope *contract.Condition, hasHistory bool) ([]stage, error) {
	if scope == nil {
		return nil, nil
	}
	joined := false
	at := func(name string) (string, error) {
		if p, ok := customerFields[name]; ok && hasHistory {
			return p, nil
		}
		joined = true
		p, err := path(contract.Profile, name)
		return "profile." + p, err
	}
	test, err := condition(scope, at)
	if err != nil {
		return nil, err
	}
	var stages []stage
	if joined {
		stages = append(stages,
			op("$set", op("pid", op("$concat", list(literal(string(t)+"|"), "$_id")))),
			op("$lookup", doc{{Key: "from", Value: profilesCollection}, {Key: "localField", Value: "pid"}, {Key: "foreignField", Value: "_id"}, {Key: "as", Value: "profile"}}),
			op("$set", op("profile", op("$arrayElemAt", list("$profile", 0)))))
	}
	return append(stages, op("$match", op("$expr", test))), nil
}

// moments is the last stage: sums and products of the contributions over customers, by key.
func moments(q metric.Query) []stage {
	last := len(q.Measures) - 1
	group := doc{{Key: "_id", Value: nil}, {Key: "n", Value: op("$sum", cond(op("$ne", list(field(z(last)), 0)), 1, 0))}}
	if q.By != "" {
		group[0].Value = "$key"
	}
	for i := range q.Measures {
		group = append(group, bson.E{Key: z(i), Value: op("$sum", field(z(i)))})
		for j := 0; j <= i; j++ {
			group = append(group, bson.E{Key: product(i, j), Value: op("$sum", op("$multiply", list(field(z(i)), field(z(j)))))})
		}
	}
	if q.Spread {
		own := cond(op("$ne", list("$z1", 0)), op("$divide", list("$z0", cond(op("$eq", list("$z1", 0)), 1, "$z1"))), nil)
		group = append(group, bson.E{Key: "spread", Value: op("$percentile", doc{
			{Key: "input", Value: own}, {Key: "p", Value: list(.5, .9)}, {Key: "method", Value: "approximate"},
		})})
	}
	return []stage{op("$group", group), op("$sort", op("_id", 1))}
}

func product(i, j int) string { return fmt.Sprintf("p%d_%d", i, j) }

// collectionOf returns the collection that an entity's rows are in.
func collectionOf(e contract.Entity) string {
	switch e {
	case contract.Answer:
		return factsCollection
	case contract.Profile:
		return profilesCollection
	}
	return rowsCollection
}

// compile returns the pipeline of a query and the collection that it runs over.
func compile(t contract.TenantID, q metric.Query) (string, []stage, error) {
	var stages []stage
	var err error
	switch q.Entity {
	case contract.Customer:
		stages, err = perCustomer(t, q)
	case contract.Profile:
		stages, err = perProfile(t, q)
	case contract.CustomerDay, contract.Answer:
		stages, err = perRow(t, q)
	default:
		err = fault.New(fault.Invalid, fault.BadDefinition, "%q is not an entity", q.Entity)
	}
	if err != nil {
		return "", nil, err
	}
	scope, err := scoped(t, q.Scope, q.Entity == contract.Customer)
	return collectionOf(q.Entity), append(append(stages, scope...), moments(q)...), err
}
