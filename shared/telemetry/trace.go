package telemetry

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// TraceID returns the id of the trace that ctx is part of, as 32 hex digits; empty outside a trace.
func TraceID(ctx context.Context) string {
	if s := trace.SpanContextFromContext(ctx); s.HasTraceID() {
		return s.TraceID().String()
	}
	return ""
}

// Traceparent returns the span that ctx is in as a W3C traceparent, to be kept and linked to later; empty outside a trace.
func Traceparent(ctx context.Context) string {
	all := propagation.MapCarrier{}
	Propagator().Inject(ctx, all)
	return all.Get(traceparent)
}

// Continue returns ctx within the span that a traceparent names, so that work which was put off goes on in the trace of what
// asked for it; ctx itself if it names none.
func Continue(ctx context.Context, kept string) context.Context {
	return Propagator().Extract(ctx, propagation.MapCarrier{traceparent: kept})
}

// Links returns the link to the span that a traceparent names; none if it names none.
func Links(kept string) []trace.Link {
	ctx := Continue(context.Background(), kept)
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		return []trace.Link{{SpanContext: s}}
	}
	return nil
}
