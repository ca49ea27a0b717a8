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
	case contract.Conversion:
		return p.conversion()
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
	if err := checkCumulative(p.c.Metric.Cumulative); err != nil {
		return err
	}
	m := p.c.Metric.Measures[0]
	switch {
	case m.Agg == contract.Min, m.Agg == contract.Max:
		return lacking("metric." + string(m.Agg)) // the smallest and the largest value are one customer's own
	case m.Agg == contract.Median, m.Agg == contract.Percentile, m.Agg == contract.CountDistinct && m.Field != "customer":
		return p.statistic(m)
	case m.Agg == contract.Average:
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
	p.measures = []Measure{{Name: m.Name, Field: m.Field, Filter: has}, {Name: m.Name + "_rows", Filter: has}}
	p.offsets = []*contract.Offset{m.Offset, m.Offset}
	p.value, p.ratio = quotient, true
	return nil
}

func (p *Program) statistic(m contract.Measure) error {
	at := .5
	switch m.Agg {
	case contract.CountDistinct:
		at = 0
	case contract.Percentile:
		if m.Percentile == nil || *m.Percentile <= 0 || *m.Percentile >= 1 {
			return fmt.Errorf("a percentile needs its level, between 0 and 1")
		}
		at = *m.Percentile
	}
	p.entity = m.Entity
	p.order = &Order{Percentile: at, Distinct: m.Agg == contract.CountDistinct}
	p.measures, p.offsets = []Measure{{Name: m.Name, Field: m.Field, Filter: p.filter(m.Filter)}}, []*contract.Offset{m.Offset}
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
		if err := p.checkPeriod(r); err != nil {
			return err
		}
		base = &contract.Condition{Field: newBefore, Op: contract.Eq, Value: true}
	case r.Base == baseCohort:
		base = &contract.Condition{Field: "new", Op: contract.Eq, Value: false}
	case r.Base != basePrevious || r.Days < 0:
		return fmt.Errorf("base %q of %d days", r.Base, r.Days)
	}
	p.entity = contract.Customer
	back := &contract.Condition{All: []contract.Condition{*base, {Field: "active", Op: contract.Eq, Value: true}}}
	p.measures = []Measure{{Name: "returned", Filter: p.filter(back)}, {Name: "base", Filter: p.filter(base)}}
	p.value, p.ratio = quotient, true
	return checkCondition(contract.Customer, p.c.Metric.Filter)
}

// newBefore is a field of a customer's history that definitions cannot name: whether the first purchase of all lies in
// the frame's earlier window.
const newBefore = "new_before"

// conversion lowers to a ratio over customers. The metric's filter selects what they begin with.
func (p *Program) conversion() error {
	c := p.c.Metric.Conversion
	switch {
	case c == nil:
		return fmt.Errorf("a conversion metric needs its base and what counts as converted")
	case c.Days < 0 || c.Days > longest:
		return fmt.Errorf("a conversion within %d days", c.Days)
	}
	for _, m := range []contract.Measure{c.Base, c.Converted} {
		switch {
		case m.Entity != contract.CustomerDay && m.Entity != contract.Answer:
			return fmt.Errorf("a conversion over %s", m.Entity)
		case m.Agg != contract.CountRows || m.Offset != nil:
			return fmt.Errorf("a conversion counts rows, without an offset")
		}
		if err := checkCondition(m.Entity, m.Filter); err != nil {
			return err
		}
	}
	p.entity = c.Base.Entity
	p.convert = &Convert{Base: p.filter(c.Base.Filter), Then: c.Converted.Filter, Into: c.Converted.Entity, Days: c.Days}
	p.measures = []Measure{{Name: "converted"}, {Name: "base"}}
	p.value, p.ratio = quotient, true
	return checkCondition(p.entity, p.c.Metric.Filter)
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
			return lacking("metric.count_distinct") // several of them do not add up over customers: only alone
		}
		low.Field, low.Once = "", true
	default:
		return fmt.Errorf("%s is not additive", m.Agg)
	}
	p.measures, p.offsets = append(p.measures, low), append(p.offsets, m.Offset)
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
