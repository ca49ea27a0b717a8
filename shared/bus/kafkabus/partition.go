package kafkabus

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/internal/delivery"
)

const (
	// longPoll is how long the broker holds a fetch that finds nothing; it answers as soon as there is something.
	longPoll = 250 * time.Millisecond
	// batchBytes closes a batch early, so that a partition of large messages does not fill the memory.
	batchBytes = 4 << 20
)

// errReposition means that the log does not go on where we were: it was replaced, or lost its end.
var errReposition = errors.New("the position is not in the log")

// follow handles one partition for a subscription.
func (b *Bus) follow(ctx context.Context, s bus.Subscription, g *generation, a kafka.PartitionAssignment) {
	at, anew := a.Offset, false
	if s.OnAssigned != nil {
		s.OnAssigned(ctx, a.ID)
	}
	step := func(ctx context.Context, batch []bus.Message) (int64, error) {
		for _, m := range batch {
			if err := b.observer.Handle(ctx, s, m); err != nil {
				return 0, err
			}
			at = m.Offset + 1
			g.pass(a.ID, at)
		}
		return at, nil
	}
	gap := func(ctx context.Context, gap bus.Gap) error { return b.observer.Gap(ctx, gap, s.OnGap) }
	for ctx.Err() == nil {
		var p bus.PartitionState
		look := func() (err error) { p, _, err = b.state(ctx, g, a.ID, anew); return err }
		if b.patiently(ctx, s.Topic, look) != nil {
			return
		}
		anew = true
		if at < 0 { // the group has never committed
			at = p.First
		}
		if at < p.First || at > p.End {
			if gap(ctx, bus.Gap{Topic: s.Topic, Partition: a.ID, From: at, To: p.First}) != nil {
				return
			}
			at = p.First
			g.pass(a.ID, at)
		}
		_ = b.stream(ctx, s.Topic, a.ID, at, flow{step: step, gap: gap}) // it ended with ctx, or to look where to go on
		b.patientlyPause(ctx)
	}
}

// feed brings one partition to a sink, in its turn.
func (b *Bus) feed(ctx context.Context, topic string, sink bus.LogSink, g *generation, partition int, t *turn) {
	anew := false
	look := func() (bus.PartitionState, string, error) {
		p, cluster, err := b.state(ctx, g, partition, anew)
		anew = true
		return p, cluster, err
	}
	step := func(ctx context.Context, batch []bus.Message) (int64, error) {
		next, err := b.observer.Apply(ctx, inTurn{sink, t}, topic, partition, batch)
		if err == nil {
			g.pass(partition, next)
		}
		return next, err
	}
	gap := func(ctx context.Context, gap bus.Gap) error {
		t.give()
		return b.observer.Gap(ctx, gap, sink.Gap)
	}
	for ctx.Err() == nil {
		at, err := b.observer.Position(ctx, sink, topic, look)
		if err != nil {
			return
		}
		_ = b.stream(ctx, topic, partition, at, flow{ready: t.take, step: step, gap: gap}) // it ended with ctx, or to look where to go on
		t.give()
		b.patientlyPause(ctx)
	}
}

func (b *Bus) patiently(ctx context.Context, topic string, do func() error) error {
	return delivery.Until(ctx, do, func(err error) {
		b.logger.WarnContext(ctx, "a partition cannot be read yet", slog.String("topic", topic), slog.Any("error", err))
	})
}

// patientlyPause keeps a partition whose log is unwell from asking in a tight loop.
func (b *Bus) patientlyPause(ctx context.Context) {
	var pause delivery.Backoff
	_ = pause.Wait(ctx) // an error is ctx's end, which the caller sees
}

// flow is what becomes of a partition's messages.
type flow struct {
	ready func(ctx context.Context) error // called when there is a message, before a batch is gathered; nil = at once
	step  func(ctx context.Context, batch []bus.Message) (next int64, err error)
	gap   func(ctx context.Context, g bus.Gap) error
}

// stream feeds the partition's messages from at on to step, in batches of what is there, until ctx ends or the log does
// not go on (errReposition), and always returns which of the two. A jump in offsets goes to gap before anything behind it is handled.
func (b *Bus) stream(ctx context.Context, topic string, partition int, at int64, f flow) error {
	for {
		next, err := b.streamFrom(ctx, topic, partition, at, f)
		if err != nil {
			return err
		}
		at = next // step asked for another place
	}
}

// streamFrom is stream until step seeks; it returns where to.
func (b *Bus) streamFrom(ctx context.Context, topic string, partition int, at int64, f flow) (int64, error) {
	reader := b.reader(topic, partition)
	defer reader.Close()
	if err := reader.SetOffset(at); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	queue := make(chan fetched, bus.MaxBatch)
	pumped := make(chan struct{})
	go func() {
		defer close(pumped)
		cancel(b.pump(ctx, reader, queue))
	}()
	defer func() { cancel(nil); <-pumped }()
	source := source{queue: queue, expected: at, ready: f.ready}
	for {
		batch, jumpTo, err := source.next(ctx)
		if err != nil {
			return 0, context.Cause(ctx)
		}
		if jumpTo > source.expected {
			if err := f.gap(ctx, bus.Gap{Topic: topic, Partition: partition, From: source.expected, To: jumpTo}); err != nil {
				return 0, err
			}
			source.expected = jumpTo
			continue
		}
		next, err := f.step(ctx, batch)
		if err != nil || next != source.expected {
			return next, err
		}
	}
}

func (b *Bus) reader(topic string, partition int) *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{
		Brokers: b.brokers, Dialer: b.dialer, Topic: topic, Partition: partition,
		MinBytes: 1, MaxBytes: 10e6, MaxWait: longPoll, QueueCapacity: 100, ReadLagInterval: -1,
		OffsetOutOfRangeError: true, ErrorLogger: kafka.LoggerFunc(b.trouble),
	})
}

// pump moves messages from the reader to the queue until ctx ends or the position is not in the log. Other errors are
// the broker's, and the reader goes on after them by itself.
func (b *Bus) pump(ctx context.Context, reader *kafka.Reader, queue chan<- fetched) error {
	for {
		m, err := reader.FetchMessage(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, kafka.OffsetOutOfRange):
			return errReposition
		case err != nil:
			b.trouble("reading partition %d of %s: %v", m.Partition, m.Topic, err)
			continue
		}
		select {
		case queue <- fetched{message(m), m.HighWaterMark}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func message(m kafka.Message) bus.Message {
	headers := make([]bus.Header, len(m.Headers))
	for i, h := range m.Headers {
		headers[i] = bus.Header{Key: h.Key, Value: h.Value}
	}
	return bus.Message{Topic: m.Topic, Key: string(m.Key), Value: m.Value, Headers: headers, Partition: m.Partition, Offset: m.Offset, Time: m.Time.UTC()}
}
