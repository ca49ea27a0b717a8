package mongostore

import (
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// ordered compiles an order statistic: each customer's values, the customers in scope, how often each value comes, and
// of those the one at the percentile, or their number. Both are exact: MongoDB's $percentile is not.
func (c compiler) ordered(q metric.Order) ([]stage, error) {
	m := &q.Measures[0]
	frames := q.Frames()
	at := of(q.Entity)
	if q.Entity == contract.Customer {
		at = ofHistory(frameOf(frames, q.Frame(m)))
	}
	p, err := at(m.Field)
	if err != nil {
		return nil, err
	}
	tests := list(counted(p, q.Distinct))
	if m.Filter != nil {
		test, err := condition(m.Filter, at)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
	}
	if n := frameOf(frames, q.Frame(m)); n > 0 && q.Entity == contract.Customer {
		tests = append(tests, op("$lt", list("$first", literal(frames[n].Window.Until))))
	}
	chosen, err := c.chosen(q.Query)
	value := cond(op("$and", tests), field(p), "$$REMOVE")
	size := cond(op("$isArray", "$own"), op("$size", cond(op("$isArray", "$own"), "$own", list())), 1)
	return slices.Concat(c.valued(q.Query, value), chosen, []stage{
		op("$set", op("size", size)),
		op("$unwind", doc{{Key: "path", Value: "$own"}, {Key: "includeArrayIndex", Value: "at"}}),
		op("$group", doc{{Key: "_id", Value: "$own"}, {Key: "n", Value: op("$sum", 1)},
			{Key: "customers", Value: op("$sum", cond(op("$gt", list("$at", 0)), 0, 1))}, // each by their first value
			{Key: "squares", Value: op("$sum", "$size")}, {Key: "one", Value: op("$min", "$_id")}, {Key: "other", Value: op("$max", "$_id")}}),
	}, picked(q)), err
}

// counted tests that a field has a value that the statistic takes: a number, or any scalar to be told from others.
func counted(p string, distinct bool) any {
	if !distinct {
		return op("$isNumber", field(p))
	}
	return op("$or", list(op("$isNumber", field(p)), op("$in", list(op("$type", field(p)), list("string", "bool")))))
}

// picked takes the statistic from the values, and how often and by whom each comes.
func picked(q metric.Order) []stage {
	if q.Distinct {
		return different()
	}
	sum := func(of, last string) doc {
		return doc{{Key: "$sum", Value: of}, {Key: "window", Value: op("documents", list("unbounded", last))}}
	}
	at := op("$multiply", list(q.Percentile, "$all"))
	of := cond(op("$eq", list("$squares", "$all")), q.Percentile*(1-q.Percentile), metric.Apart(q.Percentile))
	half := op("$multiply", list(metric.Z95, op("$sqrt", op("$multiply", list(of, "$squares")))))
	first := func(rank any) doc { return op("$min", cond(op("$gte", list("$upTo", rank)), "$_id", nil)) }
	return []stage{
		op("$setWindowFields", doc{{Key: "sortBy", Value: op("_id", 1)}, {Key: "output", Value: doc{
			{Key: "upTo", Value: sum("$n", "current")}, {Key: "all", Value: sum("$n", "unbounded")},
			{Key: "who", Value: sum("$customers", "unbounded")}, {Key: "squares", Value: sum("$squares", "unbounded")},
		}}}),
		op("$group", doc{{Key: "_id", Value: nil},
			{Key: "v", Value: first(op("$ceil", op("$subtract", list(at, 1e-9))))},
			{Key: "low", Value: first(op("$floor", op("$subtract", list(at, half))))},
			{Key: "high", Value: first(op("$add", list(op("$ceil", op("$add", list(at, half))), 1)))},
			{Key: "n", Value: op("$max", "$all")}, {Key: "customers", Value: op("$max", "$who")}, {Key: "squares", Value: op("$max", "$squares")},
		}),
	}
}

// different counts the values, and those of each customer that nobody else has.
func different() []stage {
	alone := op("$eq", list("$one", "$other"))
	known := op("$ne", list("$_id", nil))
	return []stage{
		op("$group", doc{{Key: "_id", Value: cond(alone, "$one", nil)}, {Key: "values", Value: op("$sum", 1)},
			{Key: "n", Value: op("$sum", "$n")}, {Key: "customers", Value: op("$sum", "$customers")}}),
		op("$group", doc{{Key: "_id", Value: nil}, {Key: "v", Value: op("$sum", "$values")},
			{Key: "n", Value: op("$sum", "$n")}, {Key: "customers", Value: op("$sum", "$customers")},
			{Key: "alone", Value: op("$sum", cond(known, 1, 0))},
			{Key: "squares", Value: op("$sum", cond(known, op("$multiply", list("$values", "$values")), 0))}}),
	}
}

// valued is the stages that leave one document per customer with their values.
func (c compiler) valued(q metric.Query, value any) []stage {
	one := op("$set", op("own", value))
	in := q.Frame(&q.Measures[0]).Window
	switch {
	case q.Entity == contract.Customer:
		return append(c.history(q, q.Window.Until), one)
	case q.Entity == contract.Profile:
		return append(c.profiles(q), one)
	case needsPast(q):
		return c.history(q, q.Window.Until, bson.E{Key: "own", Value: op("$push", cond(inSpan(in), value, "$$REMOVE"))})
	}
	return append(c.rows(q.Entity, []metric.Span{in}), op("$group", doc{{Key: "_id", Value: "$customer"}, {Key: "own", Value: op("$push", value)}}))
}
