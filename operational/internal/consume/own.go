package consume

import (
	"context"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

// Own are the topics this layer speaks on, from which an emptied database is restored: so that revisions go on growing.
func Own() []string {
	return []string{contract.TopicOperationalAcks, contract.TopicMeasurements, contract.TopicInsights}
}

// Insights puts back what was published of an insight.
type Insights interface {
	// Restore keeps the insight unless a later revision is there.
	Restore(ctx context.Context, old contract.Insight) error
}

// Restore returns the function that puts one of this layer's own messages back: what it had answered, measured and
// claimed. The directives themselves come from the layer above.
func Restore(d directive.Store, m egress.Store, i Insights) func(context.Context, bus.Message) error {
	return func(ctx context.Context, msg bus.Message) error {
		switch msg.Header("ce_type") {
		case contract.TypeOperationalAck:
			_, a, err := contract.Decode[contract.Acknowledgement](msg)
			if err != nil {
				return nil // what cannot be read restores nothing
			}
			return d.Update(ctx, a.Directive, func(r *directive.Record) error {
				directive.Restore(r, a)
				return nil
			})
		case contract.TypeMeasurement:
			_, old, err := contract.Decode[contract.Measurement](msg)
			if err != nil {
				return nil
			}
			return m.Replace(ctx, old.ID, egress.Basis{}, func(stored *contract.Measurement) bool {
				if old.Revision <= stored.Revision {
					return false
				}
				*stored = old
				return true
			})
		case contract.TypeOperationalInsight:
			_, old, err := contract.Decode[contract.Insight](msg)
			if err != nil {
				return nil
			}
			return i.Restore(ctx, old)
		}
		return nil
	}
}
