package metric

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// shipped returns the metric definitions that come with Strata, as the functional layer sends them.
func shipped(t *testing.T) []contract.Definition {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "..", "functional", "internal", "metric", "metrics.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := yaml.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	wire, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	var defs []contract.Definition
	if err := json.Unmarshal(wire, &defs); err != nil {
		t.Fatal(err)
	}
	return defs
}

func monthly(d contract.Definition) *contract.Computation {
	return &contract.Computation{Metric: d, Grain: contract.GrainMonth}
}

func TestShippedCompile(t *testing.T) {
	t.Parallel()
	defs := shipped(t)
	if len(defs) < 13 {
		t.Errorf("%d definitions are shipped, want 13 or more", len(defs))
	}
	for _, d := range defs {
		if _, why := Compile(monthly(d), Calendar{time.Monday}); why != nil {
			t.Errorf("%s does not compile: %+v", d.ID, *why)
		}
	}
}

// TestLowering pins what some definitions are lowered to.
func TestLowering(t *testing.T) {
	t.Parallel()
	two := &contract.Condition{Field: "purchase_days", Op: contract.Gte, Value: 2.0}
	before := contract.Condition{Field: "active_before", Op: contract.Eq, Value: true}
	active := contract.Condition{Field: "active", Op: contract.Eq, Value: true}
	for _, d := range shipped(t) {
		want, ok := map[contract.MetricID]Query{
			"active_customers_month": {Entity: contract.CustomerDay, Window: Span{"1997-03-01", "1997-04-01"},
				Measures: []Measure{{Name: "customers", Once: true}}},
			"average_order_value_month": {Entity: contract.CustomerDay, Window: Span{"1997-03-01", "1997-04-01"}, Spread: true,
				Measures: []Measure{{Name: "revenue", Field: "revenue"}, {Name: "orders", Field: "orders"}}},
			"repeat_rate": {Entity: contract.Customer, Window: Span{"1997-03-01", "1997-04-01"},
				Measures: []Measure{{Name: "repeaters", Filter: two}, {Name: "customers"}}},
			"retention_90d": {Entity: contract.Customer, Window: Span{"1997-01-01", "1997-04-01"},
				Measures: []Measure{{Name: "returned", Filter: &contract.Condition{All: []contract.Condition{before, active}}}, {Name: "base", Filter: &before}}},
		}[d.ID]
		if !ok {
			continue
		}
		want.Before = Span{"1997-02-01", "1997-03-01"}
		if d.ID == "retention_90d" {
			want.Before = Span{"1996-10-03", "1997-01-01"}
		}
		p, why := Compile(monthly(d), Calendar{time.Monday})
		if why != nil {
			t.Fatal(why)
		}
		if diff := cmp.Diff(want, p.query(Span{"1997-03-01", "1997-04-01"}, "")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", d.ID, diff)
		}
	}
}

func TestReads(t *testing.T) {
	t.Parallel()
	march := Span{"1997-03-01", "1997-04-01"}
	retention := func(by string, r contract.RetentionSpec) contract.Definition {
		return contract.Definition{ID: "m", Version: "1.0.0", Type: contract.RetentionOf, Unit: contract.Ratio, Retention: &r, Dimension: by}
	}
	revenue := contract.Definition{ID: "m", Version: "1.0.0", Type: contract.Simple, Measures: []contract.Measure{{Name: "r", Agg: contract.Sum, Entity: contract.CustomerDay, Field: "revenue"}}}
	soFar := revenue
	soFar.Type = contract.Cumulative
	scoped := monthly(revenue)
	scoped.Scope = &contract.Condition{Field: "new", Op: contract.Eq, Value: true}
	for name, c := range map[string]struct {
		computation *contract.Computation
		want        []Span
	}{
		"the window's rows alone":                       {monthly(revenue), []Span{march}},
		"everything so far":                             {monthly(soFar), []Span{{"", "1997-04-01"}}},
		"customers by their past":                       {scoped, []Span{{"", "1997-04-01"}}},
		"the window and the one before":                 {monthly(retention("", contract.RetentionSpec{Base: "previous"})), []Span{{"1997-02-01", "1997-04-01"}}},
		"by tenure, every first purchase":               {monthly(retention("tenure", contract.RetentionSpec{Base: "previous"})), []Span{{"", "1997-04-01"}}},
		"everybody first seen before":                   {monthly(retention("", contract.RetentionSpec{Base: "cohort"})), []Span{{"", "1997-04-01"}}},
		"90 days and the 90 before, whatever the grain": {monthly(retention("", contract.RetentionSpec{Base: "previous", Days: 90})), []Span{{"1996-10-03", "1997-04-01"}}},
	} {
		p, why := Compile(c.computation, Calendar{time.Monday})
		if why != nil {
			t.Fatalf("%s: %+v", name, *why)
		}
		if got := p.Reads(march); !slices.Equal(got, c.want) {
			t.Errorf("%s: reads %v, want %v", name, got, c.want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	orders := contract.Measure{Name: "orders", Agg: contract.Sum, Entity: contract.CustomerDay, Field: "orders"}
	simple := func(change func(*contract.Definition, *contract.Measure)) *contract.Computation {
		d := contract.Definition{ID: "m", Version: "1.0.0", Type: contract.Simple, Unit: contract.Count}
		m := orders
		change(&d, &m)
		d.Measures = append([]contract.Measure{m}, d.Measures...)
		return monthly(d)
	}
	filtered := func(c contract.Condition) *contract.Computation {
		return simple(func(_ *contract.Definition, m *contract.Measure) { m.Filter = &c })
	}
	scoped := func(e contract.Entity, field string) *contract.Computation {
		c := simple(func(_ *contract.Definition, m *contract.Measure) { m.Agg, m.Entity = contract.CountRows, e })
		c.Scope = &contract.Condition{Field: field, Op: contract.Eq, Value: true}
		return c
	}
	grainless := simple(func(*contract.Definition, *contract.Measure) {})
	grainless.Grain = "fortnight"
	for name, c := range map[string]struct {
		computation *contract.Computation
		want        contract.Reason
	}{
		"one customer's own value":   {simple(func(_ *contract.Definition, m *contract.Measure) { m.Agg = contract.Max }), contract.Reason{Code: fault.UnsupportedFeature, Item: "metric.max"}},
		"answers by purchases":       {scoped(contract.Answer, "new"), contract.Reason{Code: fault.UnsupportedFeature, Item: "goal.scope"}},
		"two measures":               {simple(func(d *contract.Definition, m *contract.Measure) { d.Measures = append(d.Measures, *m) }), contract.Reason{}},
		"no such field":              {simple(func(_ *contract.Definition, m *contract.Measure) { m.Field = "profit" }), contract.Reason{}},
		"no such entity":             {simple(func(_ *contract.Definition, m *contract.Measure) { m.Entity = "supplier" }), contract.Reason{}},
		"a sum of texts":             {simple(func(_ *contract.Definition, m *contract.Measure) { m.Field = "customer" }), contract.Reason{}},
		"a percentile without level": {simple(func(_ *contract.Definition, m *contract.Measure) { m.Agg = contract.Percentile }), contract.Reason{}},
		"parts of a sum":             {simple(func(d *contract.Definition, _ *contract.Measure) { d.Dimension = "tenure" }), contract.Reason{}},
		"no such grain":              {grainless, contract.Reason{}},
		"no such operator":           {filtered(contract.Condition{Field: "orders", Op: "$where", Value: 1.0}), contract.Reason{}},
		"a number against a text":    {filtered(contract.Condition{Field: "orders", Op: contract.Gt, Value: "many"}), contract.Reason{}},
		"in without a list":          {filtered(contract.Condition{Field: "orders", Op: contract.In, Value: 1.0}), contract.Reason{}},
		"an operator as the value":   {filtered(contract.Condition{Field: "orders", Op: contract.Eq, Value: map[string]any{"$gt": 0}}), contract.Reason{}},
		"an empty condition":         {filtered(contract.Condition{}), contract.Reason{}},
		"two conditions in one":      {filtered(contract.Condition{Field: "orders", Op: contract.Eq, Value: 1.0, Not: &contract.Condition{Field: "units", Op: contract.Eq, Value: 1.0}}), contract.Reason{}},
		"a scope by a path":          {scoped(contract.CustomerDay, "profile.values"), contract.Reason{}},
	} {
		if c.want.Code == "" {
			c.want = contract.Reason{Code: fault.BadDefinition, Item: "m"}
		}
		if got := Supported(c.computation); got == nil || *got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	refusedByTime(t, orders)
	d := contract.Definition{ID: "m", Version: "1.0.0", Type: contract.Derived, Measures: []contract.Measure{orders}, Expression: "orders / secret"}
	if got := Supported(monthly(d)); got == nil || got.Code != fault.BadDefinition {
		t.Errorf("an expression over what it has not: %+v, want bad_definition", got)
	}
}

// refusedByTime checks what may not be asked of offsets, accumulation, cohorts and conversions.
func refusedByTime(t *testing.T, orders contract.Measure) {
	t.Helper()
	moved := func(e contract.Entity, count int, g contract.Grain) contract.Definition {
		m := contract.Measure{Name: "m", Agg: contract.CountRows, Entity: e, Offset: &contract.Offset{Count: count, Grain: g}}
		return contract.Definition{Type: contract.Simple, Measures: []contract.Measure{m}}
	}
	so := func(c contract.CumulativeSpec) contract.Definition {
		return contract.Definition{Type: contract.Cumulative, Measures: []contract.Measure{orders}, Cumulative: &c}
	}
	later := func(r contract.RetentionSpec) contract.Definition {
		return contract.Definition{Type: contract.RetentionOf, Retention: &r}
	}
	converts := func(base contract.Measure, days int) contract.Definition {
		return contract.Definition{Type: contract.Conversion, Conversion: &contract.ConversionSpec{Base: base, Converted: contract.Measure{Agg: contract.CountRows, Entity: contract.Answer}, Days: days}}
	}
	counted := contract.Measure{Agg: contract.CountRows, Entity: contract.CustomerDay}
	for name, d := range map[string]contract.Definition{
		"an earlier profile":            moved(contract.Profile, 1, contract.GrainMonth),
		"a later window":                moved(contract.CustomerDay, -1, contract.GrainMonth),
		"an offset of no grain":         moved(contract.CustomerDay, 1, "moon"),
		"both trailing and to date":     so(contract.CumulativeSpec{Days: 3, ToDate: contract.GrainYear}),
		"to the date of no grain":       so(contract.CumulativeSpec{ToDate: "moon"}),
		"a cohort of the window before": later(contract.RetentionSpec{Base: "previous", Period: 1}),
		"an earlier cohort":             later(contract.RetentionSpec{Base: "cohort", Period: -1}),
		"no conversion":                 {Type: contract.Conversion},
		"conversions of histories":      converts(contract.Measure{Agg: contract.CountRows, Entity: contract.Customer}, 1),
		"conversions of money":          converts(orders, 1),
		"conversions before":            converts(counted, -1),
		"a base by a field of another":  converts(contract.Measure{Agg: contract.CountRows, Entity: contract.Answer, Filter: &contract.Condition{Field: "orders", Op: contract.Gt, Value: 1.0}}, 1),
	} {
		d.ID, d.Version = "m", "1.0.0"
		if got := Supported(monthly(d)); got == nil || got.Code != fault.BadDefinition {
			t.Errorf("%s: %+v, want bad_definition", name, got)
		}
	}
	weekly := monthly(later(contract.RetentionSpec{Base: "cohort", Period: 1}))
	weekly.Metric.ID, weekly.Metric.Version, weekly.Grain = "m", "1.0.0", contract.GrainWeek
	if got := Supported(weekly); got == nil || got.Code != fault.BadDefinition {
		t.Errorf("months in weeks: %+v, want bad_definition", got)
	}
	scoped := monthly(converts(counted, 1))
	scoped.Metric.ID, scoped.Metric.Version, scoped.Scope = "m", "1.0.0", &contract.Condition{Field: "new", Op: contract.Eq, Value: true}
	if got := Supported(scoped); got == nil || got.Code != fault.UnsupportedFeature {
		t.Errorf("answers of customers by their past: %+v, want unsupported_feature", got)
	}
}
