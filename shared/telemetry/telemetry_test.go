package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/telemetry"
)

func open(t *testing.T, o telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	o.Service = "strategic"
	if o.Stderr == nil {
		o.Stderr = io.Discard
	}
	tel, err := telemetry.New(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tel.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return tel
}

func TestLogLeadsToTheTraceAndMasksSecrets(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	spans := tracetest.NewInMemoryExporter()
	tel := open(t, telemetry.Options{Stderr: &out, Exporter: spans})
	ctx, span := tel.Tracer.Tracer("test").Start(t.Context(), "work")
	tel.Logger.With("password", "hush").WithGroup("g").InfoContext(ctx, "done", "Email", "hush@x.org", "count", 3)
	span.End()
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%s: %v", out.String(), err)
	}
	if strings.Contains(out.String(), "hush") {
		t.Errorf("the log tells a secret: %s", out.String())
	}
	group, _ := line["g"].(map[string]any)
	if line["service"] != "strategic" || group["trace_id"] != span.SpanContext().TraceID().String() || group["span_id"] != span.SpanContext().SpanID().String() {
		t.Errorf("log line %s does not lead to span %v", out.String(), span.SpanContext())
	}
	if n := len(spans.GetSpans()); n != 1 {
		t.Errorf("%d spans were exported, want 1", n)
	}
}

func TestLogLevelAndFormat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	tel := open(t, telemetry.Options{Stderr: &out, LogFormat: "text", LogLevel: "warn"})
	tel.Logger.Info("quiet")
	tel.Logger.Warn("loud")
	if s := out.String(); strings.Contains(s, "quiet") || !strings.Contains(s, "msg=loud") {
		t.Errorf("log: %s", s)
	}
}

func TestNewRefusesBadOptions(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]telemetry.Options{
		"no name":      {Stderr: io.Discard},
		"no log":       {Service: "x"},
		"bad level":    {Service: "x", Stderr: io.Discard, LogLevel: "loud"},
		"bad format":   {Service: "x", Stderr: io.Discard, LogFormat: "xml"},
		"bad endpoint": {Service: "x", Stderr: io.Discard, OTLPEndpoint: "collector:4318"},
		"final slash":  {Service: "x", Stderr: io.Discard, OTLPEndpoint: "http://collector:4318/"},
	} {
		if _, err := telemetry.New(t.Context(), o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestMetricsAreServedFromTheirOwnRegistry(t *testing.T) {
	t.Parallel()
	one, two := open(t, telemetry.Options{}), open(t, telemetry.Options{})
	counter, err := one.Meter.Meter("test").Int64Counter("strata.things")
	if err != nil {
		t.Fatal(err)
	}
	counter.Add(t.Context(), 4)
	if s := scrape(one); !strings.Contains(s, "strata_things_total 4") || !strings.Contains(s, "process_open_fds") || !strings.Contains(s, "go_") {
		t.Errorf("metrics lack something:\n%s", s)
	}
	if s := scrape(two); strings.Contains(s, "strata_things") {
		t.Error("two services in one process share metrics")
	}
}

func scrape(tel *telemetry.Telemetry) string {
	w := httptest.NewRecorder()
	tel.Metrics().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestOnlyTraceparentCrosses(t *testing.T) {
	t.Parallel()
	p := telemetry.Propagator()
	in := propagation.MapCarrier{
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=secret", "baggage": "customer=ada",
	}
	ctx := p.Extract(t.Context(), in)
	s := trace.SpanContextFromContext(ctx)
	if s.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" || !s.IsRemote() || s.TraceState().Len() != 0 || baggage.FromContext(ctx).Len() != 0 {
		t.Errorf("extracted %v, %v", s, baggage.FromContext(ctx))
	}
	member, err := baggage.NewMember("customer", "ada")
	if err != nil {
		t.Fatal(err)
	}
	b, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	out := propagation.MapCarrier{}
	p.Inject(baggage.ContextWithBaggage(ctx, b), out)
	if len(out) != 1 || out["traceparent"] != in["traceparent"] {
		t.Errorf("injected %v", out)
	}
	none := propagation.MapCarrier{}
	p.Inject(t.Context(), none)
	if len(none) != 0 {
		t.Errorf("without a span, injected %v", none)
	}
}

// The globals are shared by the process, so this test isn't parallel with those that would set them; none may.
func TestGlobalsStayAlone(t *testing.T) {
	tracer, meter, fields := otel.GetTracerProvider(), otel.GetMeterProvider(), len(otel.GetTextMapPropagator().Fields())
	open(t, telemetry.Options{Exporter: tracetest.NewInMemoryExporter()})
	if otel.GetTracerProvider() != tracer || otel.GetMeterProvider() != meter || len(otel.GetTextMapPropagator().Fields()) != fields {
		t.Error("telemetry set a global of OpenTelemetry")
	}
}

func TestSpansHaveIDsWithoutACollector(t *testing.T) {
	t.Parallel()
	tel := open(t, telemetry.Options{})
	_, span := tel.Tracer.Tracer("test").Start(t.Context(), "work")
	defer span.End()
	if !span.SpanContext().IsValid() || span.IsRecording() {
		t.Errorf("span %v, recording %v", span.SpanContext(), span.IsRecording())
	}
}

func TestShutdownSendsWhatIsHeld(t *testing.T) {
	t.Parallel()
	var traces, metrics, logs atomic.Int32
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/v1/traces":
			traces.Add(1)
		case "/v1/metrics":
			metrics.Add(1)
		case "/v1/logs":
			body, err := io.ReadAll(r.Body)
			if err != nil || bytes.Contains(body, []byte("hush")) || bytes.Contains(body, []byte("quiet")) || !bytes.Contains(body, []byte("loud")) {
				t.Errorf("log records are wrong: %v, %q", err, body)
			}
			logs.Add(1)
		}
	}))
	defer collector.Close()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "x", Stderr: io.Discard, OTLPEndpoint: collector.URL})
	if err != nil {
		t.Fatal(err)
	}
	_, span := tel.Tracer.Tracer("test").Start(t.Context(), "work")
	tel.Logger.Debug("quiet")
	tel.Logger.With("token", "hush").Info("loud", slog.Group("who", "email", "hush"))
	span.End()
	for range 2 {
		if err := tel.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if traces.Load() == 0 || metrics.Load() == 0 || logs.Load() == 0 {
		t.Errorf("the collector got %d trace, %d metric and %d log requests", traces.Load(), metrics.Load(), logs.Load())
	}
}
