// Package consume is the functional layer's ears: one file per topic, each decode → decide → change → publish. The
// change and what must be published are one transaction of the store's. It decides nothing itself.
package consume

import (
	"context"
	"log/slog"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/recovery"
)

// Group is the consumer group of the functional layer.
const Group = "strata-functional"

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

// Consumer is a component that handles one topic.
type Consumer struct {
	name   string
	topic  string
	bus    Bus
	aside  Aside
	asker  Asker
	logger *slog.Logger
	handle bus.Handler
}

// Name implements service.Component.
func (c *Consumer) Name() string { return c.name }

// Run consumes until ctx ends.
func (c *Consumer) Run(ctx context.Context) error {
	return c.bus.Subscribe(ctx, bus.Subscription{
		Topic: c.topic, Group: Group, Handle: c.handle, Quarantine: c.aside.Quarantine,
		OnGap: func(ctx context.Context, g bus.Gap) error {
			c.logger.ErrorContext(ctx, "messages were deleted before they were read; asking for state again",
				"topic", g.Topic, "partition", g.Partition, "from", g.From, "to", g.To)
			return c.asker.Request(ctx, recovery.Gap)
		},
	})
}

// Deps are what the consumers share.
type Deps struct {
	Bus        Bus
	Aside      Aside
	Asker      Asker
	Logger     *slog.Logger
	Directives Directives
	Measuring  Measuring
	Republish  Republish
}

// All returns the consumers of every topic that the functional layer reads.
func All(d Deps) []*Consumer {
	c := func(name, topic string, h bus.Handler) *Consumer {
		return &Consumer{name: name, topic: topic, bus: d.Bus, aside: d.Aside, asker: d.Asker, logger: d.Logger, handle: h}
	}
	return []*Consumer{
		c("strategic_directives", contract.TopicStrategicDirectives, strategicDirectives(d.Directives, d.Measuring)),
		c("operational_acks", contract.TopicOperationalAcks, operationalAcks(d.Directives, d.Measuring, d.Logger)),
		c("measurements", contract.TopicMeasurements, measurements(d.Measuring, d.Logger)),
		c("requests", contract.TopicFunctionalRequests, requests(d.Republish)),
	}
}

// otherType returns an Invalid fault for a type that does not belong on the topic.
func otherType(m bus.Message) error {
	return fault.New(fault.Invalid, fault.Poison, "type %q does not belong on %s", m.Header("ce_type"), m.Topic)
}
