package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

const traceparent = "traceparent"

// Propagator carries trace context across processes as the W3C header traceparent and nothing else: baggage and
// tracestate are neither sent nor read, since their content comes from callers and would cross the layers unseen.
func Propagator() propagation.TextMapPropagator { return parentOnly{} }

type parentOnly struct{}

// Inject implements propagation.TextMapPropagator.
func (parentOnly) Inject(ctx context.Context, c propagation.TextMapCarrier) {
	all := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, all)
	if v := all.Get(traceparent); v != "" {
		c.Set(traceparent, v)
	}
}

// Extract implements propagation.TextMapPropagator.
func (parentOnly) Extract(ctx context.Context, c propagation.TextMapCarrier) context.Context {
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceparent: c.Get(traceparent)})
}

// Fields implements propagation.TextMapPropagator.
func (parentOnly) Fields() []string { return []string{traceparent} }
