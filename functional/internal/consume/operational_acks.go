package consume

import (
	"context"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

func operationalAcks(d Deps) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		env, a, err := contract.Decode[contract.Acknowledgement](m)
		if err != nil {
			return err
		}
		err = d.Directives.Answered(ctx, a)
		if err != nil || env.Correlation == "" || env.Correlation == string(a.Directive) {
			return d.Ears.UnknownHere(ctx, "answer to a directive", string(a.Directive), err)
		}
		return d.behind(ctx, contract.DirectiveID(env.Correlation))
	}
}
