package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Measuring turns measurements into information.
type Measuring interface {
	// Measured applies a measurement and publishes the information that it changes; NotFound for an unknown directive.
	Measured(ctx context.Context, m contract.Measurement) (mongodb.Put, error)
	// Inform rebuilds the information of a directive's goal and publishes it if it changed; NotFound for an unknown one.
	Inform(ctx context.Context, id contract.DirectiveID) error
}

func measurements(d Deps) bus.Handler {
	return func(ctx context.Context, msg bus.Message) error {
		_, m, err := contract.Decode[contract.Measurement](msg)
		if err != nil {
			return err
		}
		put, err := d.Measuring.Measured(ctx, m)
		if put == mongodb.Clash {
			d.Ears.Logger.ErrorContext(ctx, "two different measurements have one revision",
				"code", fault.RevisionConflict, "measurement", m.ID, "revision", m.Revision)
		}
		return d.Ears.UnknownHere(ctx, "measurement for a directive", string(m.Strategic), err)
	}
}
