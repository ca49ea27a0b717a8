package telemetry

import (
	"context"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/fault"
)

// masked are the attribute keys whose values never reach the log, whatever group they are in. A last defence: callers
// must not log personal data or secrets in the first place.
var masked = []string{"authorization", "cookie", "token", "password", "secret", "email", "phone", "first_name", "last_name", "postal_address", "birthday"}

func logger(o Options) (*slog.Logger, error) {
	var level slog.Level
	if o.LogLevel != "" {
		if err := level.UnmarshalText([]byte(o.LogLevel)); err != nil {
			return nil, fault.New(fault.Invalid, fault.BadDefinition, "log level %q is unknown: use debug, info, warn or error", o.LogLevel)
		}
	}
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: mask}
	var h slog.Handler
	switch o.LogFormat {
	case "", "json":
		h = slog.NewJSONHandler(o.Stderr, opts)
	case "text":
		h = slog.NewTextHandler(o.Stderr, opts)
	default:
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "log format %q is unknown: use json or text", o.LogFormat)
	}
	return slog.New(traced{h}).With("service", o.Service), nil
}

func mask(_ []string, a slog.Attr) slog.Attr {
	if slices.Contains(masked, strings.ToLower(a.Key)) {
		a.Value = slog.StringValue("(masked)")
	}
	return a
}

// traced adds the ids of the span in the context, so that a log line leads to its trace.
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
