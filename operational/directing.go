package operational

import (
	"context"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/service"
)

// directing is the half of the service that decides and computes.
type directing struct {
	outbox     *mongodb.Outbox
	directives *mongostore.Directives
	force      *directive.Force
	components []service.Component
}

func newDirecting(_ context.Context, c Config, d host.Deps) (*directing, error) {
	outbox, err := mongodb.NewOutbox(d.DB, d.Bus, mongodb.OutboxOptions{
		Now: d.Now, Logger: d.Telemetry.Logger, Tracer: d.Telemetry.Tracer, Meter: d.Telemetry.Meter,
	})
	if err != nil {
		return nil, err
	}
	h := &directing{outbox: outbox, directives: mongostore.NewDirectives(c.Tenant.ID, d.DB, outbox, d.Now, d.NewID)}
	h.force = directive.NewForce(h.directives, d.Telemetry.Logger)
	h.components = []service.Component{outbox, h.force}
	return h, nil
}
