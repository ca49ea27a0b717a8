package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/listen"
)

// Directives applies what arrives about directives. Both methods are idempotent.
type Directives interface {
	Receive(ctx context.Context, d contract.StrategicDirective) error
	Govern(ctx context.Context, g contract.GovernanceDirective) error
	Answered(ctx context.Context, a contract.Acknowledgement) error
}

func strategicDirectives(d Deps) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		switch m.Header("ce_type") {
		case contract.TypeStrategicDirective:
			_, order, err := contract.Decode[contract.StrategicDirective](m)
			if err != nil {
				return err
			}
			if err := d.Directives.Receive(ctx, order); err != nil {
				return err
			}
			return d.behind(ctx, order.ID) // measurements may have come before the plan that they belong to
		case contract.TypeGovernance:
			_, g, err := contract.Decode[contract.GovernanceDirective](m)
			if err != nil {
				return err
			}
			return d.Directives.Govern(ctx, g)
		}
		return listen.OtherType(m)
	}
}
