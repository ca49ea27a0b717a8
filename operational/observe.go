package operational

import (
	"context"
	"fmt"

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
