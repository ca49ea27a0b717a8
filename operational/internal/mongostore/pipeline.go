package mongostore

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// This file compiles queries to aggregation pipelines: first one document per customer with what each measure gets from
// them, then the customers in scope, then the sums.

// compiler compiles for a tenant. linked says that some identities are linked to others: then rows are mapped to persons
// before anything is grouped. Where there are no links, no stage is spent on them.
type compiler struct {
	tenant contract.TenantID
	linked bool
	few    []string // the linked identities, unless they are too many to be named
}

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

// moments returns the pipeline of a query.
func (c compiler) moments(q metric.Query) ([]stage, error) {
	stages, err := c.contributions(q)
	if err != nil {
		return nil, err
	}
	chosen, err := c.chosen(q)
	return append(append(stages, chosen...), sums(q)...), err
}

func (c compiler) contributions(q metric.Query) ([]stage, error) {
	if q.Convert != nil {
		return c.conversions(q)
	}
	switch q.Entity {
	case contract.Customer:
		return c.perCustomer(q)
	case contract.Profile:
		return c.perProfile(q)
	case contract.CustomerDay, contract.Answer:
		return c.perRow(q)
	}
	return nil, fault.New(fault.Invalid, fault.BadDefinition, "%q is not an entity", q.Entity)
}

func z(i int) string { return fmt.Sprintf("z%d", i) }

// contribution compiles one measure over the document at hand: its field where that is a number, or 1, where the filter
// holds, else 0.
func contribution(m metric.Measure, e contract.Entity, at resolver) (any, error) {
	var value any = 1
	if m.Field != "" {
		p, err := at(m.Field)
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
	test, err := condition(m.Filter, at)
	return cond(test, value, 0), err
}

// perRow is the first stages for entities whose rows belong to a day: each customer's contributions, summed. Where the
// past is needed, the customers' whole histories are read, and only the rows of the measures' windows contribute.
func (c compiler) perRow(q metric.Query) ([]stage, error) {
	past, days := needsPast(q), q.Spans()
	group := doc{}
	for i := range q.Measures {
		m := &q.Measures[i]
		v, err := contribution(*m, q.Entity, of(q.Entity))
		if err != nil {
			return nil, err
		}
		if in := q.Frame(m).Window; past || len(days) > 1 || days[0] != in {
			v = cond(inSpan(in), v, 0)
		}
		sum := "$sum"
		if m.Once {
			sum = "$max"
		}
		group = append(group, bson.E{Key: z(i), Value: op(sum, v)})
	}
	if past {
		return c.history(q, q.Window.Until, group...), nil
	}
	return append(c.rows(q.Entity, days), op("$group", append(doc{{Key: "_id", Value: "$customer"}}, group...))), nil
}

// rows reads an entity's rows of some days.
func (c compiler) rows(e contract.Entity, days []metric.Span) []stage {
	match := doc{{Key: "tenant", Value: c.tenant}}
	if len(days) == 1 {
		match = append(match, bson.E{Key: "day", Value: between(days[0].From, days[0].Until)})
	} else {
		var any bson.A
		for _, s := range days {
			any = append(any, op("day", between(s.From, s.Until)))
		}
		match = append(match, bson.E{Key: "$or", Value: any})
	}
	if e == contract.Answer {
		match = append(match, bson.E{Key: "kind", Value: fact.Answer})
	}
	return c.persons(e, match)
}

func (c compiler) perCustomer(q metric.Query) ([]stage, error) {
	frames, set := q.Frames(), doc{}
	for i := range q.Measures {
		m := &q.Measures[i]
		n := frameOf(frames, q.Frame(m))
		v, err := contribution(*m, q.Entity, ofHistory(n))
		if err != nil {
			return nil, err
		}
		if n > 0 { // whoever bought only later has no history there
			v = cond(op("$lt", list("$first", literal(frames[n].Window.Until))), v, 0)
		}
		set = append(set, bson.E{Key: z(i), Value: v})
	}
	return append(c.history(q, q.Window.Until), op("$set", set)), nil
}

func (c compiler) perProfile(q metric.Query) ([]stage, error) {
	set := doc{}
	for i := range q.Measures {
		v, err := contribution(q.Measures[i], q.Entity, of(q.Entity))
		if err != nil {
			return nil, err
		}
		set = append(set, bson.E{Key: z(i), Value: v})
	}
	return append(c.profiles(q), op("$set", set)), nil
}

// sums is the last stages: sums and products of the contributions over customers, by key.
func sums(q metric.Query) []stage {
	some := func(i int) any { return op("$sum", cond(op("$ne", list(field(z(i)), 0)), 1, 0)) }
	group := doc{{Key: "_id", Value: nil}, {Key: "n", Value: some(len(q.Measures) - 1)}, {Key: "having", Value: some(0)}}
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

// percentiles is of rank ⌈p n⌉ in the local store. MongoDB has only this method and estimates by t-digest, close enough
// for what accompanies a mean; the value of a percentile metric is exact, see ordered.
func percentiles(of any, at ...any) doc {
	return op("$percentile", doc{{Key: "input", Value: of}, {Key: "p", Value: list(at...)}, {Key: "method", Value: "approximate"}})
}
