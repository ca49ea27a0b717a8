package consume

import (
	"context"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/trial"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

// Own are the topics this layer speaks on, from which an emptied database is restored.
func Own() []string {
	return []string{contract.TopicFunctionalDirectives, contract.TopicFunctionalAcks, contract.TopicInformation}
}

// Definitions puts certified metric definitions back.
type Definitions interface {
	Restored(ctx context.Context, d contract.Definition) error
}

// Restore returns the function that puts one of this layer's own messages back into the records, the metric definitions that
// orders carry whole back among those that plans may use, and insights back among those passed on. Information is made anew
// of the measurements that the operational layer repeats.
func Restore(s directive.Store, defs Definitions, c Claiming) func(context.Context, bus.Message) error {
	return func(ctx context.Context, m bus.Message) error {
		switch m.Header("ce_type") {
		case contract.TypeOperationalDirective:
			_, o, err := contract.Decode[contract.OperationalDirective](m)
			if err != nil {
				return nil // what cannot be read restores nothing
			}
			return restoreOrder(ctx, s, defs, o)
		case contract.TypeGovernance:
			_, g, err := contract.Decode[contract.GovernanceDirective](m)
			if err != nil {
				return nil
			}
			return s.Update(ctx, g.ID, func(r *directive.Record) error {
				directive.RestoreGovernance(r, g)
				return nil
			})
		case contract.TypeFunctionalAck:
			_, a, err := contract.Decode[contract.Acknowledgement](m)
			if err != nil {
				return nil
			}
			return s.Update(ctx, a.Directive, func(r *directive.Record) error {
				directive.RestoreAnswer(r, a)
				return nil
			})
		case contract.TypeFunctionalInsight:
			return restoreInsight(ctx, c, m)
		}
		return nil
	}
}

func restoreOrder(ctx context.Context, s directive.Store, defs Definitions, o contract.OperationalDirective) error {
	if trial.Is(o.ID) { // what was tried is not certified
		return s.Update(ctx, o.Strategic, func(r *directive.Record) error {
			directive.RestoreTrial(r, o)
			return nil
		})
	}
	for _, c := range o.Compute {
		if err := defs.Restored(ctx, c.Metric); err != nil {
			return err
		}
	}
	return s.Update(ctx, o.Strategic, func(r *directive.Record) error {
		directive.RestoreOrder(r, o)
		return nil
	})
}
