package operational

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"
)

// observe registers the gauges of this half that operators watch; ingest has its own.
func observe(h *directing) error {
	m := h.d.Telemetry.Meter.Meter("operational")
	age, err := m.Float64ObservableGauge("strata.outbox.age", metric.WithUnit("s"), metric.WithDescription("age of the oldest message that waits to be sent"))
	if err != nil {
		return fmt.Errorf("outbox gauge: %w", err)
	}
	open, err := m.Int64ObservableGauge("strata.directives.unanswered", metric.WithDescription("received directives without a final answer"))
	if err != nil {
		return fmt.Errorf("directives gauge: %w", err)
	}
	_, err = m.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		_, oldest, err := h.outbox.Status(ctx)
		if err != nil {
			return err
		}
		o.ObserveFloat64(age, oldest.Seconds())
		n, err := h.directives.Unanswered(ctx)
		if err != nil {
			return err
		}
		o.ObserveInt64(open, n)
		return nil
	}, age, open)
	return err
}
