package mongodb

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/strata-crm/strata/shared/telemetry"
)

// outboxMetrics are the relay's tracer and counter. Labels are topics and outcomes, never keys.
type outboxMetrics struct {
	tracer    trace.Tracer
	published metric.Int64Counter
}

func newOutboxMetrics(t trace.TracerProvider, m metric.MeterProvider) (outboxMetrics, error) {
	if t == nil {
		t = tracenoop.NewTracerProvider()
	}
	if m == nil {
		m = metricnoop.NewMeterProvider()
	}
	published, err := m.Meter(scope).Int64Counter("strata.outbox.messages",
		metric.WithDescription("Messages of the outbox by topic and outcome: sent, failed, refused."))
	if err != nil {
		return outboxMetrics{}, fmt.Errorf("mongodb: outbox: metrics: %w", err)
	}
	return outboxMetrics{tracer: t.Tracer(scope), published: published}, nil
}

func (m outboxMetrics) count(ctx context.Context, d outboxDocument, outcome string) {
	m.published.Add(ctx, 1, metric.WithAttributes(attribute.String("topic", d.Topic), attribute.String("outcome", outcome)))
}

var (
	pending = telemetry.Gauge{Name: "strata.outbox.pending", About: "Entities that are due."}
	age     = telemetry.Gauge{Name: "strata.outbox.age", Unit: "s", About: "How long the oldest due entity has been due."}
)

// observe tells the gauges that alerts watch: how much is due, and for how long the oldest has been.
func (o *Outbox) observe(ctx context.Context, tell telemetry.Tell) error {
	n, oldest, err := o.Status(ctx)
	if err != nil {
		return err
	}
	tell(pending, float64(n))
	tell(age, oldest.Seconds())
	return nil
}
