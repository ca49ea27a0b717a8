// Package bus is how the layers speak: keyed messages in partitioned, ordered, durable logs. It owns the words
// (message, publisher, subscription, log sink) and the rules every implementation keeps: what may be published, where a
// key is placed, and how a trace travels. It holds no client of any broker: package kafkabus is the one for Kafka, and
// bustest has one in memory together with the suite that both must pass.
//
// Delivery is at least once, always: a publisher that got an error publishes again with the same ids, and two consumers
// may for a moment both handle a partition. Whoever consumes must make repetition harmless.
package bus

import (
	"context"
	"fmt"
	"time"
)

// Header is one attribute beside a message's value.
type Header struct {
	Key   string
	Value []byte
}

// Message is one record of a topic.
type Message struct {
	Topic   string
	Key     string // places the message in its partition (see PartitionOf); never empty
	Value   []byte
	Headers []Header

	Partition int       // set on receipt
	Offset    int64     // set on receipt; dense: the next message of the partition has Offset+1
	Time      time.Time // set on receipt: when the broker stored it, UTC
}

// Header returns the value of the first header with the key, or "".
func (m Message) Header(key string) string {
	for _, h := range m.Headers {
		if h.Key == key {
			return string(h.Value)
		}
	}
	return ""
}

// Size returns the bytes that count towards MaxMessageBytes: key, value and headers.
func (m Message) Size() int {
	n := len(m.Key) + len(m.Value)
	for _, h := range m.Headers {
		n += len(h.Key) + len(h.Value)
	}
	return n
}

// Publisher stores messages.
type Publisher interface {
	// Publish returns nil when every message is stored by all in-sync replicas. Messages of one key keep their order in
	// a call that returned nil, and across calls only if the earlier one returned nil before the later began. A
	// *PublishError lists the messages that may or may not be stored: publish those again with the same ids. Anything
	// that Check refuses is returned as fault.Invalid before anything is sent. The trace of ctx is put into messages
	// that carry none, and baggage is taken out of all.
	Publish(ctx context.Context, msgs ...Message) error
}

// PublishError says which messages of one Publish call are not known to be stored. It wraps a fault.Transient error.
type PublishError struct {
	Indexes []int // positions in the call's arguments, ascending
	Err     error
}

// Error implements error.
func (e *PublishError) Error() string {
	return fmt.Sprintf("%d messages are not known to be stored: %v", len(e.Indexes), e.Err)
}

// Unwrap returns the cause.
func (e *PublishError) Unwrap() error { return e.Err }

// Handler handles one message. ctx carries the consumer's span, whose parent is the message's traceparent, and ends
// when the partition is given to another member: a handler returns promptly then. A nil error lets the offset pass. What an
// error does is decided by its kind (fault.Kind.Action): Retry calls the handler again after a pause, for ever, and
// never skips; Quarantine calls Subscription.Quarantine and goes on when that returns nil; Commit goes on.
type Handler func(ctx context.Context, m Message) error

// Gap is a range of offsets [From, To) that cannot be read any more, because retention or a person deleted it. To < From
// means that the whole log was replaced by a shorter one and reading begins again at To.
type Gap struct {
	Topic     string
	Partition int
	From, To  int64
}

// Subscription is one group's handling of one topic. All fields are required. Subscriptions of a group to different
// topics do not know of one another.
type Subscription struct {
	Topic, Group string
	Handle       Handler
	// Quarantine keeps a message that cannot be handled, with the cause. It must be durable before it returns nil; an
	// error is retried in place.
	Quarantine func(ctx context.Context, m Message, cause error) error
	// OnGap learns of messages that are gone. Only after it returns nil does the group go on behind them.
	OnGap func(ctx context.Context, g Gap) error
	// OnAssigned, unless nil, learns that a partition is this member's from now on until ctx ends, before its first message.
	// It must not block.
	OnAssigned func(ctx context.Context, partition int)
}

// Subscriber delivers a topic to the members of a group.
type Subscriber interface {
	// Subscribe handles messages until ctx ends and then returns nil. Each partition is handled by one member of the
	// group, in order, one message at a time; partitions are handled side by side. A group that never committed begins
	// at the first offset. Subscribe outlives restarts of the broker and topics that do not exist yet. It returns an
	// error only for an incomplete Subscription (fault.Invalid).
	Subscribe(ctx context.Context, s Subscription) error
}

// PartitionState is what a partition holds: offsets [First, End).
type PartitionState struct {
	Partition  int
	First, End int64
}

// LogInfo describes a topic's log, partitions ascending.
type LogInfo struct {
	ClusterID  string // of the broker's storage; another id means another log, whatever the offsets say
	Partitions []PartitionState
}

// LogSink owns the offsets of a partitioned log in its own database. Its methods are called one at a time for a
// partition, at once for different ones, though Apply may wait until other partitions had their turn; their ctx ends
// when the partition goes to another member, and they return promptly then.
type LogSink interface {
	// Position says where to begin in the partition. It is called at every assignment. An error keeps the partition
	// idle and is retried. A position before p.First is reported to Gap; one after p.End keeps the partition idle as an
	// error does.
	Position(ctx context.Context, topic string, p PartitionState, clusterID string) (next int64, err error)
	// Apply handles 1 to MaxBatch consecutive messages of one partition and returns the offset to go on with: usually
	// that after the last; another value seeks. After an error the same batch comes again, after a pause.
	Apply(ctx context.Context, topic string, partition int, batch []Message) (next int64, err error)
	// Gap records that [g.From, g.To) cannot be read any more. After nil reading goes on at g.To; an error is retried.
	Gap(ctx context.Context, g Gap) error
}

// LogConsumer feeds a log to a sink that owns the offsets.
type LogConsumer interface {
	// ConsumeLog shares the topic's partitions among the group's members and feeds this member's to the sink until
	// ctx ends; then it returns nil. Offsets committed to the broker are a hint for lag tools and never read back.
	ConsumeLog(ctx context.Context, topic, group string, sink LogSink) error
}

// LogReader reads logs without a group.
type LogReader interface {
	// ReadAll calls fn for every message from each partition's first offset to its end at the time of the call, then
	// returns nil. Partitions come one after another. It stops at fn's first error and returns that; failures of the
	// broker are fault.Transient, an unknown topic is fault.NotFound.
	ReadAll(ctx context.Context, topic string, fn func(Message) error) error
	// Log returns the state of the topic's partitions; fault.NotFound for an unknown topic.
	Log(ctx context.Context, topic string) (LogInfo, error)
}

// GroupReader tells how far a group has come.
type GroupReader interface {
	// Committed returns the next offset the group committed, by partition; partitions without a commit are absent.
	Committed(ctx context.Context, topic, group string) (map[int]int64, error)
}

// TopicSpec is a topic as it ought to be.
type TopicSpec struct {
	Name       string
	Partitions int
	Config     map[string]string // Kafka's topic settings; those not named here are left alone
}

// Admin prepares topics.
type Admin interface {
	// EnsureTopics creates what is missing and sets configuration that differs. It may be repeated. It never changes
	// a partition count, because that would move keys: a mismatch is fault.Conflict.
	EnsureTopics(ctx context.Context, specs ...TopicSpec) error
	// VerifyTopics returns nil when every topic is there as specified, else an error with code setup_required that
	// names what is missing and the command that mends it.
	VerifyTopics(ctx context.Context, specs ...TopicSpec) error
}
