package consume

import (
	"context"
	"log/slog"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/listen"
)

// Own are the topics this layer speaks on, from which an emptied database is restored.
func Own() []string { return []string{contract.TopicStrategicDirectives} }

// Restore returns the function that puts one of this layer's own messages back. What cannot be read restores nothing and is
// logged: the layer must come up.
func Restore(ds Directives, g Governance, l *slog.Logger) func(context.Context, bus.Message) error {
	return func(ctx context.Context, m bus.Message) error {
		var err error
		switch m.Header("ce_type") {
		case contract.TypeStrategicDirective:
			var o contract.StrategicDirective
			if _, o, err = contract.Decode[contract.StrategicDirective](m); err == nil {
				return ds.Restore(ctx, o)
			}
		case contract.TypeGovernance:
			var o contract.GovernanceDirective
			if _, o, err = contract.Decode[contract.GovernanceDirective](m); err == nil {
				return g.Restore(ctx, o)
			}
		default:
			err = listen.OtherType(m)
		}
		l.WarnContext(ctx, "a message of this layer cannot be read and restores nothing", "topic", m.Topic, "partition", m.Partition, "offset", m.Offset, "error", err)
		return nil
	}
}
