package bustest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/strata-crm/strata/shared/bus"
)

// patience bounds every wait of the suite; a bus that works needs a fraction of it.
const patience = 60 * time.Second

// Client is one process's bus.
type Client interface {
	bus.Publisher
	bus.Subscriber
	bus.LogConsumer
	bus.LogReader
	bus.GroupReader
	bus.Admin
}

// Harness is a bus under test with the ways to hurt it. A fault that is nil cannot be made there; its tests are skipped
// and say so.
type Harness struct {
	// Open connects another process; it is closed when the test ends. Required.
	Open func(t *testing.T) Client
	// Truncate deletes a partition's messages before an offset, as retention does.
	Truncate func(t *testing.T, topic string, partition int, before int64)
	// LoseReplies makes the next n writes happen without the writer learning of it.
	LoseReplies func(n int)
	// HoldWrite keeps the next write from the broker until release is called. held is closed once it is on its way.
	HoldWrite func() (held <-chan struct{}, release func())
	// Restart stops the broker and starts it again on the same log. It returns while clients are still reconnecting.
	Restart func(t *testing.T)
}

// Test is what every bus must pass. open is called for each test.
func Test(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"a message goes where its key belongs, in order", keyedOrder},
		{"a message without key or too large is refused", refused},
		{"publishing to a missing topic fails", missingTopic},
		{"a lost reply may double a message but not lose it", lostReply},
		{"an abandoned publish is unknown, and can be repeated", abandoned},
		{"a publish that failed may be stored later", late},
		{"a group goes on where it was", resume},
		{"a failing message is tried in place and never skipped", retryInPlace},
		{"a panic is a failure like others", panics},
		{"a refused message is set aside before the next", quarantine},
		{"a subscription learns of a gap before it goes on", subscriptionGap},
		{"a sink learns of a gap before it goes on", sinkGap},
		{"a sink decides where to begin, and may seek", sinkPosition},
		{"a sink without position stays idle", sinkIdle},
		{"a batch that fails comes again whole", sinkRetry},
		{"batches are consecutive and bounded", batches},
		{"members share, doubling at most, and never turn the group back", rebalance},
		{"a handler is told when its partition may go to another", release},
		{"a member learns which partitions it has", assigned},
		{"reading all ends", readAll},
		{"a restart of the broker is survived", restart},
		{"a trace goes along, baggage does not", traces},
		{"topics are made once, verified, and never repartitioned", topics},
		{"a message arrives at once", latency},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(t, open(t))
		})
	}
}

// Restarts is the part of Test that restarts the broker, alone: for a broker that other tests use too.
func Restarts(t *testing.T, h Harness) { restart(t, h) }

// bench is what most tests begin with: a client, a topic, a deadline.
type bench struct {
	Harness
	t      *testing.T
	ctx    context.Context
	client Client
	topic  string
}

func setUp(t *testing.T, h Harness, partitions int) *bench {
	t.Helper()
	return setUpWithin(t, h, partitions, patience)
}

func setUpWithin(t *testing.T, h Harness, partitions int, within time.Duration) *bench {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	t.Cleanup(cancel)
	b := &bench{Harness: h, t: t, ctx: ctx, client: h.Open(t), topic: "t-" + uuid.NewString()}
	b.must(b.client.EnsureTopics(ctx, bus.TopicSpec{Name: b.topic, Partitions: partitions}))
	return b
}

func (b *bench) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// messages returns n messages with values "0", "1", … spread over keys.
func (b *bench) messages(from, n, keys int) []bus.Message {
	ms := make([]bus.Message, n)
	for i := range ms {
		ms[i] = bus.Message{Topic: b.topic, Key: fmt.Sprintf("key-%d", (from+i)%keys), Value: fmt.Appendf(nil, "%d", from+i)}
	}
	return ms
}

func (b *bench) publish(from, n, keys int) {
	b.t.Helper()
	b.must(b.client.Publish(b.ctx, b.messages(from, n, keys)...))
}

// run starts do and returns a function that ends its ctx and waits for it; so does the end of the test.
func (b *bench) run(do func(ctx context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(b.ctx)
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				b.t.Errorf("ended with %v, want nil at the end of its ctx", err)
			}
		case <-time.After(patience):
			b.t.Error("did not end with its ctx")
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// journal collects what was delivered.
type journal struct {
	mu      sync.Mutex
	entries []string
	changed chan struct{}
}

func newJournal() *journal { return &journal{changed: make(chan struct{})} }

func (j *journal) add(format string, args ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = append(j.entries, fmt.Sprintf(format, args...))
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *journal) all() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.entries...)
}

// await returns the entries once ready says so.
func (j *journal) await(b *bench, what string, ready func([]string) bool) []string {
	b.t.Helper()
	for {
		j.mu.Lock()
		entries, changed := append([]string(nil), j.entries...), j.changed
		j.mu.Unlock()
		if ready(entries) {
			return entries
		}
		select {
		case <-changed:
		case <-b.ctx.Done():
			b.t.Fatalf("%s did not happen; %d entries, last %q", what, len(entries), entries[max(0, len(entries)-10):])
		}
	}
}

func count(n int) func([]string) bool { return func(e []string) bool { return len(e) >= n } }

// distinct is ready when n different entries have come.
func distinct(n int) func([]string) bool {
	return func(entries []string) bool {
		set := map[string]bool{}
		for _, e := range entries {
			set[e] = true
		}
		return len(set) >= n
	}
}

// subscription journals values, and "quarantined v" and "gap a-b".
func (b *bench) subscription(group string, j *journal) bus.Subscription {
	return bus.Subscription{
		Topic: b.topic, Group: group,
		Handle: func(_ context.Context, m bus.Message) error { j.add("%s", m.Value); return nil },
		Quarantine: func(_ context.Context, m bus.Message, _ error) error {
			j.add("quarantined %s", m.Value)
			return nil
		},
		OnGap: func(_ context.Context, g bus.Gap) error { j.add("gap %d-%d", g.From, g.To); return nil },
	}
}

func (b *bench) subscribe(s bus.Subscription) (stop func()) {
	return b.run(func(ctx context.Context) error { return b.client.Subscribe(ctx, s) })
}

// awaitCommitted returns when the group's commits of the topic add up to n.
func (b *bench) awaitCommitted(group string, n int64) {
	b.t.Helper()
	for {
		committed, err := b.client.Committed(b.ctx, b.topic, group)
		var sum int64
		for _, next := range committed {
			sum += next
		}
		if err == nil && sum >= n {
			return
		}
		select {
		case <-b.ctx.Done():
			b.t.Fatalf("group %s committed %v, want %d in all (last error %v)", group, committed, n, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
