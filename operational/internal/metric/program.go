// Package metric computes what operational directives ask for: it lowers a metric's definition to queries of the
// warehouse, turns the moments that come back into a value with its error, and keeps every window measured. It never
// sends anything upward (egress does), and it does not know how the warehouse stores rows.
package metric

import (
	"errors"
	"slices"

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
	offsets  []*contract.Offset // of the measures; nil where one has none
	convert  *Convert
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
	d := &p.c.Metric
	switch r, c := d.Retention, d.Cumulative; {
	case r != nil && r.Days > 0:
		return trailing(w, r.Days)
	case r != nil && r.Period > 0:
		return w, w.Back(contract.Offset{Count: r.Period, Grain: contract.GrainMonth})
	case d.Type == contract.Cumulative && c != nil && c.Days > 0:
		return trailing(w, c.Days)
	case d.Type == contract.Cumulative && c != nil && c.ToDate != "":
		whole := p.calendar.Of(c.ToDate, w.Until.Add(-1))
		return Span{whole.From, w.Until}, p.calendar.Previous(c.ToDate, whole)
	case d.Type == contract.Cumulative && p.byRow():
		return Span{"", w.Until}, Span{}
	}
	return w, p.calendar.Previous(p.c.Grain, w)
}

// Over returns the span that the value of a window is over: of a trailing metric its own days, whatever the window. An empty From means
// all history.
func (p *Program) Over(w Span) Span {
	over, _ := p.spans(w)
	return over
}

// trailing returns the last days of a window, however long it is, and as many before them.
func trailing(w Span, days int) (window, before Span) {
	from := w.Until.Add(-days)
	return Span{from, w.Until}, Span{from.Add(-days), from}
}

// byRow reports whether the metric's rows each belong to a day, so that it needs no more than the window's.
func (p *Program) byRow() bool {
	return p.entity == contract.CustomerDay || p.entity == contract.Answer
}

// Reads returns the days whose rows the measurement of a window rests on; an empty From means all history.
func (p *Program) Reads(w Span) []Span {
	q := p.query(w, "")
	r := p.c.Metric.Retention
	history := Past(p.c.Scope) || !p.byRow() || slices.Contains(histories, p.c.Metric.Dimension)
	switch {
	case r != nil && r.Base == basePrevious && !Past(p.c.Scope) && p.c.Metric.Dimension == "":
		return []Span{{q.Before.From, q.Window.Until}}
	case history:
		return []Span{{"", p.Complete(w)}}
	case p.convert != nil:
		return []Span{{q.Window.From, p.Complete(w)}}
	}
	return q.Spans()
}

// Complete returns the day until which data must be complete for the window to be closed: conversions may come later.
func (p *Program) Complete(w Span) contract.Day {
	if p.convert != nil {
		return w.Until.Add(p.convert.Days)
	}
	return w.Until
}

// query returns what to ask of the warehouse for a window.
func (p *Program) query(w Span, by string) Query {
	window, before := p.spans(w)
	return Query{
		Entity: p.entity, Window: window, Before: before, Measures: p.framed(Frame{window, before}), Convert: p.convert, Scope: p.c.Scope, By: by,
		Spread: p.mean() && by == "",
	}
}

// framed returns the measures, each with the frame that its offset moves the window's to.
func (p *Program) framed(f Frame) []Measure {
	out := slices.Clone(p.measures)
	for i, o := range p.offsets {
		if o != nil {
			out[i].Earlier = &Frame{f.Window.Back(*o), f.Before.Back(*o)}
		}
	}
	return out
}
