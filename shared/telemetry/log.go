package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/fault"
)

// masked are the attribute keys whose values never reach the log, whatever group they are in. A last defence: callers
// must not log personal data or secrets in the first place.
var masked = []string{"authorization", "cookie", "token", "password", "secret", "email", "phone", "first_name", "last_name", "postal_address", "birthday"}

// logs builds the logger: to o.Stderr always, and to the collector where there is one.
func (t *Telemetry) logs(ctx context.Context, o Options, res *resource.Resource) error {
	var level slog.Level
	if o.LogLevel != "" {
		if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
			return fault.New(fault.Invalid, fault.BadDefinition, "log level %q is unknown: use debug, info, warn or error", o.LogLevel)
		}
	}
	written, err := writer(o, level)
	if err != nil {
		return err
	}
	all := slog.Handler(traced{written})
	if o.OTLPEndpoint != "" {
		e, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(o.OTLPEndpoint+"/v1/logs"))
		if err != nil {
			return fmt.Errorf("make the log exporter: %w", err)
		}
		p := sdklog.NewLoggerProvider(sdklog.WithResource(res), sdklog.WithProcessor(sdklog.NewBatchProcessor(e)))
		t.stop = append(t.stop, p.Shutdown)
		all = slog.NewMultiHandler(all, otelslog.NewHandler(o.Service, otelslog.WithLoggerProvider(p)))
	}
	t.Logger = slog.New(guard{all, level}).With("service", o.Service)
	return nil
}

func writer(o Options, level slog.Level) (slog.Handler, error) {
	opts := &slog.HandlerOptions{Level: level}
	switch o.LogFormat {
	case "", "json":
		return slog.NewJSONHandler(o.Stderr, opts), nil
	case "text":
		return slog.NewTextHandler(o.Stderr, opts), nil
	}
	return nil, fault.New(fault.Invalid, fault.BadDefinition, "log format %q is unknown: use json or text", o.LogFormat)
}

// guard keeps lines below the level and the values of masked keys from every handler beneath it.
type guard struct {
	slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (g guard) Enabled(_ context.Context, l slog.Level) bool { return l >= g.level }

// Handle implements slog.Handler.
func (g guard) Handle(ctx context.Context, r slog.Record) error {
	clean := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		clean.AddAttrs(mask(a))
		return true
	})
	return g.Handler.Handle(ctx, clean)
}

// WithAttrs implements slog.Handler.
func (g guard) WithAttrs(as []slog.Attr) slog.Handler {
	return guard{g.Handler.WithAttrs(maskAll(as)), g.level}
}

// WithGroup implements slog.Handler.
func (g guard) WithGroup(name string) slog.Handler { return guard{g.Handler.WithGroup(name), g.level} }

func mask(a slog.Attr) slog.Attr {
	if slices.Contains(masked, strings.ToLower(a.Key)) {
		return slog.String(a.Key, "(masked)")
	}
	if v := a.Value.Resolve(); v.Kind() == slog.KindGroup {
		return slog.Attr{Key: a.Key, Value: slog.GroupValue(maskAll(v.Group())...)}
	}
	return a
}

func maskAll(as []slog.Attr) []slog.Attr {
	out := make([]slog.Attr, len(as))
	for i, a := range as {
		out[i] = mask(a)
	}
	return out
}

// traced adds the ids of the span in the context, so that a log line leads to its trace; OTLP records carry them anyway.
type traced struct{ slog.Handler }

// Handle implements slog.Handler.
func (t traced) Handle(ctx context.Context, r slog.Record) error {
	if s := trace.SpanContextFromContext(ctx); s.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", s.TraceID().String()), slog.String("span_id", s.SpanID().String()))
	}
	return t.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (t traced) WithAttrs(as []slog.Attr) slog.Handler { return traced{t.Handler.WithAttrs(as)} }

// WithGroup implements slog.Handler.
func (t traced) WithGroup(name string) slog.Handler { return traced{t.Handler.WithGroup(name)} }

func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || strings.HasSuffix(u.Path, "/") {
		return fault.New(fault.Invalid, fault.BadDefinition,
			"the OTLP endpoint must be a URL without a final slash, such as https://collector:4318")
	}
	return nil
}
