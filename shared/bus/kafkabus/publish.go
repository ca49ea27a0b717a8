package kafkabus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// publishTimeout bounds one Publish call, attempts included. The client would block for ever on a topic that does not
// exist.
const publishTimeout = 30 * time.Second

// Publish implements bus.Publisher.
func (b *Bus) Publish(ctx context.Context, msgs ...bus.Message) error {
	if err := bus.Check(msgs...); err != nil || len(msgs) == 0 {
		return err
	}
	if !b.enter() {
		return unknown(all(len(msgs)), errors.New("the bus is closed"))
	}
	defer b.publishing.Done()
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	ctx, span := b.tracer.Start(ctx, "send "+msgs[0].Topic, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(
		attribute.String("messaging.system", "kafka"), attribute.String("messaging.destination.name", msgs[0].Topic),
		attribute.Int("messaging.batch.message_count", len(msgs))))
	defer span.End()
	err := b.send(ctx, msgs)
	if err != nil {
		span.SetStatus(codes.Error, "not known to be stored")
	}
	return err
}

// send writes the topics side by side, each in one call, and collects what failed.
func (b *Bus) send(ctx context.Context, msgs []bus.Message) error {
	failed := make([]bool, len(msgs))
	var lock sync.Mutex
	var cause error
	var topics sync.WaitGroup
	for topic, positions := range byTopic(msgs) {
		topics.Go(func() {
			err := b.sendTopic(ctx, topic, positions, msgs, failed)
			lock.Lock()
			defer lock.Unlock()
			cause = first(cause, err)
		})
	}
	topics.Wait()
	if cause == nil {
		return nil
	}
	var indexes []int
	for i, f := range failed {
		if f {
			indexes = append(indexes, i)
		}
	}
	return unknown(indexes, cause)
}

// sendTopic writes the messages at the positions, all of one topic, notes which of them failed, and returns why.
func (b *Bus) sendTopic(ctx context.Context, topic string, positions []int, msgs []bus.Message, failed []bool) (cause error) {
	records := make([]kafka.Message, len(positions))
	for i, at := range positions {
		records[i] = record(bus.Inject(ctx, msgs[at]))
	}
	err := b.writer(topic).WriteMessages(ctx, records...)
	var each kafka.WriteErrors
	perMessage := errors.As(err, &each) && len(each) == len(positions)
	stored := 0
	for i, at := range positions {
		if perMessage {
			failed[at] = each[i] != nil
			cause = first(cause, each[i])
		} else {
			failed[at] = err != nil
			cause = first(cause, err)
		}
		if !failed[at] {
			stored++
		}
	}
	b.observer.Count(ctx, topic, "published", int64(stored))
	b.observer.Count(ctx, topic, "publish_failed", int64(len(positions)-stored))
	return cause
}

func first(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func byTopic(msgs []bus.Message) map[string][]int {
	positions := map[string][]int{}
	for i, m := range msgs {
		positions[m.Topic] = append(positions[m.Topic], i)
	}
	return positions
}

func all(n int) []int {
	indexes := make([]int, n)
	for i := range indexes {
		indexes[i] = i
	}
	return indexes
}

func unknown(indexes []int, cause error) error {
	text := "the messages are not known to be stored: publish them again with the same ids"
	if errors.Is(cause, kafka.UnknownTopicOrPartition) {
		text = "the topic does not exist: run `strata setup`"
	}
	return &bus.PublishError{Indexes: indexes, Err: fault.Wrap(fault.Transient, fault.Unavailable, cause, text)}
}

// record leaves the time to the client and the broker: record time is always the wall clock.
func record(m bus.Message) kafka.Message {
	headers := make([]kafka.Header, len(m.Headers))
	for i, h := range m.Headers {
		headers[i] = kafka.Header{Key: h.Key, Value: h.Value}
	}
	return kafka.Message{Key: []byte(m.Key), Value: m.Value, Headers: headers}
}

// writer returns the topic's one writer. The settings are spelled out because the client's defaults acknowledge
// nothing, ignore keys, and wait a second before each batch. Writers are built nowhere else.
func (b *Bus) writer(topic string) *kafka.Writer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.writers[topic] == nil {
		b.writers[topic] = &kafka.Writer{
			Addr: kafka.TCP(b.brokers...), Topic: topic, Transport: b.transport,
			Balancer:     &kafka.Murmur2Balancer{Consistent: true},
			RequiredAcks: kafka.RequireAll,
			MaxAttempts:  3, // the outbox and the sender's own retries go beyond
			WriteTimeout: callTimeout, ReadTimeout: callTimeout,
			BatchTimeout: 5 * time.Millisecond, BatchSize: 200, BatchBytes: 1_000_000,
			Async: false, AllowAutoTopicCreation: false,
			ErrorLogger: kafka.LoggerFunc(b.trouble),
		}
	}
	return b.writers[topic]
}
