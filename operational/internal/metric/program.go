// Package metric computes what operational directives ask for: it lowers a metric's definition to queries of the
// warehouse, turns the moments that come back into a value with its error, and keeps every window measured. It never
// sends anything upward (egress does), and it does not know how the warehouse stores rows.
package metric

import (
	"errors"

	"github.com/expr-lang/expr/ast"

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
	formula  ast.Node                             // of a derived metric
	order    *Order
	ratio    bool
}

// lacking is why a well-formed definition cannot be computed here: a feature that this release does not have.
type lacking string

func (l lacking) Error() string { return string(l) }

// Compile returns the program of a computation, or the reason why the metric cannot be computed here. A program that it
// returns asks only for fields, operators and dimensions that exist, so that what is wrong is answered when a directive
// arrives and not found out window by window.
func Compile(c *contract.Computation, cal Calendar) (*Program, *contract.Reason) {
	p := &Program{c: c, calendar: cal}
	err := p.compile()
	var l lacking
	switch {
	case err == nil:
		return p, nil
	case errors.As(err, &l):
		return nil, &contract.Reason{Code: fault.UnsupportedFeature, Item: string(l)}
	}
	return nil, &contract.Reason{Code: fault.BadDefinition, Item: string(c.Metric.ID)}
}

// Supported returns nil if the metric can be computed here, else why not.
func Supported(c *contract.Computation) *contract.Reason {
	_, why := Compile(c, Calendar{})
	return why
}

func (p *Program) compile() error {
	if err := p.c.Metric.Check(); err != nil {
		return err
	}
	if err := checkGrain(p.c.Grain); err != nil {
		return err
	}
	if err := p.lower(); err != nil {
		return err
	}
	if err := p.checkDimension(); err != nil {
		return err
	}
	return p.checkScope()
}

// spans returns the span that a window of the grain is measured over, and the one before it.
func (p *Program) spans(w Span) (window, before Span) {
	r := p.c.Metric.Retention
	switch {
	case r != nil && r.Days > 0:
		from := w.Until.Add(-r.Days)
		return Span{from, w.Until}, Span{from.Add(-r.Days), from}
	case p.c.Metric.Type == contract.Cumulative && p.byRow():
		return Span{"", w.Until}, Span{}
	}
	return w, p.calendar.Previous(p.c.Grain, w)
}

// byRow reports whether the metric's rows each belong to a day, so that it needs no more than the window's.
func (p *Program) byRow() bool {
	return p.entity == contract.CustomerDay || p.entity == contract.Answer
}

// Reads returns the days whose rows the measurement of a window rests on; an empty From means all history.
func (p *Program) Reads(w Span) Span {
	window, before := p.spans(w)
	r := p.c.Metric.Retention
	switch {
	case Past(p.c.Scope):
	case p.byRow():
		return window
	case r != nil && r.Base == basePrevious && p.c.Metric.Dimension == "":
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
