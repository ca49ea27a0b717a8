// Package listen is how a service hears the state that the other layers send: a component per topic that sets aside what
// can never be handled, asks for state again where messages were lost, and answers requests for its own. What a message
// means is the service's; the events of customers are not state and go another way (bus.LogSink).
package listen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/recovery"
)

// Bus is what listening needs, and watching over it.
type Bus interface {
	bus.Reader
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

// Ears are what the listeners of a service share. All fields but Meter are required.
type Ears struct {
	Group  string // the consumer group of the layer
	Bus    Bus
	Aside  Aside
	Asker  Asker
	Logger *slog.Logger
	Meter  metric.MeterProvider // counts fields of messages that are not known here; nil counts nothing
}

// Check returns an error naming what is missing.
func (e Ears) Check() error {
	if e.Group == "" || e.Bus == nil || e.Aside == nil || e.Asker == nil || e.Logger == nil {
		return errors.New("listening needs group, bus, aside, asker and logger")
	}
	return nil
}

// To returns a component called name that hands every message of a topic to h until its ctx ends.
func (e Ears) To(name, topic string, h bus.Handler) *Listener {
	return &Listener{ears: e, name: name, topic: topic, handle: h}
}

// Listener is a component that handles one topic.
type Listener struct {
	ears   Ears
	name   string
	topic  string
	handle bus.Handler
	held   bus.Held
}

// Name implements service.Component.
func (l *Listener) Name() string { return l.name }

// Topic returns the topic that is heard.
func (l *Listener) Topic() string { return l.topic }

// Progress implements service.Progress: how far it is in the partitions that this member of the group has.
func (l *Listener) Progress(ctx context.Context) (map[int]bus.Standing, error) {
	return bus.Progress(ctx, l.ears.Bus, l.topic, l.ears.Group, &l.held)
}

// Run listens until ctx ends.
func (l *Listener) Run(ctx context.Context) error {
	handle, err := l.counting()
	if err != nil {
		return err
	}
	return l.ears.Bus.Subscribe(ctx, bus.Subscription{
		Topic: l.topic, Group: l.ears.Group, Handle: handle, Quarantine: l.ears.Aside.Quarantine, OnGap: l.passed, OnAssigned: l.held.Take,
	})
}

// counting returns the handler with a count of the fields that a newer sender writes and nobody here reads.
func (l *Listener) counting() (bus.Handler, error) {
	if l.ears.Meter == nil {
		return l.handle, nil
	}
	unknown, err := l.ears.Meter.Meter("strata/listen").Int64Counter("strata.messages.unknown.fields",
		metric.WithDescription("Fields of messages that this release does not know, by topic."))
	if err != nil {
		return nil, fmt.Errorf("count unknown fields: %w", err)
	}
	return func(ctx context.Context, m bus.Message) error {
		if n := len(contract.UnknownIn(m.Header("ce_type"), m.Value)); n > 0 {
			unknown.Add(ctx, int64(n), metric.WithAttributes(attribute.String("topic", m.Topic)))
		}
		return l.handle(ctx, m)
	}, nil
}

// passed asks for state again, because the messages of a gap were the newest state of something.
func (l *Listener) passed(ctx context.Context, g bus.Gap) error {
	l.ears.Logger.ErrorContext(ctx, "messages were deleted before they were read; asking for state again",
		"topic", g.Topic, "partition", g.Partition, "from", g.From, "to", g.To)
	return l.ears.Asker.Request(ctx, recovery.Gap)
}

// Republish publishes every current entity again that goes to a layer.
type Republish func(ctx context.Context, to contract.Layer) error

// Requests returns the handler of a layer's topic of state requests.
func Requests(again Republish) bus.Handler {
	return func(ctx context.Context, m bus.Message) error {
		_, r, err := contract.Decode[contract.StateRequest](m)
		if err != nil {
			return err
		}
		return again(ctx, r.Requester)
	}
}

// OtherType returns an Invalid fault for a message whose type does not belong on its topic.
func OtherType(m bus.Message) error {
	return fault.New(fault.Invalid, fault.Poison, "type %q does not belong on %s", m.Header("ce_type"), m.Topic)
}

// UnknownHere logs what is about something that this layer does not know, and passes every other error on. Dropping it
// loses nothing: when the thing comes to be known, state is asked for again.
func (e Ears) UnknownHere(ctx context.Context, what, id string, err error) error {
	if !fault.Is(err, fault.NotFound) {
		return err
	}
	e.Logger.WarnContext(ctx, "a message is about something that is not known here", "what", what, "id", id)
	return nil
}
