package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

func requests(d Deps) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		_, r, err := contract.Decode[contract.StateRequest](m)
		if err != nil {
			return err
		}
		return d.Republish(ctx, r.Requester)
	}
}
