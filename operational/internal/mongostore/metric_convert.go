package mongostore

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// conversions is the first stages of a query of conversions: for each customer the first day that matches the base, and
// the days that may count as converted; from those, z0 and z1.
func (c compiler) conversions(q metric.Query) ([]stage, error) {
	base, err := matching(q.Entity, q.Convert.Base)
	if err != nil {
		return nil, err
	}
	then, err := matching(q.Convert.Into, q.Convert.Then)
	if err != nil {
		return nil, err
	}
	later := metric.Span{From: q.Window.From, Until: q.Window.Until.Add(q.Convert.Days)}
	began := bson.E{Key: "began", Value: op("$min", cond(op("$and", list(inSpan(q.Window), base)), "$day", nil))}
	days := bson.E{Key: "then", Value: op("$push", cond(op("$and", list(inSpan(later), then)), "$day", "$$REMOVE"))}
	switch {
	case needsPast(q):
		return append(c.history(q, later.Until, began, days), converted(q.Convert.Days)...), nil
	case q.Entity == q.Convert.Into:
		group := op("$group", doc{{Key: "_id", Value: "$customer"}, began, days})
		return append(append(c.rows(q.Entity, []metric.Span{later}), group), converted(q.Convert.Days)...), nil
	}
	return append(c.acrossEntities(q, later, base, then), converted(q.Convert.Days)...), nil
}

// acrossEntities reads the base from one collection and the conversions from another.
func (c compiler) acrossEntities(q metric.Query, later metric.Span, base, then any) []stage {
	kept := func(name string, test any) stage {
		return op("$project", doc{{Key: "_id", Value: 0}, {Key: "customer", Value: 1}, {Key: name, Value: cond(test, "$day", "$$REMOVE")}})
	}
	into := append(c.rows(q.Convert.Into, []metric.Span{later}), kept("then", then))
	return append(c.rows(q.Entity, []metric.Span{q.Window}), kept("began", base),
		op("$unionWith", doc{{Key: "coll", Value: collectionOf(q.Convert.Into)}, {Key: "pipeline", Value: into}}),
		op("$group", doc{{Key: "_id", Value: "$customer"}, {Key: "began", Value: op("$min", "$began")}, {Key: "then", Value: op("$push", "$then")}}),
	)
}

// matching compiles a condition that need not be there.
func matching(e contract.Entity, c *contract.Condition) (any, error) {
	if c == nil {
		return literal(true), nil
	}
	return condition(c, of(e))
}

// converted sets z from the first day and the days that count. Days are text: the last one that counts is worked out as
// a date and written as text again.
func converted(days int) []stage {
	const form = "%Y-%m-%d"
	date := op("$dateFromString", doc{{Key: "dateString", Value: "$began"}, {Key: "format", Value: form}})
	last := op("$dateToString", doc{{Key: "date", Value: op("$dateAdd", doc{{Key: "startDate", Value: date}, {Key: "unit", Value: "day"},
		{Key: "amount", Value: days}})}, {Key: "format", Value: form}})
	counts := op("$and", list(op("$gte", list("$$day", "$began")), op("$lte", list("$$day", "$until"))))
	any := op("$anyElementTrue", list(op("$map", doc{{Key: "input", Value: "$then"}, {Key: "as", Value: "day"}, {Key: "in", Value: counts}})))
	begun := op("$gt", list("$began", nil))
	return []stage{op("$set", op("until", last)), op("$set", doc{
		{Key: z(0), Value: cond(op("$and", list(begun, any)), 1, 0)}, {Key: z(1), Value: cond(begun, 1, 0)},
	})}
}
