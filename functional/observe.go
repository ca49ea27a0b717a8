package functional

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/strata-crm/strata/shared/host"
)

// observe registers the gauges that operators watch: how old the oldest unsent message is, and how many directives have
// no final answer yet.
func observe(d host.Deps, g *graph) error {
	m := d.Telemetry.Meter.Meter("functional")
	age, err := m.Float64ObservableGauge("strata.outbox.age", metric.WithUnit("s"), metric.WithDescription("age of the oldest message that waits to be sent"))
	if err != nil {
		return fmt.Errorf("outbox gauge: %w", err)
	}
	open, err := m.Int64ObservableGauge("strata.directives.unanswered", metric.WithDescription("received directives without a final answer"))
	if err != nil {
		return fmt.Errorf("directives gauge: %w", err)
	}
	_, err = m.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
		_, oldest, err := g.outbox.Status(ctx)
		if err != nil {
			return err
		}
		o.ObserveFloat64(age, oldest.Seconds())
		n, err := g.stores.Unanswered(ctx)
		if err != nil {
			return err
		}
		o.ObserveInt64(open, n)
		return nil
	}, age, open)
	return err
}
