package metric

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
)

// Measure computes the metric for a window, from one snapshot of the warehouse.
func (p *Program) Measure(ctx context.Context, w Warehouse, at Span, gates btyd.Gates) (Result, error) {
	switch {
	case p.c.Metric.Model != nil:
		customers, err := w.Summaries(ctx, at, p.c.Scope)
		if err != nil {
			return Result{}, fmt.Errorf("summaries for %s: %w", p.c.Metric.ID, err)
		}
		return p.modelled(customers, gates)
	case p.order != nil:
		return p.statisticOf(ctx, w, at)
	}
	whole, err := w.Moments(ctx, p.query(at, ""))
	if err != nil {
		return Result{}, fmt.Errorf("moments for %s: %w", p.c.Metric.ID, err)
	}
	r := p.valued(whole[0])
	if by := p.c.Metric.Dimension; by != "" && r.Value != nil {
		groups, err := w.Moments(ctx, p.query(at, by))
		if err != nil {
			return Result{}, fmt.Errorf("parts of %s: %w", p.c.Metric.ID, err)
		}
		r.Parts = p.parts(groups)
	}
	return r, nil
}

func (p *Program) statisticOf(ctx context.Context, w Warehouse, at Span) (Result, error) {
	o := *p.order
	o.Query = p.query(at, "")
	v, n, err := w.Order(ctx, o)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", p.c.Metric.ID, err)
	}
	r := Result{Value: v, N: n, Smallest: n}
	if v == nil {
		r.Reason = &contract.Reason{Code: "no_data_yet", Item: string(p.c.Metric.ID)}
	}
	return r, nil
}

// measurement dresses a result as a measurement; the revision is egress's to set.
func (p *Program) measurement(t contract.TenantID, o *contract.OperationalDirective, at Span, zone *time.Location, r Result, q Quality) contract.Measurement {
	d := &p.c.Metric
	m := contract.Measurement{
		Directive: o.ID, DirectiveRevision: o.Revision, Strategic: o.Strategic, Goal: o.Goal, Metric: d.ID, Version: d.Version,
		Scope: p.c.Scope, Grain: p.c.Grain, Window: at.Window(zone), Value: r.Value, Reason: r.Reason, Unit: d.Unit, N: r.N,
		Numerator: r.Numerator, Denominator: r.Denominator, StdErr: r.StdErr, Low: r.Low, High: r.High, Median: r.Median, P90: r.P90,
		Parts: r.Parts, Model: r.Model, Quality: quality(d, q),
	}
	m.ID = contract.MeasurementIdentity(t, o.ID, d.ID, d.Major(), p.c.Scope, p.c.Grain, m.Window.Start)
	if d.Unit == contract.Money {
		m.Currency = o.Currency
	}
	return m
}

// quality tells how many orders of the window have what the metric needs, and what is odd about them.
func quality(d *contract.Definition, q Quality) contract.Quality {
	out := contract.Quality{Coverage: map[contract.ParameterName]float64{}}
	if q.Orders == 0 {
		return out
	}
	share := func(n int64) float64 { return float64(n) / float64(q.Orders) }
	for _, p := range d.Parameters {
		switch p {
		case contract.ParamCustomerID, contract.ParamOrderTime:
			out.Coverage[p] = 1
		case contract.ParamOrderAmount:
			out.Coverage[p] = share(q.WithAmount)
		case contract.ParamOrderItems:
			out.Coverage[p] = share(q.WithItems)
		}
	}
	out.Suspects = map[string]int64{}
	if q.ZeroAmount > 0 {
		out.Suspects["zero_amount"] = q.ZeroAmount
	}
	if q.Identical > 0 {
		out.Suspects["identical_rows"] = q.Identical
	}
	return out
}
