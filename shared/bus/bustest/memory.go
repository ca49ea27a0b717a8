// Package bustest has a bus in memory for the unit tests of services, and the suite that every bus must pass. It owns no
// rules of its own: what it does with messages is package bus's contract. Nothing of it survives the test.
package bustest

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace/noop"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/internal/delivery"
	"github.com/strata-crm/strata/shared/fault"
)

// Bus is a bus in memory. It implements every interface of package bus and may be used by many goroutines. Like a
// broker that is set up properly it does not create topics by itself: call EnsureTopics first.
type Bus struct {
	observer delivery.Observer

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change; guarded by mu
	cluster string
	topics  map[string]*topic
	groups  map[[2]string]*group
	failing []error // what the next Publish calls return
	losing  int     // how many next Publish calls store but fail
}

type topic struct {
	spec       bus.TopicSpec
	partitions []*partition
}

type partition struct {
	first    int64
	messages []bus.Message // messages[i].Offset == first+i
}

func (p *partition) end() int64 { return p.first + int64(len(p.messages)) }

// Memory returns an empty bus with the given topics.
func Memory(t testing.TB, specs ...bus.TopicSpec) *Bus {
	t.Helper()
	tracer := noop.NewTracerProvider().Tracer("bustest")
	b := &Bus{
		observer: delivery.Observer{Logger: slog.New(slog.DiscardHandler), Tracer: tracer},
		changed:  make(chan struct{}), cluster: "memory",
		topics: map[string]*topic{}, groups: map[[2]string]*group{},
	}
	if err := b.EnsureTopics(t.Context(), specs...); err != nil {
		t.Fatal(err)
	}
	return b
}

// touch wakes everybody who waits for a change. b.mu is held.
func (b *Bus) touch() {
	close(b.changed)
	b.changed = make(chan struct{})
}

// until calls ready under the lock, again after every change, until it reports true or ctx ends.
func (b *Bus) until(ctx context.Context, ready func() bool) error {
	for {
		b.mu.Lock()
		ok, changed := ready(), b.changed
		b.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Publish implements bus.Publisher.
func (b *Bus) Publish(ctx context.Context, msgs ...bus.Message) error {
	if err := bus.Check(msgs...); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return unknown(len(msgs), err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.failing) > 0 {
		err := b.failing[0]
		b.failing = b.failing[1:]
		return unknown(len(msgs), err)
	}
	for _, m := range msgs {
		if b.topics[m.Topic] == nil {
			return unknown(len(msgs), missing(m.Topic))
		}
	}
	for _, m := range msgs {
		b.store(bus.Inject(ctx, m))
	}
	b.touch()
	if b.losing > 0 {
		b.losing--
		return unknown(len(msgs), fmt.Errorf("the reply was lost"))
	}
	return nil
}

func (b *Bus) store(m bus.Message) {
	parts := b.topics[m.Topic].partitions
	m.Partition = bus.PartitionOf(m.Key, len(parts))
	p := parts[m.Partition]
	m.Offset, m.Value = p.end(), slices.Clone(m.Value)
	if m.Time.IsZero() {
		m.Time = time.Now().UTC().Truncate(time.Millisecond)
	}
	p.messages = append(p.messages, m)
}

func unknown(n int, err error) error {
	e := &bus.PublishError{Err: fault.Wrap(fault.Transient, fault.Unavailable, err, "the messages could not be stored: publish them again")}
	for i := range n {
		e.Indexes = append(e.Indexes, i)
	}
	return e
}

func missing(topic string) error {
	return fault.New(fault.NotFound, fault.SetupRequired, "topic %s does not exist: run `strata setup`", topic)
}

// FailPublish makes the next len(errs) Publish calls store nothing and fail with these causes.
func (b *Bus) FailPublish(errs ...error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.failing = append(b.failing, errs...)
}

// LoseReplies makes the next n Publish calls store everything and fail all the same.
func (b *Bus) LoseReplies(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.losing += n
}

// Truncate deletes the messages of a partition before an offset, as retention does.
func (b *Bus) Truncate(topic string, partition int, before int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	tp := b.topics[topic]
	if tp == nil || partition >= len(tp.partitions) || before > tp.partitions[partition].end() {
		return missing(topic)
	}
	p := tp.partitions[partition]
	if before > p.first {
		p.messages, p.first = slices.Clone(p.messages[before-p.first:]), before
	}
	b.touch()
	return nil
}

// Replace empties every topic, forgets every group and changes the cluster id, as a lost data folder does.
func (b *Bus) Replace(clusterID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cluster = clusterID
	for _, tp := range b.topics {
		for i := range tp.partitions {
			tp.partitions[i] = &partition{}
		}
	}
	for _, g := range b.groups {
		g.committed = map[int]int64{}
		g.generation++
	}
	b.touch()
}

// Messages returns what a topic holds, partition by partition; nil for an unknown topic.
func (b *Bus) Messages(topic string) []bus.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.messages(topic)
}

func (b *Bus) messages(topic string) []bus.Message {
	var all []bus.Message
	if tp := b.topics[topic]; tp != nil {
		for _, p := range tp.partitions {
			all = append(all, p.messages...)
		}
	}
	return all
}

// Await returns what a topic holds as soon as that is n messages or more, and fails the test when ctx ends first.
func (b *Bus) Await(ctx context.Context, t testing.TB, topic string, n int) []bus.Message {
	t.Helper()
	var got []bus.Message
	if err := b.until(ctx, func() bool { got = b.messages(topic); return len(got) >= n }); err != nil {
		t.Fatalf("waiting for %d messages in %s: %v, got %d", n, topic, err, len(got))
	}
	return got
}

// AwaitGroup returns when the group has committed every message of the topic, and fails the test when ctx ends first.
func (b *Bus) AwaitGroup(ctx context.Context, t testing.TB, topic, group string) {
	t.Helper()
	var behind []int
	caughtUp := func() bool {
		behind = nil
		g, tp := b.groups[[2]string{topic, group}], b.topics[topic]
		if g == nil || tp == nil {
			return false
		}
		for i, p := range tp.partitions {
			if g.committed[i] < p.end() {
				behind = append(behind, i)
			}
		}
		return len(behind) == 0
	}
	if err := b.until(ctx, caughtUp); err != nil {
		t.Fatalf("group %s did not reach the end of %s: %v, partitions behind: %v", group, topic, err, behind)
	}
}

// EnsureTopics implements bus.Admin.
func (b *Bus) EnsureTopics(_ context.Context, specs ...bus.TopicSpec) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range specs {
		if s.Name == "" || s.Partitions < 1 {
			return fault.New(fault.Invalid, fault.BadRequest, "topic %q with %d partitions: name it and give it one or more", s.Name, s.Partitions)
		}
		tp := b.topics[s.Name]
		if tp == nil {
			tp = &topic{spec: bus.TopicSpec{Name: s.Name, Partitions: s.Partitions, Config: map[string]string{}}}
			for range s.Partitions {
				tp.partitions = append(tp.partitions, &partition{})
			}
			b.topics[s.Name] = tp
		}
		if tp.spec.Partitions != s.Partitions {
			return fault.New(fault.Conflict, fault.SetupRequired, "topic %s has %d partitions and should have %d: a partition count is never changed",
				s.Name, tp.spec.Partitions, s.Partitions)
		}
		maps.Copy(tp.spec.Config, s.Config)
	}
	b.touch()
	return nil
}

// VerifyTopics implements bus.Admin.
func (b *Bus) VerifyTopics(_ context.Context, specs ...bus.TopicSpec) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var wrong []string
	for _, s := range specs {
		tp := b.topics[s.Name]
		if tp == nil {
			wrong = append(wrong, s.Name+" is missing")
			continue
		}
		wrong = append(wrong, delivery.Differences(s, tp.spec)...)
	}
	return delivery.SetupRequired(wrong)
}
