package bustest

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

// stored returns what the topic holds.
func (b *bench) stored() []bus.Message {
	b.t.Helper()
	var all []bus.Message
	b.must(b.client.ReadAll(b.ctx, b.topic, func(m bus.Message) error { all = append(all, m); return nil }))
	return all
}

func keyedOrder(t *testing.T, h Harness) {
	b := setUp(t, h, 4)
	begun := time.Now().Add(-time.Minute)
	for from := 0; from < 300; from += 100 {
		b.publish(from, 100, 7)
	}
	next, last := map[int]int64{}, map[string]int{}
	for _, m := range b.stored() {
		if want := bus.PartitionOf(m.Key, 4); m.Partition != want {
			t.Fatalf("key %s is in partition %d, want %d", m.Key, m.Partition, want)
		}
		if m.Offset != next[m.Partition] || m.Topic != b.topic || m.Time.Before(begun) {
			t.Fatalf("got %+v, want offset %d", m, next[m.Partition])
		}
		next[m.Partition]++
		n, _ := strconv.Atoi(string(m.Value))
		if before, seen := last[m.Key]; seen && n != before+7 {
			t.Fatalf("key %s: %d came after %d", m.Key, n, before)
		}
		last[m.Key] = n
	}
	if len(last) != 7 || len(next) < 2 {
		t.Fatalf("got %d keys in %d partitions, want 7 in several", len(last), len(next))
	}
}

func refused(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	good := bus.Message{Topic: b.topic, Key: "k", Value: []byte("v")}
	for name, bad := range map[string]bus.Message{
		"no key":    {Topic: b.topic, Value: []byte("v")},
		"no topic":  {Key: "k"},
		"too large": {Topic: b.topic, Key: "k", Value: bytes.Repeat([]byte("x"), bus.MaxMessageBytes)},
	} {
		if err := b.client.Publish(b.ctx, good, bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want invalid", name, err)
		}
	}
	if got := b.stored(); len(got) != 0 {
		t.Fatalf("%d messages were stored with the refused ones", len(got))
	}
	largest := bus.Message{Topic: b.topic, Key: "k", Value: bytes.Repeat([]byte("x"), bus.MaxMessageBytes-1)}
	b.must(b.client.Publish(b.ctx, largest, good))
	if got := b.stored(); len(got) != 2 || len(got[0].Value) != len(largest.Value) {
		t.Fatalf("got %d messages, want the largest allowed and another", len(got))
	}
}

func missingTopic(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	err := b.client.Publish(b.ctx, bus.Message{Topic: b.topic + "-none", Key: "k"})
	var unknown *bus.PublishError
	if !errors.As(err, &unknown) || !cmp.Equal(unknown.Indexes, []int{0}) || !fault.Is(err, fault.Transient) {
		t.Fatalf("got %v, want a transient PublishError for message 0", err)
	}
}

// publishUntilStored is what a sender does: again with the same messages until there is no error.
func (b *bench) publishUntilStored(msgs []bus.Message) (errs int) {
	b.t.Helper()
	for b.ctx.Err() == nil {
		err := b.client.Publish(b.ctx, msgs...)
		if err == nil {
			return errs
		}
		errs++
		var unknown *bus.PublishError
		if !errors.As(err, &unknown) {
			b.t.Fatal(err)
		}
		var again []bus.Message
		for _, i := range unknown.Indexes {
			again = append(again, msgs[i])
		}
		msgs = again
	}
	b.t.Fatal("the messages were never stored")
	return 0
}

func lostReply(t *testing.T, h Harness) {
	if h.LoseReplies == nil {
		t.Skip("replies cannot be lost here")
	}
	b := setUp(t, h, 1)
	h.LoseReplies(4)
	errs := b.publishUntilStored(b.messages(0, 10, 3))
	seen := map[string]int{}
	for _, m := range b.stored() {
		seen[string(m.Value)]++
	}
	if len(seen) != 10 {
		t.Fatalf("got %d different messages, want 10: %v", len(seen), seen)
	}
	if seen["0"] < 2 || errs == 0 {
		t.Fatalf("the fault never fired: %d errors, stored %v", errs, seen)
	}
}

func abandoned(t *testing.T, h Harness) {
	b := setUp(t, h, 2)
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	msgs := b.messages(0, 5, 5)
	var unknown *bus.PublishError
	if err := b.client.Publish(ctx, msgs...); !errors.As(err, &unknown) || len(unknown.Indexes) != 5 {
		t.Fatalf("got %v, want a PublishError for all messages", err)
	}
	b.publishUntilStored(msgs)
	seen := map[string]bool{}
	for _, m := range b.stored() {
		seen[string(m.Value)] = true
	}
	if len(seen) != 5 {
		t.Fatalf("got %d different messages, want 5", len(seen))
	}
}

// late gives a publish up while it is on its way: the client cannot call it back. What failed is stored all the same, and the
// repetition that its error asks for stores it once more.
func late(t *testing.T, h Harness) {
	if h.HoldWrite == nil {
		t.Skip("a write cannot be held here")
	}
	b := setUp(t, h, 1)
	msgs := b.messages(0, 5, 5)
	held, release := h.HoldWrite()
	defer release()
	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	published := make(chan error, 1)
	go func() { published <- b.client.Publish(ctx, msgs...) }()
	select {
	case <-held:
	case err := <-published:
		t.Fatalf("published without being held: %v", err)
	}
	cancel()
	var unknown *bus.PublishError
	if err := <-published; !errors.As(err, &unknown) || len(unknown.Indexes) != 5 || !fault.Is(err, fault.Transient) {
		t.Fatalf("got %v, want a transient PublishError for all messages", err)
	}
	b.client = h.Open(t) // with connections of its own
	if n := len(b.stored()); n != 0 {
		t.Fatalf("%d messages were stored while the write was held: the test shows nothing", n)
	}
	release()
	for len(b.stored()) < 5 {
		b.must(b.ctx.Err())
	}
	b.publishUntilStored(msgs)
	seen := map[string]int{}
	for _, m := range b.stored() {
		seen[string(m.Value)]++
	}
	for value, n := range seen {
		if n != 2 {
			t.Errorf("message %s is stored %d times, want twice: once late, once again", value, n)
		}
	}
	if len(seen) != 5 {
		t.Errorf("got %d different messages, want 5", len(seen))
	}
}

func readAll(t *testing.T, h Harness) {
	b := setUp(t, h, 3)
	if got := b.stored(); len(got) != 0 {
		t.Fatalf("an empty topic holds %d messages", len(got))
	}
	b.publish(0, 1200, 50)
	n := 0
	b.must(b.client.ReadAll(b.ctx, b.topic, func(bus.Message) error { // the end is that of the call
		if n++; n == 1 {
			b.publish(1200, 50, 50)
		}
		return nil
	}))
	if n != 1200 {
		t.Fatalf("read %d messages, want the 1200 that were there at the call", n)
	}
	stop := errors.New("enough")
	if err := b.client.ReadAll(b.ctx, b.topic, func(bus.Message) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("got %v, want the function's error", err)
	}
	if err := b.client.ReadAll(b.ctx, b.topic+"-none", nil); !fault.Is(err, fault.NotFound) {
		t.Fatalf("got %v, want not found", err)
	}
	info, err := b.client.Log(b.ctx, b.topic)
	b.must(err)
	var sum int64
	for i, p := range info.Partitions {
		if p.Partition != i || p.First != 0 {
			t.Errorf("partition %d: got %+v", i, p)
		}
		sum += p.End
	}
	if info.ClusterID == "" || sum != 1250 {
		t.Fatalf("got %+v, want a cluster id and 1250 messages", info)
	}
}

func traces(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	sent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1, 2}, SpanID: trace.SpanID{3}, TraceFlags: trace.FlagsSampled})
	own := "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	ctx := trace.ContextWithSpanContext(b.ctx, sent)
	b.must(b.client.Publish(ctx,
		bus.Message{Topic: b.topic, Key: "k", Value: []byte("new"), Headers: []bus.Header{{Key: "baggage", Value: []byte("email=a@b.c")}, {Key: "ce_id", Value: []byte("7")}}},
		bus.Message{Topic: b.topic, Key: "k", Value: []byte("own"), Headers: []bus.Header{{Key: "traceparent", Value: []byte(own)}}}))
	j := newJournal()
	s := b.subscription("g", j)
	s.Handle = func(ctx context.Context, m bus.Message) error {
		j.add("%s %s %s%s", m.Value, trace.SpanContextFromContext(ctx).TraceID(), m.Header("ce_id"), m.Header("baggage"))
		return nil
	}
	b.subscribe(s)
	got := j.await(b, "both messages", count(2))
	want := []string{"new " + sent.TraceID().String() + " 7", "own 0af7651916cd43dd8448eb211c80319c "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

func topics(t *testing.T, h Harness) {
	b := setUp(t, h, 3)
	spec := bus.TopicSpec{Name: b.topic + "-x", Partitions: 2, Config: map[string]string{"retention.ms": "1209600000", "cleanup.policy": "delete"}}
	err := b.client.VerifyTopics(b.ctx, spec)
	if fault.CodeOf(err) != fault.SetupRequired || !bytes.Contains([]byte(err.Error()), []byte(spec.Name+" is missing")) ||
		!bytes.Contains([]byte(err.Error()), []byte("strata setup")) {
		t.Fatalf("got %v, want the missing topic and the remedy", err)
	}
	for range 2 {
		b.must(b.client.EnsureTopics(b.ctx, spec))
	}
	b.must(b.client.VerifyTopics(b.ctx, spec))
	spec.Config = map[string]string{"retention.ms": "3600000"}
	if err := b.client.VerifyTopics(b.ctx, spec); fault.CodeOf(err) != fault.SetupRequired {
		t.Fatalf("got %v, want setup_required for another retention", err)
	}
	b.must(b.client.EnsureTopics(b.ctx, spec))
	b.must(b.client.VerifyTopics(b.ctx, spec))
	if err := b.client.EnsureTopics(b.ctx, bus.TopicSpec{Name: b.topic, Partitions: 4}); !fault.Is(err, fault.Conflict) {
		t.Fatalf("got %v, want a conflict for another partition count", err)
	}
	if err := b.client.VerifyTopics(b.ctx, bus.TopicSpec{Name: b.topic, Partitions: 4}); fault.CodeOf(err) != fault.SetupRequired {
		t.Fatalf("got %v, want setup_required for another partition count", err)
	}
}

// latency allows far more than a working bus needs, and far less than polling would.
func latency(t *testing.T, h Harness) {
	b := setUp(t, h, 6)
	j := newJournal()
	b.subscribe(b.subscription("g", j))
	b.publish(0, 1, 1)
	j.await(b, "the first message", count(1))
	took := make([]time.Duration, 20)
	for i := range took {
		begun := time.Now()
		b.publish(i+1, 1, 7)
		j.await(b, "the message", count(i+2))
		took[i] = time.Since(begun)
	}
	var sum time.Duration
	for _, d := range took {
		sum += d
	}
	mean := sum / time.Duration(len(took))
	t.Logf("publish to handler: mean %v", mean)
	if mean > 150*time.Millisecond {
		t.Fatalf("a message takes %v on average: deliveries wait for a poll (%v)", mean, took)
	}
}
