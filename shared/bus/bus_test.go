package bus_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/trace"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// TestPartitionOfAgreesWithKafka compares with kafka-go's port of the Java client's placement.
func TestPartitionOfAgreesWithKafka(t *testing.T) {
	t.Parallel()
	reference := kafka.Murmur2Balancer{Consistent: true}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringN(1, 60, -1).Draw(t, "key")
		partitions := rapid.IntRange(1, 64).Draw(t, "partitions")
		all := make([]int, partitions)
		for i := range all {
			all[i] = i
		}
		if want, got := reference.Balance(kafka.Message{Key: []byte(key)}, all...), bus.PartitionOf(key, partitions); got != want {
			t.Fatalf("key %q is placed in %d, Kafka's clients say %d", key, got, want)
		}
	})
}

func TestPublishErrorKeepsItsKind(t *testing.T) {
	t.Parallel()
	cause := errors.New("timeout")
	err := error(&bus.PublishError{Indexes: []int{1}, Err: fault.Wrap(fault.Transient, fault.Unavailable, cause, "again")})
	if !fault.Is(err, fault.Transient) || !errors.Is(err, cause) {
		t.Fatalf("got kind %v of %v", fault.KindOf(err), err)
	}
}

func TestInjectLeavesTheCallersHeadersAlone(t *testing.T) {
	t.Parallel()
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
	headers := append(make([]bus.Header, 0, 8), bus.Header{Key: "a"}, bus.Header{Key: "Baggage"}, bus.Header{Key: "b"})
	before := slices.Clone(headers)
	m := bus.Inject(ctx, bus.Message{Headers: headers})
	if len(m.Headers) != 3 || m.Header("traceparent") == "" || m.Header("Baggage") != "" {
		t.Fatalf("got %+v", m.Headers)
	}
	for i, h := range headers {
		if h.Key != before[i].Key {
			t.Fatalf("the caller's headers became %+v", headers)
		}
	}
	if got := trace.SpanContextFromContext(bus.Extract(context.Background(), m)); got.TraceID() != (trace.TraceID{1}) || !got.IsRemote() {
		t.Fatalf("got %+v", got)
	}
}
