package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/listen"
)

func information(d Deps) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		switch m.Header("ce_type") {
		case contract.TypeInformation:
			_, i, err := contract.Decode[contract.Information](m)
			if err != nil {
				return err
			}
			return d.Ears.UnknownHere(ctx, "information on a goal", string(i.Goal), d.Directives.Informed(ctx, i))
		case contract.TypeFunctionalInsight:
			_, i, err := contract.Decode[contract.Insight](m)
			if err != nil {
				return err
			}
			clash, err := d.Knowledge.Learn(ctx, i)
			if clash {
				d.Ears.Logger.ErrorContext(ctx, "two different insights have one revision", "code", fault.RevisionConflict, "insight", i.ID, "revision", i.Revision)
			}
			return d.Ears.UnknownHere(ctx, "insight on a goal", string(i.Goal), err)
		}
		return listen.OtherType(m)
	}
}
