package mongostore

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// This file compiles what selects and groups customers: the scope and the dimension, by their history or their profile.

// chosen is the stages that keep only customers in the scope and set their key of the dimension. The documents at hand
// are profiles, or have the customer as _id and, if the past is needed, the fields of history.
func (c compiler) chosen(q metric.Query) ([]stage, error) {
	var stages []stage
	if names := profiled(q); len(names) > 0 && q.Entity != contract.Profile {
		stages = c.join(names)
	}
	if q.Scope != nil {
		test, err := condition(q.Scope, scopeField(q.Entity))
		if err != nil {
			return nil, err
		}
		stages = append(stages, op("$match", op("$expr", test)))
	}
	if q.By == "" {
		return stages, nil
	}
	key, err := dimension(q)
	return append(stages, op("$set", op("key", key))), err
}

// scopeField resolves what selects customers: fields of their history, and of their profile.
func scopeField(e contract.Entity) resolver {
	return func(name string) (string, error) {
		if _, ok := contract.FieldOf(contract.Customer, name); ok && e != contract.Profile {
			return path(contract.Customer, name)
		}
		p, err := path(contract.Profile, name)
		if e == contract.Profile {
			return p, err
		}
		return "profile." + p, err
	}
}

// profiled returns the parameters that scope and dimension need of the profile.
func profiled(q metric.Query) []string {
	s := fieldSet{}
	s.named(q.Scope)
	for name := range s {
		if _, ok := contract.FieldOf(contract.Customer, name); ok || name == "" {
			delete(s, name)
		}
	}
	if q.By != "" && !needsPast(metric.Query{By: q.By}) {
		s[q.By] = true
	}
	return sorted(s)
}

// join adds the customers' profiles.
func (c compiler) join(parameters []string) []stage {
	profile := func(by string) stage {
		return op("$lookup", doc{{Key: "from", Value: profilesCollection}, {Key: "localField", Value: by}, {Key: "foreignField", Value: "_id"}, {Key: "as", Value: "known"}})
	}
	pid := op("$set", op("pid", op("$concat", list(literal(string(c.tenant)+"|"), "$_id"))))
	if !c.linked {
		return []stage{pid, profile("pid"), op("$set", op("profile", op("$first", "$known")))}
	}
	return []stage{
		pid, c.lookup("pid"), op("$set", op("pid", op("$ifNull", list(op("$first", "$person.members"), list("$pid"))))), profile("pid"),
		op("$set", op("profile", op("values", latest("$known.values.", parameters)))),
	}
}

// dimension compiles the key of a dimension.
func dimension(q metric.Query) (any, error) {
	switch q.By {
	case metric.ByCohort:
		return op("$substrBytes", list("$first", 0, 7)), nil
	case metric.ByTenure:
		return cond(op("$gte", list("$first", literal(q.Before.From))), "newcomers", "established"), nil
	case metric.ByBuyerKind:
		return cond(op("$gt", list("$days", 1)), "repeat", "one_time"), nil
	}
	p, err := scopeField(q.Entity)(q.By)
	if err != nil || slices.Contains(contract.FieldsOf(contract.Customer), q.By) {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "%q is not a dimension", q.By)
	}
	return keyOf(p), nil
}

// keyOf compiles the key that a parameter's value makes: short texts, booleans and whole numbers are values of a closed
// list; whatever else there is is put together.
func keyOf(p string) any {
	v, kind := field(p), op("$type", field(p))
	is := func(names ...any) any { return op("$in", list(kind, list(names...))) }
	branch := func(test, key any) doc { return doc{{Key: "case", Value: test}, {Key: "then", Value: key}} }
	whole := op("$and", list(op("$isNumber", v), op("$eq", list(v, op("$trunc", list(v)))), op("$lt", list(op("$abs", v), int64(1)<<53))))
	return op("$switch", doc{{Key: "branches", Value: list(
		branch(is("missing"), metric.KeyUnknown),
		branch(op("$eq", list(v, "")), metric.KeyUnknown),
		branch(is("string"), cond(op("$lte", list(op("$strLenBytes", op("$toString", v)), metric.MaxKey)), v, metric.KeyOther)),
		branch(is("bool"), op("$toString", v)),
		branch(is("int", "long", "double"), cond(whole, op("$toString", op("$toLong", cond(whole, v, 0))), metric.KeyOther)),
	)}, {Key: "default", Value: metric.KeyOther}})
}

// needs returns, for each of the query's frames, the fields of customers' histories that it rests on.
func needs(q metric.Query) []fieldSet {
	frames := q.Frames()
	s := make([]fieldSet, len(frames))
	for i := range s {
		s[i] = fieldSet{}
	}
	s[0].named(q.Scope)
	switch q.By {
	case metric.ByCohort, metric.ByTenure:
		s[0][firstDay] = true
	case metric.ByBuyerKind:
		s[0]["purchase_days"] = true
	}
	if q.Entity != contract.Customer {
		return s
	}
	for i := range q.Measures {
		at := s[frameOf(frames, q.Frame(&q.Measures[i]))]
		at[q.Measures[i].Field] = true
		at.named(q.Measures[i].Filter)
	}
	return s
}

// profiles reads the profiles that a query aggregates over.
func (c compiler) profiles(q metric.Query) []stage {
	read := op("$match", op("tenant", c.tenant))
	if !c.linked {
		return []stage{read}
	}
	s := fieldSet{}
	for _, name := range profiled(q) {
		s[name] = true
	}
	for i := range q.Measures {
		s[q.Measures[i].Field] = true
		s.named(q.Measures[i].Filter)
	}
	delete(s, "")
	merged := []stage{c.lookup("_id"), c.renamed(), op("$group", doc{{Key: "_id", Value: "$customer"}, {Key: "known", Value: op("$push", "$values")}}),
		op("$set", op("values", latest("$known.", sorted(s))))}
	if c.few == nil {
		return append([]stage{read}, merged...)
	}
	var theirs bson.A
	for _, k := range c.few {
		theirs = append(theirs, id(c.tenant, k))
	}
	others := op("$match", doc{{Key: "tenant", Value: c.tenant}, {Key: "_id", Value: op("$nin", theirs)}})
	return []stage{others, op("$unionWith", doc{{Key: "coll", Value: profilesCollection},
		{Key: "pipeline", Value: append([]stage{op("$match", op("_id", op("$in", theirs)))}, merged...)}})}
}

// latest makes, of the values that a person's identities have, a profile with the latest of each parameter.
func latest(at string, parameters []string) doc {
	values := doc{}
	moment := func(v string) any {
		return doc{{Key: "at", Value: v + ".at"}, {Key: "source", Value: v + ".source"}, {Key: "event", Value: v + ".event"}}
	}
	later := op("$or", list(op("$eq", list("$$value", nil)), op("$gt", list(moment("$$this"), moment("$$value")))))
	for _, p := range parameters {
		values = append(values, bson.E{Key: p, Value: op("$ifNull", list(op("$reduce", doc{
			{Key: "input", Value: at + p}, {Key: "initialValue", Value: nil}, {Key: "in", Value: cond(later, "$$this", "$$value")},
		}), "$$REMOVE"))})
	}
	return values
}
