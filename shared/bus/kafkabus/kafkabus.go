// Package kafkabus carries the bus over Apache Kafka, or anything that speaks its protocol, with segmentio/kafka-go. It
// owns every setting of that client, because several of its defaults lose, reorder or repeat messages silently; nobody
// else builds a writer or a reader. It does not own topics' names or settings (package contract) nor what is done with
// a message (package delivery beneath bus).
//
// What it relies on: topics are neither compacted nor transactional, so offsets are dense and a jump is a loss. What it
// guarantees beyond the client: acknowledgement by all in-sync replicas; keys placed as Kafka's Java client places
// them; every jump in offsets reported before it is passed; no commit by a member that has lost the partition; no
// goroutine left after Close and the end of every ctx.
package kafkabus

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/strata-crm/strata/shared/bus/internal/delivery"
	"github.com/strata-crm/strata/shared/fault"
)

// callTimeout bounds one request to the broker and its answer.
const callTimeout = 5 * time.Second

const scope = "github.com/strata-crm/strata/shared/bus/kafkabus"

// SASL is a user of the broker. The empty Mechanism is SCRAM-SHA-512; PLAIN is allowed only with TLS.
type SASL struct{ Mechanism, Username, Password string }

// Options says which brokers to use and how.
type Options struct {
	Brokers  []string // host:port of one or more; required
	ClientID string   // names this process in the broker's logs; required
	// Dial opens connections; nil = TCP. Package broker gives one that needs no port.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	TLS    *tls.Config // nil = no TLS
	SASL   *SASL       // nil = no sign-in
	Logger *slog.Logger
	Tracer trace.TracerProvider // nil = none
	Meter  metric.MeterProvider // nil = none
}

// Bus is one process's connection to the brokers. It implements every interface of package bus and may be used by many
// goroutines.
type Bus struct {
	brokers   []string
	dialer    *kafka.Dialer
	transport *kafka.Transport
	mechanism sasl.Mechanism
	logger    *slog.Logger
	observer  delivery.Observer
	tracer    trace.Tracer
	errors    metric.Int64Counter

	mu         sync.Mutex
	writers    map[string]*kafka.Writer
	closed     bool
	publishing sync.WaitGroup // Publish calls under way; added to only while not closed
}

// New returns a bus. It opens no connection: an unreachable broker shows as errors of the calls.
func New(o Options) (*Bus, error) {
	if len(o.Brokers) == 0 || o.ClientID == "" || o.Logger == nil {
		return nil, errors.New("kafkabus needs Brokers, ClientID and Logger")
	}
	mechanism, err := o.mechanism()
	if err != nil {
		return nil, err
	}
	if o.Tracer == nil {
		o.Tracer = tracenoop.NewTracerProvider()
	}
	if o.Meter == nil {
		o.Meter = metricnoop.NewMeterProvider()
	}
	b := &Bus{
		brokers: o.Brokers, mechanism: mechanism, logger: o.Logger, tracer: o.Tracer.Tracer(scope), writers: map[string]*kafka.Writer{},
		dialer: &kafka.Dialer{ClientID: o.ClientID, DialFunc: o.Dial, Timeout: callTimeout, TLS: o.TLS, SASLMechanism: mechanism, DualStack: true},
	}
	b.transport = b.newTransport()
	b.observer = delivery.Observer{Logger: o.Logger, Tracer: b.tracer}
	return b, b.instrument(o.Meter.Meter(scope))
}

func (o Options) mechanism() (sasl.Mechanism, error) {
	if o.SASL == nil {
		return nil, nil
	}
	switch o.SASL.Mechanism {
	case "", scram.SHA512.Name():
		return scram.Mechanism(scram.SHA512, o.SASL.Username, o.SASL.Password)
	case scram.SHA256.Name():
		return scram.Mechanism(scram.SHA256, o.SASL.Username, o.SASL.Password)
	case "PLAIN":
		if o.TLS == nil {
			return nil, fault.New(fault.Invalid, fault.BadRequest, "SASL PLAIN sends the password as it is: configure TLS, or use SCRAM-SHA-512")
		}
		return plain.Mechanism{Username: o.SASL.Username, Password: o.SASL.Password}, nil
	}
	return nil, fault.New(fault.Invalid, fault.BadRequest, "SASL mechanism %q is not known: use SCRAM-SHA-512, SCRAM-SHA-256 or PLAIN", o.SASL.Mechanism)
}

func (b *Bus) instrument(m metric.Meter) (err error) {
	messages, err := m.Int64Counter("strata.bus.messages", metric.WithDescription("messages by topic and what happened to them"))
	if err != nil {
		return err
	}
	b.observer.Count = func(ctx context.Context, topic, what string, n int64) {
		messages.Add(ctx, n, metric.WithAttributes(attribute.String("topic", topic), attribute.String("what", what)))
	}
	b.errors, err = m.Int64Counter("strata.bus.client.errors", metric.WithDescription("errors that the Kafka client reported"))
	return err
}

// newTransport returns a transport of this process's own: the client's default one leaks its goroutines.
func (b *Bus) newTransport() *kafka.Transport {
	return &kafka.Transport{Dial: b.dialer.DialFunc, DialTimeout: callTimeout, ClientID: b.dialer.ClientID, TLS: b.dialer.TLS, SASL: b.mechanism}
}

// trouble receives the client's own error log.
func (b *Bus) trouble(format string, args ...any) {
	b.errors.Add(context.Background(), 1)
	b.logger.Debug("kafka client: " + fmt.Sprintf(format, args...))
}

// Close refuses further Publish calls, waits for those under way, and closes the writers and idle connections.
// Subscriptions end with their own ctx, not here. It returns ctx's error when the broker keeps a writer from closing in
// time.
func (b *Bus) Close(ctx context.Context) error {
	b.mu.Lock()
	b.closed = true
	writers := slices.Collect(maps.Values(b.writers))
	b.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		b.publishing.Wait()
		var err error
		for _, w := range writers {
			err = errors.Join(err, w.Close())
		}
		b.transport.CloseIdleConnections()
		done <- err
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("closing the bus: %w", ctx.Err())
	}
}

// enter notes a Publish call and returns false when the bus is closed.
func (b *Bus) enter() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.closed {
		b.publishing.Add(1)
	}
	return !b.closed
}
