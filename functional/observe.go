package functional

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/metric"

	"github.com/strata-crm/strata/shared/host"
)

// observe registers the gauge that operators watch: how many directives have no final answer yet. The outbox has gauges
// of its own.
func observe(d host.Deps, g *graph) error {
	_, err := d.Telemetry.Meter.Meter("functional").Int64ObservableGauge("strata.directives.unanswered",
		metric.WithDescription("Received directives without a final answer."),
		metric.WithInt64Callback(func(ctx context.Context, o metric.Int64Observer) error {
			n, err := g.stores.Unanswered(ctx)
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
