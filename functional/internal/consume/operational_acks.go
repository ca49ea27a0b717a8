package consume

import (
	"context"
	"log/slog"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func operationalAcks(d Directives, info Measuring, log *slog.Logger) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		env, a, err := contract.Decode[contract.Acknowledgement](m)
		if err != nil {
			return err
		}
		err = d.Answered(ctx, a)
		if fault.Is(err, fault.NotFound) {
			// The record will be made when its directive is published again, and this answer with it.
			log.WarnContext(ctx, "answer to a directive that is not known here", "directive", a.Directive)
			return nil
		}
		if err != nil || env.Correlation == "" || env.Correlation == string(a.Directive) {
			return err
		}
		return info.Inform(ctx, contract.DirectiveID(env.Correlation))
	}
}
