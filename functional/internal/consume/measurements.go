package consume

import (
	"context"
	"log/slog"

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

func measurements(s Measuring, log *slog.Logger) bus.Handler {
	return func(ctx context.Context, msg bus.Message) error {
		_, m, err := contract.Decode[contract.Measurement](msg)
		if err != nil {
			return err
		}
		put, err := s.Measured(ctx, m)
		switch {
		case fault.Is(err, fault.NotFound):
			log.WarnContext(ctx, "measurement for a directive that is not known here", "directive", m.Strategic, "metric", m.Metric)
			return nil
		case put == mongodb.Clash:
			log.ErrorContext(ctx, "two different measurements have one revision", "code", fault.RevisionConflict, "measurement", m.ID, "revision", m.Revision)
		}
		return err
	}
}
