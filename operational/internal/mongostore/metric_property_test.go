package mongostore

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

const firstOfAll = contract.Day("1997-01-01")

// drawWorld draws some customers' days, answers and profiles, and stores them under a tenant of their own.
func drawWorld(t *rapid.T, db *mongodb.DB, own contract.TenantID, linked bool) oracle {
	o := oracle{profiles: map[string]row{}}
	seen := map[string]bool{}
	for range rapid.IntRange(0, 40).Draw(t, "rows") {
		customer, day := drawCustomer(t), drawDay(t)
		if seen[customer+string(day)] {
			continue
		}
		seen[customer+string(day)] = true
		orders := rapid.Int64Range(1, 3).Draw(t, "orders")
		o.days = append(o.days, dayDoc{ID: id(own, customer, string(day)), V: version, Tenant: own, Customer: identity.Key(customer), Day: day,
			Orders: orders, Revenue: rapid.Int64Range(0, 9999).Draw(t, "revenue"), Units: rapid.Int64Range(0, 9).Draw(t, "units"),
			Zero: rapid.Int64Range(0, orders).Draw(t, "zero"), Identical: rapid.Int64Range(0, 1).Draw(t, "identical"), WithAmount: orders, WithItems: orders - 1})
	}
	facts := []factDoc{{ID: id(own, "shop", "noise"), Tenant: own, Customer: "c1", Day: "1997-02-10", Kind: fact.Order}}
	for i := range rapid.IntRange(0, 12).Draw(t, "answers") {
		a := answerDoc(fmt.Sprint(i), drawCustomer(t), drawDay(t), float64(rapid.IntRange(0, 10).Draw(t, "score")))
		a.ID, a.Tenant = id(own, "survey", a.Event), own
		o.answers = append(o.answers, a)
	}
	var profiles []profileDoc
	for i := range 8 {
		if rapid.Bool().Draw(t, "known") {
			customer := fmt.Sprintf("c%d", i)
			o.profiles[customer] = drawProfile(t)
			var values bson.D
			for _, name := range sorted(o.profiles[customer]) {
				values = append(values, bson.E{Key: name, Value: o.profiles[customer][name]})
			}
			p := profileOf(customer, values)
			p.ID, p.Tenant = id(own, customer), own
			for j, v := range p.Values { // each profile is of another time, so that one value is the latest
				origin := v.Value.(originDoc)
				origin.At = time.Unix(int64(97*(i*5%8)), 0).UTC()
				p.Values[j].Value = origin
			}
			profiles = append(profiles, p)
		}
	}
	save(t, db, rowsCollection, o.days)
	save(t, db, factsCollection, append(facts, o.answers...))
	save(t, db, profilesCollection, profiles)
	if !linked {
		return o
	}
	return o.linked(drawLinks(t, db, own))
}

// drawLinks draws which identities are the same person.
func drawLinks(t *rapid.T, db *mongodb.DB, own contract.TenantID) metric.Persons {
	var links []identity.Link
	var docs []linkDoc
	seen := map[string]bool{}
	for range rapid.SampledFrom([]int{0, 1, 3, 6}).Draw(t, "links") {
		l := identity.Link{A: identity.Key(drawCustomer(t)), B: identity.Key(drawCustomer(t))}
		if l.A >= l.B || seen[l.ID()] {
			continue
		}
		seen[l.ID()] = true
		links = append(links, l)
		docs = append(docs, linkDoc{ID: id(own, l.ID()), V: version, Tenant: own, A: l.A, B: l.B})
	}
	save(t, db, linksCollection, docs)
	return metric.PersonsOf(links)
}

// linked returns the world in which every person has one identity.
func (o oracle) linked(persons metric.Persons) oracle {
	of := func(k identity.Key) identity.Key {
		smallest := k
		for other, person := range persons {
			if p, ok := persons[k]; ok && p == person && other < smallest {
				smallest = other
			}
		}
		return smallest
	}
	out, at := oracle{profiles: map[string]row{}}, map[string]int{}
	for _, d := range o.days {
		d.Customer = of(d.Customer)
		if i := slices.IndexFunc(out.days, func(e dayDoc) bool { return e.Customer == d.Customer && e.Day == d.Day }); i >= 0 {
			e := &out.days[i]
			e.Orders, e.Revenue, e.Units, e.Zero, e.Identical = e.Orders+d.Orders, e.Revenue+d.Revenue, e.Units+d.Units, e.Zero+d.Zero, e.Identical+d.Identical
			e.WithAmount, e.WithItems = e.WithAmount+d.WithAmount, e.WithItems+d.WithItems
		} else {
			out.days = append(out.days, d)
		}
	}
	for _, a := range o.answers {
		a.Customer = of(a.Customer)
		out.answers = append(out.answers, a)
	}
	for _, c := range sorted(o.profiles) {
		person, when := string(of(identity.Key(c))), int(c[1]-'0')*5%8
		if out.profiles[person] == nil {
			out.profiles[person] = row{}
		}
		for name, v := range o.profiles[c] {
			if last, ok := at[person+name]; !ok || when > last {
				out.profiles[person][name], at[person+name] = v, when
			}
		}
	}
	return out
}

func save[T any](t *rapid.T, db *mongodb.DB, collection string, docs []T) {
	if len(docs) == 0 {
		return
	}
	if _, err := db.Collection(collection).InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
}

func drawCustomer(t *rapid.T) string {
	return fmt.Sprintf("c%d", rapid.IntRange(0, 9).Draw(t, "customer"))
}
func drawDay(t *rapid.T) contract.Day {
	return firstOfAll.Add(rapid.IntRange(0, 130).Draw(t, "day"))
}

func drawProfile(t *rapid.T) row {
	r := row{}
	if rapid.Bool().Draw(t, "has segment") {
		r["segment"] = rapid.SampledFrom([]string{"a", "b", "$where"}).Draw(t, "segment")
	}
	if rapid.Bool().Draw(t, "has age") {
		r["age"] = rapid.SampledFrom([]any{int64(20), int64(40), 41.5, "unknown"}).Draw(t, "age")
	}
	if rapid.Bool().Draw(t, "has vip") {
		r["vip"] = rapid.Bool().Draw(t, "vip")
	}
	return r
}

// Fields that conditions and measures may name, with values to compare them with.
var comparable = map[contract.Entity]map[string][]any{
	contract.CustomerDay: {"orders": {1.0, 2.0}, "revenue": {5000.0}, "units": {4.0}, "zero_orders": {0.0, 1.0}, "customer": {"c1", "c2"}},
	contract.Customer: {"orders": {2.0, 4.0}, "purchase_days": {1.0, 2.0}, "revenue": {9000.0}, "units": {9.0}, "customer": {"c1"},
		"new": {true, false}, "active": {true, false}, "active_before": {true, false}},
	contract.Answer:  {"score": {6.0, 9.0}, "customer": {"c3"}},
	contract.Profile: {"age": {30.0, 41.0, "unknown"}, "segment": {"a", "$where"}, "vip": {true}},
}

func drawCondition(t *rapid.T, depth int, of ...contract.Entity) *contract.Condition {
	if depth > 0 && rapid.IntRange(0, 2).Draw(t, "form") == 0 {
		a, b := drawCondition(t, depth-1, of...), drawCondition(t, depth-1, of...)
		return rapid.SampledFrom([]*contract.Condition{{All: []contract.Condition{*a, *b}}, {Any: []contract.Condition{*a, *b}}, {Not: a}}).Draw(t, "tree")
	}
	e := rapid.SampledFrom(of).Draw(t, "entity of field")
	name := rapid.SampledFrom(sorted(comparable[e])).Draw(t, "field")
	values := comparable[e][name]
	op := rapid.SampledFrom([]contract.Operator{contract.Eq, contract.Ne, contract.Gt, contract.Gte, contract.Lt, contract.Lte, contract.In, contract.Exists}).Draw(t, "op")
	c := &contract.Condition{Field: name, Op: op, Value: rapid.SampledFrom(values).Draw(t, "value")}
	switch op {
	case contract.In:
		c.Value = values
	case contract.Exists:
		c.Value = rapid.Bool().Draw(t, "exists")
	}
	return c
}

func drawMeasure(t *rapid.T, name string, e contract.Entity) contract.Measure {
	m := contract.Measure{Name: name, Entity: e, Agg: rapid.SampledFrom([]contract.Aggregation{contract.CountRows, contract.Sum, contract.CountDistinct, contract.SumBoolean}).Draw(t, "agg")}
	numbers := map[contract.Entity][]string{contract.CustomerDay: {"orders", "revenue", "units", "zero_orders"}, contract.Customer: {"orders", "purchase_days", "revenue", "units"},
		contract.Answer: {"score"}, contract.Profile: {"age"}}
	switch {
	case m.Agg == contract.SumBoolean && e == contract.Customer:
		m.Field = rapid.SampledFrom([]string{"new", "active", "active_before"}).Draw(t, "boolean")
	case m.Agg == contract.SumBoolean && e == contract.Profile:
		m.Field = "vip"
	case m.Agg == contract.CountDistinct && e != contract.Profile:
		m.Field = "customer"
	case m.Agg == contract.CountDistinct: // of a profile, only alone
		m.Agg, m.Field = contract.Sum, "age"
	default:
		m.Agg, m.Field = contract.Sum, rapid.SampledFrom(numbers[e]).Draw(t, "number")
	}
	if rapid.Bool().Draw(t, "filtered") {
		m.Filter = drawCondition(t, 1, e)
	}
	if e != contract.Profile && rapid.IntRange(0, 2).Draw(t, "moved") == 0 {
		m.Offset = &contract.Offset{Count: rapid.IntRange(1, 3).Draw(t, "back"), Grain: drawGrain(t)}
	}
	return m
}

func drawGrain(t *rapid.T) contract.Grain {
	return rapid.SampledFrom([]contract.Grain{contract.GrainDay, contract.GrainWeek, contract.GrainMonth, contract.GrainQuarter}).Draw(t, "grain")
}

func drawCumulative(t *rapid.T) *contract.CumulativeSpec {
	return rapid.SampledFrom([]*contract.CumulativeSpec{nil, {}, {Days: 45}, {ToDate: contract.GrainQuarter}, {ToDate: contract.GrainMonth}}).Draw(t, "cumulative")
}

func drawConversion(t *rapid.T) *contract.ConversionSpec {
	measure := func(what string) contract.Measure {
		e := rapid.SampledFrom([]contract.Entity{contract.CustomerDay, contract.CustomerDay, contract.Answer}).Draw(t, what)
		m := contract.Measure{Name: what, Agg: contract.CountRows, Entity: e}
		if rapid.Bool().Draw(t, what+" filtered") {
			m.Filter = drawCondition(t, 1, e)
		}
		return m
	}
	return &contract.ConversionSpec{Base: measure("base"), Converted: measure("converted"), Days: rapid.IntRange(0, 40).Draw(t, "days")}
}

// drawComputation draws a metric that compiles.
func drawComputation(t *rapid.T) contract.Computation {
	e := rapid.SampledFrom([]contract.Entity{contract.CustomerDay, contract.CustomerDay, contract.Customer, contract.Customer, contract.Answer, contract.Profile}).Draw(t, "entity")
	d := contract.Definition{ID: "drawn", Version: "1.0.0", Unit: contract.Count}
	a, b := drawMeasure(t, "a", e), drawMeasure(t, "b", e)
	c := contract.Computation{Grain: drawGrain(t)}
	switch d.Type = rapid.SampledFrom([]contract.MetricType{contract.Simple, contract.Cumulative, contract.RatioOf, contract.Derived, contract.RetentionOf, contract.Conversion}).Draw(t, "type"); d.Type {
	case contract.Simple:
		d.Measures = []contract.Measure{drawSingle(t, a)}
	case contract.Cumulative:
		d.Measures, d.Cumulative = []contract.Measure{drawSingle(t, a)}, drawCumulative(t)
	case contract.RatioOf:
		d.Measures, d.Numerator, d.Denominator = []contract.Measure{a, b}, "a", "b"
	case contract.Derived:
		d.Measures = []contract.Measure{a, b, drawMeasure(t, "c", e)}
		d.Expression = rapid.SampledFrom([]string{"100 * (a - b) / (c + 1)", "100 * (a - b) / c", "a * b - c"}).Draw(t, "expression")
	case contract.RetentionOf:
		e, d.Unit, d.Retention = contract.Customer, contract.Ratio, drawRetention(t, c.Grain)
	case contract.Conversion:
		d.Conversion, d.Unit = drawConversion(t), contract.Ratio
		e = d.Conversion.Base.Entity
	}
	if rapid.IntRange(0, 3).Draw(t, "filtered as a whole") == 0 {
		d.Filter = drawCondition(t, 1, e)
	}
	c.Metric = d
	drawParts(t, &c, e)
	past := e == contract.CustomerDay || e == contract.Customer
	if d.Conversion != nil {
		past = past && d.Conversion.Converted.Entity == contract.CustomerDay
	}
	switch {
	case !rapid.Bool().Draw(t, "scoped"):
	case past:
		c.Scope = drawCondition(t, 1, contract.Profile, contract.Customer)
	default:
		c.Scope = drawCondition(t, 1, contract.Profile)
	}
	return c
}

func drawRetention(t *rapid.T, g contract.Grain) *contract.RetentionSpec {
	if months := map[contract.Grain]int{contract.GrainMonth: 1, contract.GrainQuarter: 3}[g]; months > 0 && rapid.Bool().Draw(t, "later") {
		return &contract.RetentionSpec{Base: "cohort", Period: months * rapid.IntRange(1, 2).Draw(t, "period")}
	}
	return &contract.RetentionSpec{Base: rapid.SampledFrom([]string{"previous", "cohort"}).Draw(t, "base"), Days: rapid.SampledFrom([]int{0, 20}).Draw(t, "days")}
}

// drawParts draws a dimension that the metric may have.
func drawParts(t *rapid.T, c *contract.Computation, e contract.Entity) {
	if !rapid.Bool().Draw(t, "by") {
		return
	}
	plain := *c
	c.Metric.Unit = rapid.SampledFrom([]contract.Unit{contract.Ratio, contract.Count}).Draw(t, "unit") // a mean has a spread beside its parts
	c.Metric.Dimension = rapid.SampledFrom([]string{metric.ByTenure, metric.ByCohort, metric.ByBuyerKind, "segment", "age", "vip"}).Draw(t, "dimension")
	if metric.Supported(c) != nil { // its parts would not add up
		*c = plain
	}
}

// drawSingle makes of a measure one that a simple metric may have alone.
func drawSingle(t *rapid.T, m contract.Measure) contract.Measure {
	if m.Agg == contract.CountDistinct {
		m.Field = rapid.SampledFrom(sorted(comparable[m.Entity])).Draw(t, "distinct")
	}
	if m.Agg != contract.Sum {
		return m
	}
	m.Agg = rapid.SampledFrom([]contract.Aggregation{contract.Sum, contract.Average, contract.Median, contract.Percentile, contract.CountDistinct}).Draw(t, "single")
	if m.Agg == contract.Percentile {
		at := rapid.SampledFrom([]float64{.1, .5, .9}).Draw(t, "percentile")
		m.Percentile = &at
	}
	return m
}

// TestAgainstOracle: pipelines give what looking at every row gives, whatever was drawn.
func TestAgainstOracle(t *testing.T) {
	t.Parallel()
	plain, linked := mongotest.Open(t, CollectIndexes()...), mongotest.Open(t, CollectIndexes()...)
	var run atomic.Int64
	exact := gocmp.Options{cmpopts.EquateApprox(0, 1e-9), cmpopts.EquateEmpty()}
	rapid.Check(t, func(t *rapid.T) {
		own := contract.TenantID(fmt.Sprintf("t%d", run.Add(1)))
		db := rapid.SampledFrom([]*mongodb.DB{plain, linked}).Draw(t, "database")
		o, s := drawWorld(t, db, own, db == linked), NewMetrics(own, db)
		s.few = rapid.SampledFrom([]int{0, 3, fewLinked}).Draw(t, "few")
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		cal := metric.Calendar{WeekStart: time.Weekday(rapid.IntRange(0, 6).Draw(t, "week start"))}
		for range 6 {
			c := drawComputation(t)
			p, why := metric.Compile(&c, cal)
			if why != nil {
				t.Fatalf("%+v does not compile: %+v", c, why)
			}
			at := cal.Of(c.Grain, drawDay(t))
			want, err := p.Measure(t.Context(), o, at, btyd.Gates{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			got, err := p.Measure(t.Context(), s, at, btyd.Gates{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			if d := gocmp.Diff(want, got, exact); d != "" {
				t.Fatalf("%+v over %+v (-oracle +pipeline):\n%s", c, at, d)
			}
			sumsToTheSame(t, p, o.subjects(t), at, got, exact)
			sameHistories(t, o, s, at, exact)
		}
	})
}

func sameHistories(t *rapid.T, o oracle, s *Metrics, at metric.Span, exact gocmp.Option) {
	var scope *contract.Condition
	if rapid.Bool().Draw(t, "models scoped") {
		scope = drawCondition(t, 1, contract.Profile, contract.Customer)
	}
	want, _ := o.Summaries(t.Context(), at, scope)
	got, err := s.Summaries(t.Context(), at, scope)
	if err != nil {
		t.Fatal(err)
	}
	order := func(a, b btyd.Summary) int {
		return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.Tx, b.Tx), cmp.Compare(a.T, b.T), cmp.Compare(a.Spend, b.Spend))
	}
	slices.SortFunc(want, order)
	slices.SortFunc(got, order)
	if d := gocmp.Diff(want, got, exact); d != "" {
		t.Fatalf("summaries in scope %+v of %+v (-oracle +pipeline):\n%s", scope, at, d)
	}
	wantQ, _ := o.Quality(t.Context(), at)
	gotQ, err := s.Quality(t.Context(), at)
	if err != nil || wantQ != gotQ {
		t.Fatalf("quality of %+v is %+v, %v; want %+v", at, gotQ, err, wantQ)
	}
	wantDay, _ := o.FirstDay(t.Context())
	if gotDay, err := s.FirstDay(t.Context()); err != nil || wantDay != "" && gotDay != wantDay {
		t.Fatalf("the first day is %s, %v; want %s", gotDay, err, wantDay)
	}
}
