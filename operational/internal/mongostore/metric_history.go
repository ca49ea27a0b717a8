package mongostore

import (
	"slices"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// This file compiles customers' histories: one document per customer with the fields of the customer entity, as they
// stood at the end of a frame's window. The fields of the query's own frame have their plain names, those of the n-th
// earlier one end in n.

// needsPast reports whether the query needs the histories of customers beside what it adds up.
func needsPast(q metric.Query) bool {
	return metric.Past(q.Scope) || slices.Contains([]string{metric.ByTenure, metric.ByCohort, metric.ByBuyerKind}, q.By)
}

func frameOf(frames []metric.Frame, f metric.Frame) int { return slices.Index(frames, f) }

// ofHistory resolves fields of the customer entity in the n-th frame.
func ofHistory(n int) resolver {
	return func(name string) (string, error) {
		p, err := path(contract.Customer, name)
		return inFrame(p, n), err
	}
}

// shared are the fields that are the same in every frame.
var shared = []string{"_id", firstDay}

func inFrame(p string, n int) string {
	if n == 0 || slices.Contains(shared, p) {
		return p
	}
	return p + strconv.Itoa(n)
}

// history is the first stages for whatever needs customers' histories, read up to a day that no window of the query's
// ends after; more accumulators see all rows read.
func (c compiler) history(q metric.Query, upTo contract.Day, more ...bson.E) []stage {
	return c.histories(q.Frames(), needs(q), upTo, more...)
}

func (c compiler) histories(frames []metric.Frame, needed []fieldSet, upTo contract.Day, more ...bson.E) []stage {
	group, set := doc{{Key: "_id", Value: "$customer"}}, doc{}
	if slices.ContainsFunc(needed, func(s fieldSet) bool { return s.any("new", newBefore, firstDay) }) || len(frames) > 1 {
		group = append(group, bson.E{Key: firstDay, Value: op("$min", "$day")})
	}
	for n, f := range frames {
		group = append(group, accumulated(f, n, needed[n], f.Window.Until < upTo)...)
		set = append(set, judged(f, n, needed[n])...)
	}
	stages := append(c.rows(contract.CustomerDay, []metric.Span{{Until: upTo}}), op("$group", append(group, more...)))
	if len(set) > 0 {
		stages = append(stages, op("$set", set))
	}
	return stages
}

// accumulated are the accumulators of a frame's fields; where rows after its window are read, they are left out.
func accumulated(f metric.Frame, n int, needed fieldSet, partly bool) (group doc) {
	upTo := func(until contract.Day, v, none any) any {
		return cond(op("$lt", list("$day", literal(until))), v, none)
	}
	within := func(v, none any) any {
		if partly {
			return upTo(f.Window.Until, v, none)
		}
		return v
	}
	for _, a := range []struct {
		names []string
		field string
		value any
	}{
		{[]string{"orders"}, "orders", op("$sum", within("$orders", 0))},
		{[]string{"revenue"}, "revenue", op("$sum", within("$revenueMinor", 0))},
		{[]string{"units"}, "units", op("$sum", within("$units", 0))},
		{[]string{"purchase_days"}, "days", op("$sum", within(1, 0))},
		{[]string{"active", lastDay}, "last", op("$max", within("$day", nil))},
		{[]string{"active_before"}, "earlier", op("$max", upTo(f.Before.Until, "$day", nil))},
	} {
		if needed.any(a.names...) {
			group = append(group, bson.E{Key: inFrame(a.field, n), Value: a.value})
		}
	}
	return group
}

// judged are the fields of a frame that compare days; null, where there is no day, is less than every day.
func judged(f metric.Frame, n int, needed fieldSet) (set doc) {
	from := func(field string, s metric.Span) any {
		return op("$gte", list("$"+inFrame(field, n), literal(string(s.From))))
	}
	for _, j := range []struct {
		name string
		test any
	}{
		{"new", from(firstDay, f.Window)}, {"active", from("last", f.Window)}, {"active_before", from("earlier", f.Before)},
		{newBefore, op("$and", list(from(firstDay, f.Before), op("$lt", list("$"+firstDay, literal(string(f.Before.Until))))))},
	} {
		if needed[j.name] {
			set = append(set, bson.E{Key: inFrame(customerFields[j.name], n), Value: j.test})
		}
	}
	return set
}

// summaries compiles the purchase summaries, as of the window's end, of the customers in a scope who had bought by then: a
// row is a purchase day. Where rows up to a later day are read, all counts the days of both parts.
func (c compiler) summaries(q metric.Query, upTo contract.Day) ([]stage, error) {
	first := op("$top", doc{{Key: "sortBy", Value: op("day", 1)}, {Key: "output", Value: "$revenueMinor"}})
	needed := fieldSet{"purchase_days": true, "revenue": true, firstDay: true, lastDay: true}
	needed.named(q.Scope)
	more, shown := []bson.E{{Key: "firstRevenue", Value: first}}, doc{
		{Key: "_id", Value: 0}, {Key: "days", Value: 1}, {Key: "first", Value: 1}, {Key: "last", Value: 1}, {Key: "revenue", Value: 1}, {Key: "firstRevenue", Value: 1},
	}
	if upTo > q.Window.Until {
		more, shown = append(more, bson.E{Key: "all", Value: op("$sum", 1)}), append(shown, bson.E{Key: "all", Value: 1})
	}
	stages := c.histories([]metric.Frame{{Window: q.Window}}, []fieldSet{needed}, upTo, more...)
	if upTo > q.Window.Until {
		stages = append(stages, op("$match", doc{{Key: "days", Value: op("$gt", 0)}}))
	}
	chosen, err := c.chosen(q)
	return append(append(stages, chosen...), op("$project", shown)), err
}
