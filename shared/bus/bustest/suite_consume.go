package bustest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
)

func values(from, n int) []string {
	vs := make([]string, n)
	for i := range vs {
		vs[i] = strconv.Itoa(from + i)
	}
	return vs
}

func (b *bench) same(want, got []string) {
	b.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Fatal(diff)
	}
}

func resume(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	b.publish(0, 20, 3)
	first := newJournal()
	stop := b.subscribe(b.subscription("g", first))
	b.same(values(0, 20), first.await(b, "twenty messages", count(20)))
	stop()
	b.awaitCommitted("g", 20)
	b.publish(20, 5, 3)
	second := newJournal()
	b.subscribe(b.subscription("g", second))
	b.same(values(20, 5), second.await(b, "five more", count(5)))
	other := newJournal()
	b.subscribe(b.subscription("another", other))
	b.same(values(0, 25), other.await(b, "all for another group", count(25)))
	if err := b.client.Subscribe(b.ctx, bus.Subscription{Topic: b.topic, Group: "g"}); !fault.Is(err, fault.Invalid) {
		t.Fatalf("got %v, want invalid for an incomplete subscription", err)
	}
}

func retryInPlace(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	b.publish(0, 5, 2)
	j := newJournal()
	s := b.subscription("g", j)
	failures := 3
	s.Handle = func(_ context.Context, m bus.Message) error {
		j.add("%s", m.Value)
		if string(m.Value) == "2" && failures > 0 {
			failures--
			return errors.New("not now")
		}
		return nil
	}
	b.subscribe(s)
	b.same([]string{"0", "1", "2", "2", "2", "2", "3", "4"}, j.await(b, "all messages", count(8)))
}

func panics(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	b.publish(0, 3, 1)
	j := newJournal()
	s := b.subscription("g", j)
	once := true
	s.Handle = func(_ context.Context, m bus.Message) error {
		j.add("%s", m.Value)
		if string(m.Value) == "1" && once {
			once = false
			panic("a defect")
		}
		return nil
	}
	b.subscribe(s)
	b.same([]string{"0", "1", "1", "2"}, j.await(b, "all messages", count(4)))
}

func quarantine(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	b.publish(0, 4, 1)
	j := newJournal()
	s := b.subscription("g", j)
	s.Handle = func(_ context.Context, m bus.Message) error {
		j.add("%s", m.Value)
		if string(m.Value) == "1" {
			return fault.New(fault.Invalid, fault.Poison, "broken")
		}
		return nil
	}
	failures := 1
	s.Quarantine = func(_ context.Context, m bus.Message, cause error) error {
		if failures > 0 {
			failures--
			j.add("quarantine failed")
			return errors.New("the database is away")
		}
		j.add("quarantined %s as %s", m.Value, fault.CodeOf(cause))
		return nil
	}
	b.subscribe(s)
	b.same([]string{"0", "1", "quarantine failed", "1", "quarantined 1 as poison", "2", "3"}, j.await(b, "all messages", count(7)))
}

func subscriptionGap(t *testing.T, h Harness) {
	if h.Truncate == nil {
		t.Skip("messages cannot be deleted here")
	}
	b := setUp(t, h, 1)
	b.publish(0, 3, 1)
	before := newJournal()
	stop := b.subscribe(b.subscription("g", before))
	before.await(b, "three messages", count(3))
	b.awaitCommitted("g", 3)
	stop()
	b.publish(3, 7, 1)
	h.Truncate(t, b.topic, 0, 7)
	j := newJournal()
	s := b.subscription("g", j)
	failures, record := 1, s.OnGap
	s.OnGap = func(ctx context.Context, g bus.Gap) error {
		if failures > 0 {
			failures--
			j.add("gap failed")
			return errors.New("the database is away")
		}
		return record(ctx, g)
	}
	stop = b.subscribe(s)
	b.same([]string{"gap failed", "gap 3-7", "7", "8", "9"}, j.await(b, "the gap and the rest", count(5)))
	b.awaitCommitted("g", 10)
	stop()
	// A gap shows even when nothing is left behind it.
	b.publish(10, 2, 1)
	h.Truncate(t, b.topic, 0, 12)
	end := newJournal()
	b.subscribe(b.subscription("g", end))
	b.same([]string{"gap 10-12"}, end.await(b, "the gap at the end", count(1)))
}

// sink is a LogSink that keeps its positions in memory and journals what it gets.
type sink struct {
	*journal
	mu       sync.Mutex
	next     map[int]int64
	position func(p bus.PartitionState, cluster string) (int64, error) // nil = next
	apply    func(batch []bus.Message) (int64, error)                  // nil = journal each value
}

func newSink() *sink { return &sink{journal: newJournal(), next: map[int]int64{}} }

func (s *sink) Position(_ context.Context, _ string, p bus.PartitionState, cluster string) (int64, error) {
	if s.position != nil {
		return s.position(p, cluster)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.next[p.Partition], nil
}

func (s *sink) Apply(_ context.Context, _ string, partition int, batch []bus.Message) (int64, error) {
	next := batch[len(batch)-1].Offset + 1
	if s.apply != nil {
		return s.apply(batch)
	}
	for _, m := range batch {
		s.add("%s", m.Value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next[partition] = next
	return next, nil
}

func (s *sink) Gap(_ context.Context, g bus.Gap) error {
	s.add("gap %d-%d", g.From, g.To)
	return nil
}

func (b *bench) consume(client Client, group string, s bus.LogSink) (stop func()) {
	return b.run(func(ctx context.Context) error { return client.ConsumeLog(ctx, b.topic, group, s) })
}

func sinkGap(t *testing.T, h Harness) {
	if h.Truncate == nil {
		t.Skip("messages cannot be deleted here")
	}
	b := setUp(t, h, 1)
	b.publish(0, 10, 1)
	h.Truncate(t, b.topic, 0, 5)
	s := newSink()
	s.next[0] = 2
	b.consume(b.client, "g", s)
	b.same([]string{"gap 2-5", "5", "6", "7", "8", "9"}, s.await(b, "the gap and the rest", count(6)))
	b.awaitCommitted("g", 10)
}

func sinkPosition(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	b.publish(0, 10, 1)
	info, err := b.client.Log(b.ctx, b.topic)
	b.must(err)
	s := newSink()
	s.position = func(p bus.PartitionState, cluster string) (int64, error) {
		if p != info.Partitions[0] || cluster != info.ClusterID {
			t.Errorf("asked with %+v of %s, want %+v", p, cluster, info)
		}
		return 4, nil
	}
	sought := false
	s.apply = func(batch []bus.Message) (int64, error) {
		for _, m := range batch {
			s.add("%s", m.Value)
			if string(m.Value) == "8" && !sought {
				sought = true
				return 2, nil
			}
		}
		return batch[len(batch)-1].Offset + 1, nil
	}
	b.consume(b.client, "g", s)
	want := slices.Concat(values(4, 5), values(2, 8))
	b.same(want, s.await(b, "the seek", count(len(want))))
}

func sinkIdle(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	b.publish(0, 3, 1)
	s := newSink()
	asked := 0
	s.position = func(bus.PartitionState, string) (int64, error) {
		asked++
		switch asked {
		case 1:
			return 0, errors.New("another log")
		case 2:
			return 99, nil // past the end: not this log
		}
		s.add("asked %d times", asked)
		return 1, nil
	}
	b.consume(b.client, "g", s)
	b.same([]string{"asked 3 times", "1", "2"}, s.await(b, "the messages after it has a position", count(3)))
}

func sinkRetry(t *testing.T, h Harness) {
	b := setUp(t, h, 1)
	b.publish(0, 50, 1)
	s := newSink()
	failures := 2
	s.apply = func(batch []bus.Message) (int64, error) {
		s.add("%d+%d", batch[0].Offset, len(batch))
		if failures > 0 {
			failures--
			return 0, errors.New("not now")
		}
		return batch[len(batch)-1].Offset + 1, nil
	}
	b.consume(b.client, "g", s)
	got := s.await(b, "three attempts", count(3))
	if got[0] != got[1] || got[1] != got[2] || !strings.HasPrefix(got[0], "0+") {
		t.Fatalf("got %q, want the same batch three times", got[:3])
	}
}

func batches(t *testing.T, h Harness) {
	b := setUp(t, h, 2)
	const n = 3000
	b.publish(0, n, 40)
	next := map[int]int64{}
	var mu sync.Mutex
	largest, seen := 0, 0
	s := newSink()
	s.apply = func(batch []bus.Message) (int64, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range batch {
			if m.Offset != next[m.Partition] || m.Partition != batch[0].Partition {
				s.add("offset %d of partition %d came, want %d", m.Offset, m.Partition, next[m.Partition])
			}
			next[m.Partition] = m.Offset + 1
		}
		largest = max(largest, len(batch))
		if seen += len(batch); seen >= n {
			s.add("done")
		}
		return batch[len(batch)-1].Offset + 1, nil
	}
	b.consume(b.client, "g", s)
	b.same([]string{"done"}, s.await(b, "all messages", count(1)))
	if largest > bus.MaxBatch || largest < 2 {
		t.Fatalf("the largest batch had %d messages, want 2 to %d", largest, bus.MaxBatch)
	}
}

// rebalance lets a second member join while the first is amid its messages, and leave again.
func rebalance(t *testing.T, h Harness) {
	b := setUp(t, h, 6)
	const n = 400
	j := newJournal()
	var byFirst, bySecond atomic.Int64
	member := func(client Client, handled *atomic.Int64) func() {
		s := b.subscription("g", j)
		s.Handle = func(_ context.Context, m bus.Message) error {
			handled.Add(1)
			j.add("%s", m.Value)
			return nil
		}
		return b.run(func(ctx context.Context) error { return client.Subscribe(ctx, s) })
	}
	watch := b.run(func(ctx context.Context) error { return b.neverBack(ctx, "g") })
	member(b.client, &byFirst)
	b.publish(0, n, 60)
	j.await(b, "the first messages", count(50))
	stopSecond := member(h.Open(t), &bySecond)
	for published := n; bySecond.Load() == 0; published += 20 {
		b.publish(published, 20, 60)
		j.await(b, "messages during the rebalance", distinct(published+20))
	}
	stopSecond()
	b.publish(100_000, 60, 60)
	entries := j.await(b, "messages after the second left", func(entries []string) bool {
		return !slices.ContainsFunc(values(100_000, 60), func(v string) bool { return !slices.Contains(entries, v) })
	})
	t.Logf("%d messages delivered, %d of them by the second member", len(entries), bySecond.Load())
	watch()
}

// release lets a second member join while the first one's handler waits: only the end of its ctx can free it.
func release(t *testing.T, h Harness) {
	b := setUp(t, h, 2)
	b.publish(0, 1, 1)
	j := newJournal()
	stuck := b.subscription("g", j)
	stuck.Handle = func(ctx context.Context, m bus.Message) error {
		j.add("waiting")
		<-ctx.Done()
		j.add("released")
		return ctx.Err()
	}
	stop := b.subscribe(stuck)
	j.await(b, "the first delivery", count(1))
	second := h.Open(t)
	b.run(func(ctx context.Context) error { return second.Subscribe(ctx, b.subscription("g", j)) })
	j.await(b, "the release", func(e []string) bool { return slices.Contains(e, "released") })
	stop()
	j.await(b, "the message at another member", func(e []string) bool { return slices.Contains(e, "0") })
}

// assigned has two members share two partitions, and one of them leave.
func assigned(t *testing.T, h Harness) {
	b := setUp(t, h, 2)
	info, err := b.client.Log(b.ctx, b.topic)
	b.must(err)
	j := newJournal()
	var one, other bus.Held
	hold := func(held *bus.Held) bus.Subscription {
		s := b.subscription("g", j)
		s.OnAssigned = func(ctx context.Context, partition int) {
			held.Take(ctx, partition)
			j.add("%d", partition)
		}
		return s
	}
	own := func(held *bus.Held) []bus.PartitionState {
		parts, _ := held.Own(info.Partitions)
		return parts
	}
	b.subscribe(hold(&one))
	j.await(b, "both partitions at one member", func(e []string) bool { return len(e) >= 2 && len(own(&one)) == 2 })
	second := h.Open(t)
	stop := b.run(func(ctx context.Context) error { return second.Subscribe(ctx, hold(&other)) })
	j.await(b, "one partition at each", func([]string) bool {
		mine, theirs := own(&one), own(&other)
		return len(mine) == 1 && len(theirs) == 1 && mine[0].Partition != theirs[0].Partition
	})
	n := len(j.all())
	stop()
	j.await(b, "both partitions at one member again", func(e []string) bool { return len(e) > n && len(own(&one)) == 2 })
}

// neverBack fails the test when the group's offset of a partition goes down.
func (b *bench) neverBack(ctx context.Context, group string) error {
	highest := map[int]int64{}
	for ctx.Err() == nil {
		committed, err := b.client.Committed(ctx, b.topic, group)
		if err != nil {
			continue
		}
		for p, next := range committed {
			if next < highest[p] {
				b.t.Errorf("partition %d: the group went back from %d to %d", p, highest[p], next)
			}
			highest[p] = next
		}
	}
	return nil
}

func restart(t *testing.T, h Harness) {
	if h.Restart == nil {
		t.Skip("the broker cannot be restarted here")
	}
	b := setUpWithin(t, h, 3, 4*patience) // a broker in a process of its own needs time for each of its starts
	j, s := newJournal(), newSink()
	b.subscribe(b.subscription("g", j))
	b.consume(b.client, "log", s)
	published := 0
	for round := range 3 {
		b.publishUntilStored(b.messages(published, 30, 9))
		published += 30
		j.await(b, fmt.Sprintf("the subscription's messages of round %d", round), distinct(published))
		s.await(b, fmt.Sprintf("the sink's messages of round %d", round), distinct(published))
		h.Restart(t)
	}
	b.publishUntilStored(b.messages(published, 1, 1))
	j.await(b, "a message after the last restart", distinct(published+1))
	for _, e := range append(j.all(), s.all()...) {
		if strings.HasPrefix(e, "gap") || strings.HasPrefix(e, "quarantined") {
			t.Fatalf("a restart showed as %q", e)
		}
	}
}
