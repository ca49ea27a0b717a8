package mongostore

import (
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// This file compiles queries to aggregation pipelines: first one document per customer with what each measure gets from
// them, then the customers in scope, then the sums.

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
	stages, err := contributions(t, q)
	if err != nil {
		return "", nil, err
	}
	scope, err := scoped(t, q.Entity, q.Scope)
	return collectionOf(q.Entity), append(append(stages, scope...), moments(q)...), err
}

func contributions(t contract.TenantID, q metric.Query) ([]stage, error) {
	switch q.Entity {
	case contract.Customer:
		return perCustomer(t, q)
	case contract.Profile:
		return perProfile(t, q)
	case contract.CustomerDay, contract.Answer:
		return perRow(t, q)
	}
	return nil, fault.New(fault.Invalid, fault.BadDefinition, "%q is not an entity", q.Entity)
}

func z(i int) string { return fmt.Sprintf("z%d", i) }

// contribution compiles one measure over the document at hand: its field where that is a number, or 1, where the filter
// holds, else 0.
func contribution(m metric.Measure, e contract.Entity) (any, error) {
	var value any = 1
	if m.Field != "" {
		p, err := path(e, m.Field)
		if err != nil {
			return nil, err
		}
		value = op("$ifNull", list(field(p), 0))
		if e == contract.Profile {
			value = cond(op("$isNumber", field(p)), field(p), 0)
		}
	}
	if m.Filter == nil {
		return value, nil
	}
	test, err := condition(m.Filter, of(e))
	return cond(test, value, 0), err
}

// contributed returns the fields z0, z1, … that hold the measures' contributions.
func contributed(q metric.Query) (doc, error) {
	set := doc{}
	for i, m := range q.Measures {
		e, err := contribution(m, q.Entity)
		if err != nil {
			return nil, err
		}
		set = append(set, bson.E{Key: z(i), Value: e})
	}
	return set, nil
}

// perRow is the first stages for entities whose rows belong to a day: each customer's contributions, summed. Where the
// scope asks for the past, the customers' whole histories are read, and only the window's rows contribute.
func perRow(t contract.TenantID, q metric.Query) ([]stage, error) {
	set, err := contributed(q)
	if err != nil {
		return nil, err
	}
	past := metric.Past(q.Scope)
	for i, m := range q.Measures {
		if past {
			set[i].Value = cond(inSpan(q.Window), set[i].Value, 0)
		}
		sum := "$sum"
		if m.Once {
			sum = "$max"
		}
		set[i].Value = op(sum, set[i].Value)
	}
	if past {
		return history(t, q.Window, q.Before, needs(q), set...), nil
	}
	return []stage{op("$match", rows(t, q)), op("$group", append(doc{{Key: "_id", Value: "$customer"}}, set...))}, nil
}

// rows selects the rows of an entity that lie in the query's window.
func rows(t contract.TenantID, q metric.Query) doc {
	match := doc{{Key: "tenant", Value: t}, {Key: "day", Value: between(q.Window.From, q.Window.Until)}}
	if q.Entity == contract.Answer {
		match = append(match, bson.E{Key: "kind", Value: fact.Answer})
	}
	return match
}

// history is the first stages for whatever needs customers' histories up to the end of the window: one document per
// customer, with those fields of the customer entity that are needed, and more accumulators if wanted.
func history(t contract.TenantID, window, before metric.Span, needed fieldSet, more ...bson.E) []stage {
	group, set := doc{{Key: "_id", Value: "$customer"}}, doc{}
	for _, f := range []struct {
		names       []string
		accumulator bson.E
	}{
		{[]string{"orders"}, bson.E{Key: "orders", Value: op("$sum", "$orders")}},
		{[]string{"revenue"}, bson.E{Key: "revenue", Value: op("$sum", "$revenueMinor")}},
		{[]string{"units"}, bson.E{Key: "units", Value: op("$sum", "$units")}},
		{[]string{"purchase_days"}, bson.E{Key: "days", Value: op("$sum", 1)}},
		{[]string{"new", firstDay}, bson.E{Key: "first", Value: op("$min", "$day")}},
		{[]string{"active", lastDay}, bson.E{Key: "last", Value: op("$max", "$day")}},
		{[]string{"active_before"}, bson.E{Key: "earlier", Value: op("$max", cond(op("$lt", list("$day", literal(before.Until))), "$day", nil))}},
	} {
		if needed.any(f.names...) {
			group = append(group, f.accumulator)
		}
	}
	for _, f := range []struct{ name, field, from string }{
		{"new", "first", string(window.From)}, {"active", "last", string(window.From)}, {"active_before", "earlier", string(before.From)},
	} {
		if needed[f.name] { // null, where there is no day, is less than every day
			set = append(set, bson.E{Key: customerFields[f.name], Value: op("$gte", list(field(f.field), literal(f.from)))})
		}
	}
	stages := []stage{
		op("$match", doc{{Key: "tenant", Value: t}, {Key: "day", Value: op("$lt", window.Until)}}), op("$group", append(group, more...)),
	}
	if len(set) > 0 {
		stages = append(stages, op("$set", set))
	}
	return stages
}

// dimension compiles a dimension to the expression of its key, over the documents of a customer's history.
func dimension(by string, q metric.Query) (any, error) {
	switch by {
	case "":
		return nil, nil
	case metric.ByCohort:
		return op("$substrBytes", list("$first", 0, 7)), nil
	case metric.ByTenure:
		return cond(op("$gte", list("$first", literal(q.Before.From))), "newcomers", "established"), nil
	case metric.ByBuyerKind:
		return cond(op("$gt", list("$days", 1)), "repeat", "one_time"), nil
	}
	return nil, fault.New(fault.Invalid, fault.BadDefinition, "%q is not a dimension", by)
}

func perCustomer(t contract.TenantID, q metric.Query) ([]stage, error) {
	set, err := contributed(q)
	if err != nil {
		return nil, err
	}
	key, err := dimension(q.By, q)
	if err != nil {
		return nil, err
	}
	return append(history(t, q.Window, q.Before, needs(q)), op("$set", append(set, bson.E{Key: "key", Value: key}))), nil
}

func perProfile(t contract.TenantID, q metric.Query) ([]stage, error) {
	set, err := contributed(q)
	return []stage{op("$match", doc{{Key: "tenant", Value: t}}), op("$set", set)}, err
}

// scoped adds the stages that keep only customers in the scope. The documents at hand are profiles, or have the customer
// as _id and, if the scope asks for the past, the fields of history.
func scoped(t contract.TenantID, e contract.Entity, scope *contract.Condition) ([]stage, error) {
	if scope == nil {
		return nil, nil
	}
	joined := false
	test, err := condition(scope, func(name string) (string, error) {
		if e == contract.Profile {
			return path(e, name)
		}
		if p, ok := customerFields[name]; ok {
			return p, nil
		}
		joined = true
		p, err := path(contract.Profile, name)
		return "profile." + p, err
	})
	if err != nil {
		return nil, err
	}
	var stages []stage
	if joined {
		stages = []stage{
			op("$set", op("pid", op("$concat", list(literal(string(t)+"|"), "$_id")))),
			op("$lookup", doc{{Key: "from", Value: profilesCollection}, {Key: "localField", Value: "pid"}, {Key: "foreignField", Value: "_id"}, {Key: "as", Value: "known"}}),
			op("$set", op("profile", op("$first", "$known"))),
		}
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
		group = append(group, bson.E{Key: "spread", Value: percentiles(own, .5, .9)})
	}
	return []stage{op("$group", group), op("$sort", op("_id", 1))}
}

func product(i, j int) string { return fmt.Sprintf("p%d_%d", i, j) }

func percentiles(of any, at ...any) doc {
	return op("$percentile", doc{{Key: "input", Value: of}, {Key: "p", Value: list(at...)}, {Key: "method", Value: "approximate"}})
}

// ordered compiles an order statistic: each customer's values, the customers in scope, and the percentile of all values.
func ordered(t contract.TenantID, q metric.Order) ([]stage, error) {
	m := q.Measures[0]
	p, err := path(q.Entity, m.Field)
	if err != nil {
		return nil, err
	}
	var value any = cond(op("$isNumber", field(p)), field(p), "$$REMOVE")
	if m.Filter != nil {
		test, err := condition(m.Filter, of(q.Entity))
		if err != nil {
			return nil, err
		}
		value = cond(test, value, "$$REMOVE")
	}
	scope, err := scoped(t, q.Entity, q.Scope)
	if err != nil {
		return nil, err
	}
	return slices.Concat(valued(t, q.Query, value), scope, []stage{
		op("$unwind", "$own"),
		op("$group", doc{
			{Key: "_id", Value: nil}, {Key: "n", Value: op("$sum", 1)}, {Key: "who", Value: op("$addToSet", "$_id")},
			{Key: "v", Value: percentiles("$own", q.Percentile)},
		}),
		op("$project", doc{{Key: "n", Value: 1}, {Key: "v", Value: 1}, {Key: "customers", Value: op("$size", "$who")}}),
	}), nil
}

// valued is the stages that leave one document per customer with the list of their values.
func valued(t contract.TenantID, q metric.Query, value any) []stage {
	one := op("$set", op("own", value))
	switch {
	case q.Entity == contract.Customer:
		return append(history(t, q.Window, q.Before, needs(q)), one)
	case q.Entity == contract.Profile:
		return []stage{op("$match", op("tenant", t)), one}
	case metric.Past(q.Scope):
		return history(t, q.Window, q.Before, needs(q), bson.E{Key: "own", Value: op("$push", cond(inSpan(q.Window), value, "$$REMOVE"))})
	}
	return []stage{op("$match", rows(t, q)), op("$group", doc{{Key: "_id", Value: "$customer"}, {Key: "own", Value: op("$push", value)}})}
}
