package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/governance"
)

func functionalAcks(d Deps) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		_, a, err := contract.Decode[contract.Acknowledgement](m)
		if err != nil {
			return err
		}
		if a.Directive == governance.ID {
			return d.Governance.Answered(ctx, a)
		}
		return d.Ears.UnknownHere(ctx, "answer to a directive", string(a.Directive), d.Directives.Answered(ctx, a))
	}
}
