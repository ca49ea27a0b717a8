package metric

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// SmallestGroup is the fewest customers that anything that goes up may tell about; a directive may ask for more.
const SmallestGroup = 10

// Measure computes the metric for a window, from one snapshot of the warehouse. group is the fewest customers that a
// breakdown may name.
func (p *Program) Measure(ctx context.Context, w Warehouse, at Span, gates btyd.Gates, group int64) (Result, error) {
	switch {
	case p.c.Metric.Model != nil:
		customers, err := w.Summaries(ctx, at, p.c.Scope)
		if err != nil {
			return Result{}, fmt.Errorf("summaries for %s: %w", p.c.Metric.ID, err)
		}
		return p.modelled(customers, gates, group)
	case p.order != nil:
		return p.statisticOf(ctx, w, at, group)
	}
	return p.momentary(ctx, w, at, group)
}

// momentary values the moments. A breakdown adds up to the whole, so that one query answers both.
func (p *Program) momentary(ctx context.Context, w Warehouse, at Span, group int64) (Result, error) {
	q := p.query(at, p.c.Metric.Dimension)
	groups, err := w.Moments(ctx, q)
	if err != nil {
		return Result{}, fmt.Errorf("moments for %s: %w", p.c.Metric.ID, err)
	}
	whole := total(groups, len(p.measures))
	if q.By != "" && p.mean() {
		if err := p.spread(ctx, w, at, &whole); err != nil {
			return Result{}, err
		}
	}
	r := p.valued(whole)
	r.coarsen(group)
	if q.By != "" && r.Value != nil {
		r.Parts = p.parts(groups, group)
	}
	return r, nil
}

// mean reports whether the value is a mean, which median and percentile accompany, and no share.
func (p *Program) mean() bool { return p.ratio && p.c.Metric.Unit != contract.Ratio }

// spread sets the median and the percentile of a whole that came in groups, from which they cannot be told. It leaves them out where facts
// have come in between, since they would be of other customers than the rest; the next measurement has them.
func (p *Program) spread(ctx context.Context, w Warehouse, at Span, whole *Group) error {
	again, err := w.Moments(ctx, p.query(at, ""))
	if err != nil {
		return fmt.Errorf("spread for %s: %w", p.c.Metric.ID, err)
	}
	if len(again) == 1 && again[0].N == whole.N && slices.EqualFunc(again[0].Sums, whole.Sums, alike) {
		whole.Median, whole.P90 = again[0].Median, again[0].P90
	}
	return nil
}

// alike reports whether two sums are of the same numbers, added up in whatever order.
func alike(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// total adds groups up. Only a single group keeps its median and percentile.
func total(groups []Group, measures int) Group {
	if len(groups) == 1 {
		return groups[0]
	}
	t := Group{Sums: make([]float64, measures), Products: make([][]float64, measures)}
	for i := range t.Products {
		t.Products[i] = make([]float64, measures)
	}
	for _, g := range groups {
		t.N, t.Having = t.N+g.N, t.Having+g.Having
		for i := range t.Sums {
			t.Sums[i] += g.Sums[i]
			for j := range t.Sums {
				t.Products[i][j] += g.Products[i][j]
			}
		}
	}
	return t
}

func (p *Program) statisticOf(ctx context.Context, w Warehouse, at Span, group int64) (Result, error) {
	o := *p.order
	o.Query = p.query(at, "")
	s, err := w.Order(ctx, o)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", p.c.Metric.ID, err)
	}
	r := Result{Value: s.Value, N: s.Customers, Smallest: s.Customers}
	if s.Value == nil {
		return Result{Reason: &contract.Reason{Code: fault.NoData, Item: string(p.c.Metric.ID)}}, nil
	}
	if o.Distinct {
		r.counted(s, group)
		return r, nil
	}
	if tail := beyond(s.Customers, o.Percentile); tail < r.Smallest {
		r.Smallest = max(1, tail) // whoever lies beyond is told about, too
	}
	r.between(s, o.Percentile, group)
	return r, nil
}

// beyond returns how many of n customers lie on the smaller side of a percentile.
func beyond(n int64, at float64) int64 { return int64(min(at, 1-at)*float64(n) + 1e-9) }

// coarsen takes away a median or percentile beyond which fewer customers lie than a group must have.
func (r *Result) coarsen(group int64) {
	if beyond(r.N, .5) < group {
		r.Median = nil
	}
	if beyond(r.N, .9) < group {
		r.P90 = nil
	}
}

// measurement dresses a result as a measurement; the revision is egress's to set.
func (p *Program) measurement(t contract.TenantID, o *contract.OperationalDirective, at Span, zone *time.Location, r Result, q contract.Quality) contract.Measurement {
	d := &p.c.Metric
	m := contract.Measurement{
		Directive: o.ID, DirectiveRevision: o.Revision, Strategic: o.Strategic, Goal: o.Goal, Metric: d.ID, Version: d.Version,
		Scope: p.c.Scope, Grain: p.c.Grain, Window: at.Window(zone), Value: r.Value, Reason: r.Reason, Unit: d.Unit, N: r.N,
		Numerator: r.Numerator, Denominator: r.Denominator, StdErr: r.StdErr, Low: r.Low, High: r.High, Median: r.Median, P90: r.P90,
		Parts: r.Parts, Model: r.Model, Quality: q,
	}
	m.ID = contract.MeasurementIdentity(t, o.ID, d.ID, d.Major(), p.c.Scope, p.c.Grain, m.Window.Start)
	if d.Unit == contract.Money {
		m.Currency = o.Currency
	}
	return m
}

// orders counts the orders on which the measurement of a window rests, and what is odd about them: those of 90 days or of the
// year so far where the metric is over so much, whatever the window.
func (p *Program) orders(ctx context.Context, w Warehouse, at Span) (Quality, error) {
	var sum Quality
	for _, s := range p.Reads(at) {
		q, err := w.Quality(ctx, s)
		if err != nil {
			return Quality{}, err
		}
		sum.Orders, sum.WithAmount, sum.WithItems = sum.Orders+q.Orders, sum.WithAmount+q.WithAmount, sum.WithItems+q.WithItems
		sum.ZeroAmount, sum.Identical = sum.ZeroAmount+q.ZeroAmount, sum.Identical+q.Identical
	}
	return sum, nil
}

// reads returns the parameters of the metric whose values it takes from profiles or answers: what is known of a share of the customers.
// Whether somebody answered after something else is what a conversion tells, and no lack of data.
func (p *Program) reads() (names []contract.ParameterName) {
	for _, name := range p.c.Metric.Parameters {
		switch p.entity {
		case contract.Answer:
			if name == contract.ParamNPS {
				names = append(names, name)
			}
		case contract.Profile:
			if name != contract.ParamCustomerID && slices.ContainsFunc(p.measures, func(m Measure) bool { return m.Field == string(name) || asksFor(m.Filter, string(name)) }) {
				names = append(names, name)
			}
		}
	}
	return names
}

// asksFor reports whether a condition names a field.
func asksFor(c *contract.Condition, field string) bool {
	if c == nil {
		return false
	}
	asks := func(o contract.Condition) bool { return asksFor(&o, field) }
	return c.Field == field || slices.ContainsFunc(c.All, asks) || slices.ContainsFunc(c.Any, asks) || asksFor(c.Not, field)
}

// cover adds to a quality which share of all customers those parameters are known of, as what they are collected for is judged by
// (directive.Coverage).
func (p *Program) cover(ctx context.Context, w Warehouse, q *contract.Quality, group int64) error {
	for _, name := range p.reads() {
		have, of, err := w.Covered(ctx, name)
		if err != nil {
			return fmt.Errorf("coverage of %s: %w", name, err)
		}
		if of >= group {
			q.Coverage[name] = share(have, of, group)
		}
	}
	return nil
}

// quality tells which share of the orders that a measurement rests on has what the metric needs, and what is odd about them: of
// parameters of orders alone, since who answers a survey or has a profile is no share of any order: see cover. Like every
// other number, none of these tells of fewer than a group: a share of which so few lack is told as if a whole group
// lacked it, a share that so few have as none, and so few oddities are not told.
func quality(d *contract.Definition, q Quality, group int64) contract.Quality {
	out := contract.Quality{Coverage: map[contract.ParameterName]float64{}}
	if q.Orders < group {
		return out
	}
	for _, p := range d.Parameters {
		switch p {
		case contract.ParamCustomerID, contract.ParamOrderTime:
			out.Coverage[p] = 1
		case contract.ParamOrderAmount:
			out.Coverage[p] = share(q.WithAmount, q.Orders, group)
		case contract.ParamOrderItems:
			out.Coverage[p] = share(q.WithItems, q.Orders, group)
		}
	}
	out.Suspects = map[string]int64{}
	for name, n := range map[string]int64{"zero_amount": q.ZeroAmount, "identical_rows": q.Identical} {
		if n >= group {
			out.Suspects[name] = n
		}
	}
	return out
}

func share(have, of, group int64) float64 {
	switch lack := of - have; {
	case have < group:
		return 0
	case lack > 0 && lack < group:
		have = of - group
	}
	return float64(have) / float64(of)
}
