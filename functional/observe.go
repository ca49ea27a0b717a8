package functional

import (
	"context"

	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/telemetry"
)

var unanswered = telemetry.Gauge{Name: "strata.directives.unanswered", About: "Received directives without a final answer."}

// observe adds the gauge that operators watch: how many directives have no final answer yet. The outbox has gauges of its own.
func observe(d host.Deps, g *graph) {
	d.Telemetry.Gauges.From(func(ctx context.Context, tell telemetry.Tell) error {
		n, err := g.stores.Unanswered(ctx)
		if err == nil {
			tell(unanswered, float64(n))
		}
		return err
	})
}
