// Package metric computes what operational directives ask for: it lowers a metric's definition to queries of the
// warehouse, turns the moments that come back into a value with its error, and keeps every window measured. It never
// sends anything upward (egress does), and it does not know how the warehouse stores rows.
package metric

import (
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Program is a computation made ready: what to ask of the warehouse for a window, and how to value the answer.
type Program struct {
	c        *contract.Computation
	calendar Calendar
	entity   contract.Entity
	measures []Measure
	value    func(sums []float64) (float64, bool) // false: the denominator is zero
	order    *Order
	ratio    bool
}

// Compile returns the program of a computation, or the reason why the metric cannot be computed here.
func Compile(c *contract.Computation, cal Calendar) (*Program, *contract.Reason) {
	p := &Program{c: c, calendar: cal}
	d := &c.Metric
	if err := d.Check(); err != nil {
		return nil, &contract.Reason{Code: fault.BadDefinition, Item: string(d.ID)}
	}
	var err error
	switch d.Type {
	case contract.Simple, contract.Cumulative:
		err = p.simple()
	case contract.RatioOf:
		err = p.ratioOf()
	case contract.Derived:
		err = p.derived()
	case contract.RetentionOf:
		err = p.retention()
	case contract.ModelOf:
		err = checkModel(d.Model)
	default:
		return nil, &contract.Reason{Code: fault.UnsupportedFeature, Item: "metric." + string(d.Type)}
	}
	if err != nil {
		return nil, &contract.Reason{Code: fault.BadDefinition, Item: string(d.ID)}
	}
	return p, nil
}

// Supported returns nil if the metric can be computed here, else why not.
func Supported(c *contract.Computation) *contract.Reason {
	_, why := Compile(c, Calendar{})
	return why
}

func (p *Program) simple() error {
	if len(p.c.Metric.Measures) != 1 {
		return fmt.Errorf("a simple metric has one measure")
	}
	m := p.c.Metric.Measures[0]
	switch m.Agg {
	case contract.Median, contract.Percentile, contract.Min, contract.Max:
		return p.statistic(m)
	case contract.Average:
		p.entity = m.Entity
		p.measures = []Measure{{m.Name, m.Field, false, p.filter(m.Filter)}, {m.Name + "_rows", "", false, p.filter(m.Filter)}}
		p.value, p.ratio = quotient, true
		return p.check(m)
	}
	p.value = func(s []float64) (float64, bool) { return s[0], true }
	return p.add(m)
}

func (p *Program) statistic(m contract.Measure) error {
	at := map[contract.Aggregation]float64{contract.Median: .5, contract.Min: 0, contract.Max: 1}[m.Agg]
	if m.Agg == contract.Percentile {
		if m.Percentile == nil {
			return fmt.Errorf("a percentile needs its level")
		}
		at = *m.Percentile
	}
	p.entity = m.Entity
	p.order = &Order{Agg: m.Agg, Percentile: at}
	p.measures = []Measure{{m.Name, m.Field, false, p.filter(m.Filter)}}
	return p.check(m)
}

// quotient values a ratio.
func quotient(s []float64) (float64, bool) {
	if s[1] == 0 {
		return 0, false
	}
	return s[0] / s[1], true
}

func (p *Program) ratioOf() error {
	for _, name := range []string{p.c.Metric.Numerator, p.c.Metric.Denominator} {
		m, ok := measure(p.c.Metric.Measures, name)
		if !ok {
			return fmt.Errorf("no measure %s", name)
		}
		if err := p.add(m); err != nil {
			return err
		}
	}
	p.value, p.ratio = quotient, true
	return nil
}

func (p *Program) derived() error {
	env := map[string]any{}
	for _, m := range p.c.Metric.Measures {
		if err := p.add(m); err != nil {
			return err
		}
		env[m.Name] = 0.0
	}
	code, err := expr.Compile(p.c.Metric.Expression, expr.Env(env), expr.AsFloat64(), expr.MaxNodes(200))
	if err != nil {
		return fmt.Errorf("expression: %w", err)
	}
	p.value = func(s []float64) (float64, bool) { return evaluate(code, p.measures, s) }
	return nil
}

func evaluate(code *vm.Program, ms []Measure, sums []float64) (float64, bool) {
	env := make(map[string]any, len(ms))
	for i, m := range ms {
		env[m.Name] = sums[i]
	}
	out, err := expr.Run(code, env)
	v, ok := out.(float64)
	return v, err == nil && ok && finite(v)
}

// retention lowers to a ratio over the customers' histories: of those in the base, how many were active in the window.
func (p *Program) retention() error {
	r := p.c.Metric.Retention
	base := &contract.Condition{Field: "active_before", Op: contract.Eq, Value: true}
	switch {
	case r == nil:
		return fmt.Errorf("a retention metric needs its base")
	case r.Base == "cohort": // everybody first seen before the window
		base = &contract.Condition{Field: "new", Op: contract.Eq, Value: false}
	case r.Base != "previous" || r.Days < 0:
		return fmt.Errorf("base %q of %d days", r.Base, r.Days)
	}
	p.entity = contract.Customer
	back := &contract.Condition{All: []contract.Condition{*base, {Field: "active", Op: contract.Eq, Value: true}}}
	p.measures = []Measure{{"returned", "", false, p.filter(back)}, {"base", "", false, p.filter(base)}}
	p.value, p.ratio = quotient, true
	return nil
}

// add lowers an additive measure of the definition.
func (p *Program) add(m contract.Measure) error {
	if p.entity == "" {
		p.entity = m.Entity
	}
	if p.entity != m.Entity {
		return fmt.Errorf("measures over %s and %s in one metric", p.entity, m.Entity)
	}
	low := Measure{Name: m.Name, Field: m.Field, Filter: p.filter(m.Filter)}
	switch m.Agg {
	case contract.Sum:
	case contract.CountRows:
		low.Field = ""
	case contract.SumBoolean:
		low.Field = ""
		low.Filter = and(low.Filter, &contract.Condition{Field: m.Field, Op: contract.Eq, Value: true})
	case contract.CountDistinct:
		if m.Field != "customer" {
			return fmt.Errorf("count_distinct of %s", m.Field)
		}
		low.Field, low.Once = "", true
	default:
		return fmt.Errorf("%s is not additive", m.Agg)
	}
	p.measures = append(p.measures, low)
	return p.check(m)
}

func (p *Program) check(m contract.Measure) error {
	if m.Field != "" {
		if _, ok := contract.FieldOf(m.Entity, m.Field); !ok {
			return fmt.Errorf("%s has no field %s", m.Entity, m.Field)
		}
	}
	return checkCondition(m.Entity, m.Filter)
}

func checkCondition(e contract.Entity, c *contract.Condition) error {
	if c == nil {
		return nil
	}
	if c.Field != "" {
		if _, ok := contract.FieldOf(e, c.Field); !ok {
			return fmt.Errorf("%s has no field %s", e, c.Field)
		}
	}
	for i := range c.All {
		if err := checkCondition(e, &c.All[i]); err != nil {
			return err
		}
	}
	for i := range c.Any {
		if err := checkCondition(e, &c.Any[i]); err != nil {
			return err
		}
	}
	return checkCondition(e, c.Not)
}

// filter returns a measure's filter together with the metric's.
func (p *Program) filter(c *contract.Condition) *contract.Condition { return and(p.c.Metric.Filter, c) }

func and(a, b *contract.Condition) *contract.Condition {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &contract.Condition{All: []contract.Condition{*a, *b}}
}

func measure(ms []contract.Measure, name string) (contract.Measure, bool) {
	for _, m := range ms {
		if m.Name == name {
			return m, true
		}
	}
	return contract.Measure{}, false
}

// spans returns the span that a window of the grain is measured over, and the one before it.
func (p *Program) spans(w Span) (window, before Span) {
	if r := p.c.Metric.Retention; r != nil && r.Days > 0 {
		from := w.Until.Add(-r.Days)
		return Span{from, w.Until}, Span{from.Add(-r.Days), from}
	}
	return w, p.calendar.Previous(p.c.Grain, w)
}

// Reads returns the days whose rows the measurement of a window rests on; an empty From means all history.
func (p *Program) Reads(w Span) Span {
	window, before := p.spans(w)
	if p.entity == contract.CustomerDay || p.entity == contract.Answer {
		return window
	}
	if p.c.Metric.Retention != nil && p.c.Metric.Dimension == "" {
		return Span{before.From, window.Until}
	}
	return Span{"", window.Until}
}

// query returns what to ask of the warehouse for a window.
func (p *Program) query(w Span, by string) Query {
	window, before := p.spans(w)
	return Query{
		Entity: p.entity, Window: window, Before: before, Measures: p.measures, Scope: p.c.Scope, By: by,
		Spread: p.ratio && p.c.Metric.Unit != contract.Ratio && by == "",
	}
}
