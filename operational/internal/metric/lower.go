package metric

import (
	"fmt"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/vm"

	"github.com/strata-crm/strata/shared/contract"
)

// What a retention metric compares with.
const (
	basePrevious = "previous" // the window before
	baseCohort   = "cohort"   // everybody first seen before the window
)

// maxNodes bounds a derived metric's expression.
const maxNodes = 200

// lower translates the definition by its type.
func (p *Program) lower() error {
	switch d := &p.c.Metric; d.Type {
	case contract.Simple, contract.Cumulative:
		return p.simple()
	case contract.RatioOf:
		return p.ratioOf()
	case contract.Derived:
		return p.derived()
	case contract.RetentionOf:
		return p.retention()
	case contract.ModelOf:
		return checkModel(d.Model)
	default:
		return lacking("metric." + string(d.Type))
	}
}

func (p *Program) simple() error {
	if len(p.c.Metric.Measures) != 1 {
		return fmt.Errorf("a simple metric has one measure")
	}
	m := p.c.Metric.Measures[0]
	switch m.Agg {
	case contract.Min, contract.Max:
		return lacking("metric." + string(m.Agg)) // the smallest and the largest value are one customer's own
	case contract.Median, contract.Percentile:
		return p.statistic(m)
	case contract.Average:
		return p.average(m)
	}
	p.value = func(s []float64) (float64, bool) { return s[0], true }
	return p.add(m)
}

// average lowers to a ratio of two sums over the rows that have the field.
func (p *Program) average(m contract.Measure) error {
	if err := p.check(m); err != nil {
		return err
	}
	p.entity = m.Entity
	has := p.filter(and(m.Filter, &contract.Condition{Field: m.Field, Op: contract.Exists, Value: true}))
	p.measures = []Measure{{m.Name, m.Field, false, has}, {m.Name + "_rows", "", false, has}}
	p.value, p.ratio = quotient, true
	return nil
}

func (p *Program) statistic(m contract.Measure) error {
	at := .5
	if m.Agg == contract.Percentile {
		if m.Percentile == nil || *m.Percentile <= 0 || *m.Percentile >= 1 {
			return fmt.Errorf("a percentile needs its level, between 0 and 1")
		}
		at = *m.Percentile
	}
	p.entity = m.Entity
	p.order = &Order{Percentile: at}
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
	if len(p.c.Metric.Measures) == 0 {
		return fmt.Errorf("a derived metric needs measures")
	}
	env := map[string]any{}
	for _, m := range p.c.Metric.Measures {
		if err := p.add(m); err != nil {
			return err
		}
		env[m.Name] = 0.0
	}
	code, err := expr.Compile(p.c.Metric.Expression, expr.Env(env), expr.AsFloat64(), expr.MaxNodes(maxNodes))
	if err != nil {
		return fmt.Errorf("expression: %w", err)
	}
	p.formula = code.Node()
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
	case r.Period != 0:
		return lacking("metric.retention.period")
	case r.Base == baseCohort:
		base = &contract.Condition{Field: "new", Op: contract.Eq, Value: false}
	case r.Base != basePrevious || r.Days < 0:
		return fmt.Errorf("base %q of %d days", r.Base, r.Days)
	}
	p.entity = contract.Customer
	back := &contract.Condition{All: []contract.Condition{*base, {Field: "active", Op: contract.Eq, Value: true}}}
	p.measures = []Measure{{"returned", "", false, p.filter(back)}, {"base", "", false, p.filter(base)}}
	p.value, p.ratio = quotient, true
	return checkCondition(contract.Customer, p.c.Metric.Filter)
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
