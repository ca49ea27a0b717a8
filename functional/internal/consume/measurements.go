package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Measuring keeps measurements, and notes whose information is behind.
type Measuring interface {
	// Measured applies a measurement; NotFound for an unknown directive.
	Measured(ctx context.Context, m contract.Measurement) (mongodb.Put, error)
	// Mark has the information on a directive's goal made anew; NotFound for an unknown one.
	Mark(ctx context.Context, id contract.DirectiveID) error
}

// Informer makes information of what is noted.
type Informer interface{ Wake() }

// behind notes that the information on a directive's goal is to be made anew.
func (d Deps) behind(ctx context.Context, id contract.DirectiveID) error {
	err := d.Measuring.Mark(ctx, id)
	d.Informer.Wake()
	return err
}

func measurements(d Deps) bus.Handler {
	return func(ctx context.Context, msg bus.Message) error {
		_, m, err := contract.Decode[contract.Measurement](msg)
		if err != nil {
			return err
		}
		put, err := d.Measuring.Measured(ctx, m)
		d.Informer.Wake()
		if put == mongodb.Clash {
			d.Ears.Logger.ErrorContext(ctx, "two different measurements have one revision",
				"code", fault.RevisionConflict, "measurement", m.ID, "revision", m.Revision)
		}
		return d.Ears.UnknownHere(ctx, "measurement for a directive", string(m.Strategic), err)
	}
}
