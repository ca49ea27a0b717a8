// Package consume is the strategic layer's ears: one file per topic, each decode → decide → change → publish. The change
// and what must be published are one transaction of the store's. It decides nothing itself.
package consume

import (
	"context"
	"errors"
	"log/slog"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/recovery"
)

// Group is the consumer group of the strategic layer.
const Group = "strata-strategic"

// Bus is what consuming needs.
type Bus interface {
	// Subscribe feeds a topic's messages to a handler until ctx ends.
	Subscribe(ctx context.Context, s bus.Subscription) error
}

// Aside keeps messages that can never be handled.
type Aside interface {
	// Quarantine stores the message with its cause before it returns nil.
	Quarantine(ctx context.Context, m bus.Message, cause error) error
}

// Asker asks the neighbours for their state.
type Asker interface {
	// Request asks every neighbour to publish its state again.
	Request(ctx context.Context, cause string) error
}

// Directives applies what arrives about goals and their directives. Every method is idempotent; NotFound means that the
// goal or directive is not known here.
type Directives interface {
	Answered(ctx context.Context, a contract.Acknowledgement) error
	Informed(ctx context.Context, i contract.Information) error
	Insighted(ctx context.Context, i contract.Insight) error
	Restore(ctx context.Context, o contract.StrategicDirective) error
}

// Governance applies what arrives about the governance directive. Both methods are idempotent.
type Governance interface {
	Answered(ctx context.Context, a contract.Acknowledgement) error
	Restore(ctx context.Context, g contract.GovernanceDirective) error
}

// Republish publishes every current entity again that goes to a layer.
type Republish func(ctx context.Context, to contract.Layer) error

// Deps are what the consumers share. All are required.
type Deps struct {
	Bus        Bus
	Aside      Aside
	Asker      Asker
	Logger     *slog.Logger
	Directives Directives
	Governance Governance
	Republish  Republish
}

// Consumer is a component that handles one topic.
type Consumer struct {
	name, topic string
	d           Deps
	handle      bus.Handler
}

// All returns the consumers of every topic that the strategic layer reads, or an error naming what is missing.
func All(d Deps) ([]*Consumer, error) {
	if d.Bus == nil || d.Aside == nil || d.Asker == nil || d.Logger == nil || d.Directives == nil || d.Governance == nil || d.Republish == nil {
		return nil, errors.New("strategic consumers: bus, aside, asker, logger, directives, governance and republish are required")
	}
	return []*Consumer{
		{"functional_acks", contract.TopicFunctionalAcks, d, functionalAcks(d)},
		{"information", contract.TopicInformation, d, information(d)},
		{"requests", contract.TopicStrategicRequests, d, requests(d)},
	}, nil
}

// Name implements service.Component.
func (c *Consumer) Name() string { return c.name }

// Topic returns the topic that is consumed.
func (c *Consumer) Topic() string { return c.topic }

// Run consumes until ctx ends.
func (c *Consumer) Run(ctx context.Context) error {
	return c.d.Bus.Subscribe(ctx, bus.Subscription{
		Topic: c.topic, Group: Group, Handle: c.handle, Quarantine: c.d.Aside.Quarantine,
		OnGap: func(ctx context.Context, g bus.Gap) error {
			c.d.Logger.ErrorContext(ctx, "messages were deleted before they were read; asking for state again",
				"topic", g.Topic, "partition", g.Partition, "from", g.From, "to", g.To)
			return c.d.Asker.Request(ctx, recovery.Gap)
		},
	})
}

// unknownHere logs what is about something that this layer does not know, and passes every other error on. It is dropped:
// if the thing comes to be known, state is asked for again.
func unknownHere(ctx context.Context, l *slog.Logger, what string, id string, err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	l.WarnContext(ctx, "a message is about something that is not known here", "what", what, "id", id)
	return nil
}

// otherType returns an Invalid fault for a type that does not belong on the topic.
func otherType(m bus.Message) error {
	return fault.New(fault.Invalid, fault.Poison, "type %q does not belong on %s", m.Header("ce_type"), m.Topic)
}
