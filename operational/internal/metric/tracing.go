package metric

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/telemetry"
)

const scope = "github.com/strata-crm/strata/operational/internal/metric"

// traced lets a window be measured in a trace of its own, which the measurement carries up: a directive is measured for
// months, and one trace for all of that could not be read. The root links to where the directive was received. Its
// attributes say what is measured and for whom, never what came out.
func (e *Engine) traced(ctx context.Context, p *Program, o *contract.OperationalDirective, w Span, measure func(context.Context) error) error {
	ctx, span := e.tracer.Start(ctx, "operational.measure", trace.WithNewRoot(), trace.WithLinks(telemetry.Links(e.o.Orders.Traceparent(o.ID))...),
		trace.WithAttributes(
			attribute.String("strata.metric", string(p.c.Metric.ID)), attribute.String("strata.metric.version", p.c.Metric.Version),
			attribute.String("strata.window.grain", string(p.c.Grain)), attribute.String("strata.window.start", w.From.Start(e.o.Zone).UTC().Format(time.RFC3339)),
			attribute.String("strata.directive", string(o.ID)), attribute.Int64("strata.directive.revision", o.Revision)))
	defer span.End()
	begun := e.o.Now()
	err := measure(ctx)
	if e.o.Spent != nil {
		e.o.Spent(o.ID, p.c.Metric.ID, e.o.Now().Sub(begun))
	}
	if err != nil {
		span.SetStatus(codes.Error, "not measured")
	}
	return err
}
