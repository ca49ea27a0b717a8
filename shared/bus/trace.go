package bus

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/propagation"
)

// carrier adapts headers to the W3C propagator.
type carrier struct{ headers *[]Header }

func (c carrier) Get(key string) string {
	for _, h := range *c.headers {
		if strings.EqualFold(h.Key, key) {
			return string(h.Value)
		}
	}
	return ""
}

func (c carrier) Set(key, value string) {
	*c.headers = append(*c.headers, Header{Key: key, Value: []byte(value)})
}

func (c carrier) Keys() []string {
	keys := make([]string, len(*c.headers))
	for i, h := range *c.headers {
		keys[i] = h.Key
	}
	return keys
}

// Inject returns m with the trace of ctx in its headers unless m carries a traceparent already, and without baggage,
// which would carry personal data from one layer into the next. m's own header slice is not changed.
func Inject(ctx context.Context, m Message) Message {
	m.Headers = withoutBaggage(m.Headers)
	if m.Header("traceparent") == "" {
		propagation.TraceContext{}.Inject(ctx, carrier{&m.Headers})
	}
	return m
}

// Extract returns ctx with the trace that m's headers name as its remote parent. Baggage is ignored.
func Extract(ctx context.Context, m Message) context.Context {
	return propagation.TraceContext{}.Extract(ctx, carrier{&m.Headers})
}

func withoutBaggage(headers []Header) []Header {
	kept := make([]Header, 0, len(headers)+1)
	for _, h := range headers {
		if !strings.EqualFold(h.Key, "baggage") {
			kept = append(kept, h)
		}
	}
	return kept
}
