// Package telemetry builds a service's traces, metrics and log. It owns their set-up, the way trace context crosses
// processes, and the masking of fields that must not be logged. It doesn't own what is measured: each package makes its
// own spans and instruments from the providers that it is given. It never sets OpenTelemetry's globals.
package telemetry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprometheus "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/fault"
)

// Options says what is reported, and where.
type Options struct {
	Service      string                // required: service.name, "strategic"
	Version      string                // service.version; may be empty
	OTLPEndpoint string                // URL of an OTLP/HTTP collector ("https://collector:4318"); empty = traces are not recorded, metrics only served, the log only written
	LogFormat    string                // "json" (also when empty) or "text"
	LogLevel     string                // "debug", "info" (also when empty), "warn", "error"
	Stderr       io.Writer             // required: where the log goes
	Exporter     sdktrace.SpanExporter // where spans go at once as they end, for tests; nil = none
}

// Telemetry is what every constructor needs to be observable. All its fields are set.
type Telemetry struct {
	Tracer trace.TracerProvider
	Meter  metric.MeterProvider
	Gauges *Gauges // those that rest on what is beyond the process
	Logger *slog.Logger

	registry *prometheus.Registry
	stop     []func(context.Context) error
}

// New builds providers of their own registry and returns them running. It fails with fault.Invalid on a bad option,
// never because a collector does not answer: telemetry must not keep a service down.
func New(ctx context.Context, o Options) (*Telemetry, error) {
	if o.Service == "" || o.Stderr == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "telemetry needs the service's name and a place for the log")
	}
	if err := checkEndpoint(o.OTLPEndpoint); err != nil {
		return nil, err
	}
	res := resource.NewSchemaless(attribute.String("service.name", o.Service), attribute.String("service.version", o.Version))
	t := &Telemetry{Gauges: &Gauges{}, registry: prometheus.NewRegistry()}
	for _, build := range []func(context.Context, Options, *resource.Resource) error{t.logs, t.traces, t.metrics} {
		if err := build(ctx, o, res); err != nil {
			return nil, errors.Join(err, t.Shutdown(ctx))
		}
	}
	return t, nil
}

func (t *Telemetry) traces(ctx context.Context, o Options, res *resource.Resource) error {
	opts := []sdktrace.TracerProviderOption{sdktrace.WithResource(res)}
	if o.Exporter != nil {
		opts = append(opts, sdktrace.WithSyncer(o.Exporter))
	}
	if o.OTLPEndpoint != "" {
		e, err := otlptracehttp.New(ctx, otlptracehttp.WithEndpointURL(o.OTLPEndpoint+"/v1/traces"))
		if err != nil {
			return fmt.Errorf("make the trace exporter: %w", err)
		}
		opts = append(opts, sdktrace.WithBatcher(e))
	}
	if o.Exporter == nil && o.OTLPEndpoint == "" {
		// Nobody listens: spans still get ids, for the log and for the next service, but record nothing.
		opts = append(opts, sdktrace.WithSampler(sdktrace.NeverSample()))
	}
	p := sdktrace.NewTracerProvider(opts...)
	t.Tracer, t.stop = p, append(t.stop, p.Shutdown)
	return nil
}

func (t *Telemetry) metrics(ctx context.Context, o Options, res *resource.Resource) error {
	pull, err := otelprometheus.New(otelprometheus.WithRegisterer(t.registry), otelprometheus.WithoutScopeInfo(), otelprometheus.WithProducer(t.Gauges))
	if err != nil {
		return fmt.Errorf("make the metrics registry: %w", err)
	}
	opts := []sdkmetric.Option{sdkmetric.WithResource(res), sdkmetric.WithReader(pull)}
	if o.OTLPEndpoint != "" {
		e, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(o.OTLPEndpoint+"/v1/metrics"))
		if err != nil {
			return fmt.Errorf("make the metric exporter: %w", err)
		}
		opts = append(opts, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(e, sdkmetric.WithProducer(t.Gauges))))
	}
	p := sdkmetric.NewMeterProvider(opts...)
	t.Meter, t.stop = p, append(t.stop, p.Shutdown)
	if err := t.registry.Register(collectors.NewProcessCollector(collectors.ProcessCollectorOpts{})); err != nil {
		return fmt.Errorf("register process metrics: %w", err)
	}
	if err := runtime.Start(runtime.WithMeterProvider(p)); err != nil {
		return fmt.Errorf("start runtime metrics: %w", err)
	}
	return nil
}

// Metrics serves the service's metrics in Prometheus' text format, from its own registry, also while what gauges rest on is away.
func (t *Telemetry) Metrics() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{Timeout: 10 * time.Second, MaxRequestsInFlight: 4})
}

// Shutdown sends what is still held and stops; ctx bounds how long that may take. Calling it twice does nothing more.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, stop := range slices.Backward(t.stop) { // the log last: it may tell of the others
		errs = append(errs, stop(ctx))
	}
	t.stop = nil
	return errors.Join(errs...)
}
