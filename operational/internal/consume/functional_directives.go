package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/listen"
)

// Directives applies what arrives about directives. Both methods are idempotent.
type Directives interface {
	Receive(ctx context.Context, d contract.OperationalDirective) error
	Govern(ctx context.Context, g contract.GovernanceDirective) error
}

func functionalDirectives(d Directives) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		switch m.Header("ce_type") {
		case contract.TypeOperationalDirective:
			_, order, err := contract.Decode[contract.OperationalDirective](m)
			if err != nil {
				return err
			}
			return d.Receive(ctx, order)
		case contract.TypeGovernance:
			_, g, err := contract.Decode[contract.GovernanceDirective](m)
			if err != nil {
				return err
			}
			return d.Govern(ctx, g)
		}
		return listen.OtherType(m)
	}
}
