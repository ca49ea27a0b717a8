package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

// Republish publishes every current entity again that goes to a layer.
type Republish func(ctx context.Context, to contract.Layer) error

func requests(again Republish) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		_, r, err := contract.Decode[contract.StateRequest](m)
		if err != nil {
			return err
		}
		return again(ctx, r.Requester)
	}
}
