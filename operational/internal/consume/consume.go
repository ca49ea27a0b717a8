// Package consume is the operational layer's ears for directives and requests: one file per topic, each decode → decide
// → change → publish. The change and what must be published are one transaction of the store's. It decides nothing
// itself; the events topic is package ingest's.
package consume

import (
	"context"
	"log/slog"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/recovery"
)

// Group is the consumer group of the operational layer for state topics.
const Group = "strata-operational"

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
	d      Deps
	handle bus.Handler
}

// Deps are what the consumers share.
type Deps struct {
	Bus        Bus
	Aside      Aside
	Asker      Asker
	Logger     *slog.Logger
	Directives Directives
	Republish  Republish
}

// All returns the consumers of every state topic that the operational layer reads.
func All(d Deps) []*Consumer {
	return []*Consumer{
		{"functional_directives", contract.TopicFunctionalDirectives, d, functionalDirectives(d.Directives)},
		{"requests", contract.TopicOperationalRequests, d, requests(d.Republish)},
	}
}

// Name implements service.Component.
func (c *Consumer) Name() string { return c.name }

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
		return fault.New(fault.Invalid, fault.Poison, "type %q does not belong on %s", m.Header("ce_type"), m.Topic)
	}
}

// Republish publishes every current entity again that goes to a layer.
type Republish func(ctx context.Context, to contract.Layer) error

func requests(again Republish) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		_, r, err := contract.Decode[contract.StateRequest](m)
		if err != nil {
			return err
		}
		return again(ctx, r.Requester)
	}
}
