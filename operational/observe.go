package operational

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"
)

// observe registers the gauge of this half that operators watch; ingest and the outbox have their own.
func observe(h *directing) error {
	_, err := h.d.Telemetry.Meter.Meter("operational").Int64ObservableGauge("strata.directives.unanswered",
		metric.WithDescription("Received directives without a final answer."),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			n, err := h.directives.Unanswered(ctx)
			if err == nil {
				o.Observe(n)
			}
			return err
		}))
	if err != nil {
		return fmt.Errorf("directives gauge: %w", err)
	}
	return nil
}

// pulse tells when something last happened.
type pulse struct {
	now func() time.Time
	at  atomic.Int64 // nanoseconds since 1970; 0 = never
}

func (p *pulse) beat() { p.at.Store(p.now().UnixNano()) }

func (p *pulse) last() time.Time { return time.Unix(0, p.at.Load()) }
