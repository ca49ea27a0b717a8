package mongodb

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
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

// observe registers the gauges that alerts watch: how much is due, and for how long the oldest has been.
func (o *Outbox) observe(m metric.MeterProvider) error {
	if m == nil {
		return nil
	}
	meter := m.Meter(scope)
	pending, first := meter.Int64ObservableGauge("strata.outbox.pending", metric.WithDescription("Entities that are due."))
	age, second := meter.Float64ObservableGauge("strata.outbox.age", metric.WithUnit("s"),
		metric.WithDescription("How long the oldest due entity has been due."))
	if err := errors.Join(first, second); err != nil {
		return fmt.Errorf("mongodb: outbox: metrics: %w", err)
	}
	_, err := meter.RegisterCallback(func(ctx context.Context, to metric.Observer) error {
		n, oldest, err := o.Status(ctx)
		if err != nil {
			return err
		}
		to.ObserveInt64(pending, int64(n))
		to.ObserveFloat64(age, oldest.Seconds())
		return nil
	}, pending, age)
	if err != nil {
		return fmt.Errorf("mongodb: outbox: metrics: %w", err)
	}
	return nil
}
