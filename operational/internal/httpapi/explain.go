package httpapi

import (
	"context"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// InForce tells which directives are carried out now.
type InForce interface {
	Orders() []contract.OperationalDirective
}

// Explainer tells how a metric is computed for the window that holds a day.
type Explainer interface {
	Explain(ctx context.Context, c *contract.Computation, day contract.Day) (metric.Explanation, error)
}

// ExplainMetric implements StrictServerInterface.
func (d *Directing) ExplainMetric(ctx context.Context, r ExplainMetricRequestObject) (ExplainMetricResponseObject, error) {
	if err := may(ctx, d.Tenant, d.Gate, actionRead); err != nil {
		return nil, err
	}
	day, err := contract.ParseDay(r.Body.Day)
	if err != nil {
		return nil, err
	}
	c, err := d.computation(r.Body)
	if err != nil {
		return nil, err
	}
	e, err := d.Explainer.Explain(ctx, c, day)
	return ExplainMetric200JSONResponse(e), err
}

// computation returns what is to be explained.
func (d *Directing) computation(r *ExplainRequest) (*contract.Computation, error) {
	c := &contract.Computation{Grain: contract.GrainMonth}
	switch {
	case (r.Metric == nil) == (r.Definition == nil):
		return nil, fault.New(fault.Invalid, fault.BadRequest, "name either a metric or a definition")
	case r.Definition != nil:
		c.Metric = *r.Definition
	default:
		ordered := d.ordered(contract.MetricID(*r.Metric))
		if ordered == nil {
			return nil, fault.New(fault.NotFound, "", "no directive in force asks for the metric %s: give its definition", *r.Metric)
		}
		*c = *ordered
	}
	if r.Grain != nil {
		c.Grain = contract.Grain(*r.Grain)
	}
	if r.Scope != nil {
		c.Scope = r.Scope
	}
	return c, nil
}

// ordered returns what the first directive in force that asks for a metric asks, or nil.
func (d *Directing) ordered(m contract.MetricID) *contract.Computation {
	for _, o := range d.InForce.Orders() {
		for i := range o.Compute {
			if o.Compute[i].Metric.ID == m {
				return &o.Compute[i]
			}
		}
	}
	return nil
}
