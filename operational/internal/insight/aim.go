package insight

import (
	"context"
	"fmt"
	"math"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// Measured returns what a metric was measured to be in the window that begins on a day, as it was last published; nil where it
// was not, or not to be told.
type Measured func(ctx context.Context, d *contract.OperationalDirective, o *contract.InsightOrder, from contract.Day) (*float64, error)

// target returns what the goal whose metric is claimed wants it to be; nil where there is no such goal, or the baseline that it is
// relative to is not measured yet.
func (r *round) target(ctx context.Context, c *claim) (*float64, error) {
	aim := c.order.Aim
	if aim == nil {
		return nil, nil
	}
	base := aim.Baseline.Value
	if until := aim.Baseline.MeasureUntil; aim.Target.Value == nil && base == nil && until != "" {
		w := lastWithin(c.calendar, c.order.Grain, until)
		var err error
		if base, err = r.o.Measured(ctx, c.directive, c.order, w.From); err != nil {
			return nil, fmt.Errorf("baseline of the goal: %w", err)
		}
	}
	if aim.Target.Value == nil && base == nil {
		return nil, nil
	}
	target := 0.
	if base != nil {
		target = *base
	}
	target = aim.Target.Of(target)
	return &target, nil
}

// lastWithin is the last window of a grain that ends on or before a day.
func lastWithin(cal metric.Calendar, g contract.Grain, day contract.Day) metric.Span {
	w := cal.Of(g, day)
	if w.Until > day.Add(1) {
		return cal.Previous(g, w)
	}
	return w
}

// toTarget is how far the target lies from the value: relative to it, or in its unit where the tolerance is absolute. It is
// NaN where there is none, where it is not comparable (a rank, or a value that is capped as the goal's is not), and while the value's interval does not lie wholly on one side: then nothing is
// decided that leaving something out could change.
func (g *gather) toTarget(now validity.Estimate) float64 {
	if g.c.target == nil || g.c.ranked() || g.st.Cap != nil {
		return math.NaN()
	}
	far := *g.c.target - now.Value
	if !(math.Abs(far) > now.Today(validity.Holding())) {
		return math.NaN()
	}
	return far / g.unit(now.Value)
}
