package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Claiming keeps insights and passes them on.
type Claiming interface {
	// Insighted applies an insight and passes it on; NotFound for an unknown directive.
	Insighted(ctx context.Context, i contract.Insight) (mongodb.Put, error)
	// RestoreInsight puts one that this layer passed on back.
	RestoreInsight(ctx context.Context, i contract.Insight) error
}

func insights(d Deps) bus.Handler {
	return func(ctx context.Context, msg bus.Message) error {
		_, i, err := contract.Decode[contract.Insight](msg)
		if err != nil {
			return err
		}
		put, err := d.Claiming.Insighted(ctx, i)
		if put == mongodb.Clash {
			d.Ears.Logger.ErrorContext(ctx, "two different insights have one revision",
				"code", fault.RevisionConflict, "insight", i.ID, "revision", i.Revision)
		}
		return d.Ears.UnknownHere(ctx, "insight for a directive", string(i.Strategic), err)
	}
}

func restoreInsight(ctx context.Context, c Claiming, m bus.Message) error {
	_, i, err := contract.Decode[contract.Insight](m)
	if err != nil {
		return nil // what cannot be read restores nothing
	}
	return c.RestoreInsight(ctx, i)
}
