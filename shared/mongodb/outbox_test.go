package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/telemetry"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

func TestOutboxPublishesWhatCommitted(t *testing.T) {
	t.Parallel()
	db, b := mongotest.Open(t), &broker{}
	o := outbox(t, db, b, nil)
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}}))
	if err := db.Tx(ctx, func(ctx context.Context) error { return o.Put(ctx, entry("a", 1)) }); err != nil {
		t.Fatal(err)
	}
	refused := errors.New("refused")
	err := db.Tx(t.Context(), func(ctx context.Context) error { return errors.Join(o.Put(ctx, entry("b", 1)), refused) })
	if !errors.Is(err, refused) {
		t.Fatal(err)
	}
	if n, _, err := o.Status(t.Context()); n != 1 || err != nil {
		t.Errorf("Status = %d, %v; want 1", n, err)
	}
	relay(t, o)
	eventually(t, "the outbox is empty", drained(t, o))
	if diff := cmp.Diff(map[string]string{"a": `{"n":1}`}, b.last()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	m := b.stored[0]
	e, err := contract.ReadEnvelope(m)
	if err != nil || m.Topic != "topic" || e.ID != "id" || !strings.HasPrefix(m.Header("traceparent"), "00-01000000000000000000000000000000-02") {
		t.Errorf("published %+v, %v; want the topic, the envelope and the trace of the Put", m, err)
	}
}

func TestOutboxPutRefuses(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	o := outbox(t, db, &broker{}, nil)
	if err := o.Put(t.Context(), entry("a", 1)); err == nil {
		t.Error("outside a transaction: accepted")
	}
	large := entry("a", 1)
	large.Payload = text(strings.Repeat("x", bus.MaxMessageBytes))
	noEntity, noKey, noType := entry("a", 1), entry("", 1), entry("a", 1)
	noEntity.Entity, noType.Envelope.Type = "", ""
	for name, e := range map[string]mongodb.Entry{"large": large, "no entity": noEntity, "no key": noKey, "no type": noType} {
		err := db.Tx(t.Context(), func(ctx context.Context) error { return o.Put(ctx, e) })
		if !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

type text string

func (text) Check() error { return nil }

func TestOutboxCoalesces(t *testing.T) {
	t.Parallel()
	db, b := mongotest.Open(t), &broker{}
	o := outbox(t, db, b, nil)
	for n := range 20 {
		put(t, db, o, entry("a", n), entry("b", n))
	}
	if n, _, err := o.Status(t.Context()); n != 2 || err != nil {
		t.Errorf("Status = %d, %v; want 2 entities", n, err)
	}
	relay(t, o)
	eventually(t, "the outbox is empty", drained(t, o))
	if b.count() != 2 {
		t.Errorf("%d messages for 2 entities", b.count())
	}
	if diff := cmp.Diff(map[string]string{"a": `{"n":19}`, "b": `{"n":19}`}, b.last()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	var d struct{ Wanted, Sent int64 }
	if err := db.Collection("strata_outbox").FindOne(t.Context(), id("topic|a|thing")).Decode(&d); err != nil || d.Wanted != 20 || d.Sent != 20 {
		t.Errorf("counters %+v, %v; want 20 and 20", d, err)
	}
}

func TestOutboxKeepsEntitiesApart(t *testing.T) {
	t.Parallel()
	db, b := mongotest.Open(t), &broker{}
	o := outbox(t, db, b, nil)
	one, other := entry("a|b", 1), entry("a", 2)
	other.Entity = "b|thing"
	put(t, db, o, one, other)
	relay(t, o)
	eventually(t, "the outbox is empty", drained(t, o))
	if b.count() != 2 {
		t.Errorf("%d messages, want both entities", b.count())
	}
}

func TestOutboxLosesNothingWhenPublishingFails(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	down := fault.New(fault.Transient, fault.Unavailable, "down")
	b := &broker{}
	b.before = func(call int, msgs []bus.Message) error {
		switch {
		case call%3 == 1:
			return down
		case call%3 == 2 && len(msgs) > 1: // stored in part: all but the first
			b.stored = append(b.stored, msgs[1:]...)
			return &bus.PublishError{Indexes: []int{0}, Err: down}
		}
		return nil
	}
	o := outbox(t, db, b, nil)
	want := map[string]string{}
	for n := range 60 {
		key := fmt.Sprint("k", n%30)
		want[key] = fmt.Sprintf(`{"n":%d}`, n)
		put(t, db, o, entry(key, n))
	}
	relay(t, o)
	eventually(t, "the outbox is empty", drained(t, o))
	if diff := cmp.Diff(want, b.last()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
	if b.calls < 3 {
		t.Errorf("%d calls: the faults never fired", b.calls)
	}
}

// The process dies after the broker has stored a batch and before the outbox is marked: the marking fails for good, and
// another process goes on.
func TestOutboxLosesNothingBetweenPublishAndMark(t *testing.T) {
	t.Parallel()
	server := mongotest.Store(t)
	db := server.Open(t, "died")
	ctx, die := context.WithCancel(t.Context())
	b := &broker{before: func(int, []bus.Message) error { server.Stop(t); die(); return nil }}
	dying := outbox(t, db, b, nil)
	put(t, db, dying, entry("a", 1))
	if err := dying.Run(ctx); err != nil {
		t.Fatal(err)
	}
	server.Start(t)
	if n, _, err := dying.Status(t.Context()); n != 1 || err != nil || b.count() != 1 {
		t.Fatalf("Status = %d, %v with %d published; want it published and still due", n, err, b.count())
	}
	b.before = nil
	heir := outbox(t, db, b, nil)
	relay(t, heir)
	eventually(t, "the outbox is empty", drained(t, heir))
	if b.count() != 2 {
		t.Errorf("%d messages, want the one published again", b.count())
	}
}

func TestOutboxStaysDueWhenWantedWhilePublishing(t *testing.T) {
	t.Parallel()
	db, b := mongotest.Open(t), &broker{}
	var o *mongodb.Outbox
	b.before = func(call int, _ []bus.Message) error {
		if call == 1 {
			put(t, db, o, entry("a", 2))
		}
		return nil
	}
	o = outbox(t, db, b, nil)
	put(t, db, o, entry("a", 1))
	relay(t, o)
	eventually(t, "the outbox is empty", drained(t, o))
	if diff := cmp.Diff(map[string]string{"a": `{"n":2}`}, b.last()); diff != "" {
		t.Errorf("the newest payload was lost (-want +got):\n%s", diff)
	}
}

// Writers change few keys as fast as they can while two relays publish to a broker that fails at random: in the end the
// last message of every key is the last payload that was put.
func TestOutboxNeverLosesTheNewest(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random, faults := rand.New(rand.NewPCG(seed, 0)), 0
	db := mongotest.Open(t)
	b := &broker{}
	b.before = func(_ int, msgs []bus.Message) error {
		if random.IntN(4) > 0 {
			return nil
		}
		faults++
		b.stored = append(b.stored, msgs[:len(msgs)/2]...) // the answer was lost, and half is there
		return fault.New(fault.Transient, fault.Unavailable, "lost answer")
	}
	one, other := outbox(t, db, b, nil), outbox(t, db, b, nil)
	stop, stopOther := relay(t, one), relay(t, other)
	var wg sync.WaitGroup
	for w := range 3 {
		wg.Go(func() {
			for n := range 40 {
				put(t, db, []*mongodb.Outbox{one, other}[n%2], entry(fmt.Sprint("k", w), n), entry(fmt.Sprint("only", w, n), n))
			}
		})
	}
	wg.Wait()
	eventually(t, "the outbox is empty", drained(t, one))
	stop()
	stopOther()
	last := b.last()
	for w := range 3 {
		if got := last[fmt.Sprint("k", w)]; got != `{"n":39}` {
			t.Errorf("last of k%d is %s, want n 39", w, got)
		}
	}
	if len(last) != 3+3*40 || faults == 0 {
		t.Errorf("%d keys published with %d faults, want %d keys and some faults", len(last), faults, 3+3*40)
	}
}

func TestOutboxIsNotHeldUpByARefusedMessage(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	b := &broker{before: func(_ int, msgs []bus.Message) error {
		for _, m := range msgs {
			if m.Key == "bad" {
				return fault.New(fault.Invalid, fault.TooLarge, "too large")
			}
		}
		return nil
	}}
	o := outbox(t, db, b, nil)
	for n := range 40 {
		put(t, db, o, entry(fmt.Sprint("k", n), n))
	}
	put(t, db, o, entry("bad", 1))
	relay(t, o)
	eventually(t, "only the refused one is left", func() bool {
		n, oldest, err := o.Status(t.Context())
		return err == nil && n == 1 && oldest >= 0
	})
	if len(b.last()) != 40 {
		t.Errorf("%d published, want the 40 others", len(b.last()))
	}
}

func TestOutboxRepublishes(t *testing.T) {
	t.Parallel()
	db, b := mongotest.Open(t), &broker{}
	o := outbox(t, db, b, nil)
	put(t, db, o, entry("a", 1), entry("b", 2), entry("c", 3))
	relay(t, o)
	eventually(t, "the outbox is empty", drained(t, o))
	n, err := o.Republish(t.Context(), func(topic, key, entity string) bool {
		return topic == "topic" && entity == "thing" && key != "b"
	})
	if n != 2 || err != nil {
		t.Fatalf("Republish = %d, %v; want 2", n, err)
	}
	eventually(t, "both are published again", func() bool { return b.count() == 5 })
	eventually(t, "the outbox is empty", drained(t, o))
	if n, err := o.Republish(t.Context(), nil); n != 3 || err != nil {
		t.Errorf("Republish of all = %d, %v; want 3", n, err)
	}
}

// clock is a wall clock that a test moves.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func TestOutboxRepublishesDaily(t *testing.T) {
	t.Parallel()
	db, b := mongotest.Open(t), &broker{}
	c := &clock{at: time.Now()}
	o := outbox(t, db, b, func(o *mongodb.OutboxOptions) { o.Now = c.now })
	const entities = 20
	var entries []mongodb.Entry
	for n := range entities {
		entries = append(entries, entry(fmt.Sprint("k", n), n))
	}
	put(t, db, o, entries...)
	relay(t, o)
	eventually(t, "the outbox is empty", drained(t, o))
	c.add(11 * time.Hour)
	put(t, db, o, entry("k0", 100))
	eventually(t, "the change is published", func() bool { return b.count() == entities+1 })
	if b.count() != entities+1 {
		t.Errorf("%d messages before half a day has passed, want only the change", b.count())
	}
	c.add(13*time.Hour + time.Second)
	eventually(t, "each unchanged one is published again within a day", func() bool {
		seen := map[string]int{}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, m := range b.stored {
			seen[m.Key]++
		}
		for n := range entities {
			if seen[fmt.Sprint("k", n)] < 2 {
				return false
			}
		}
		return true
	})
}

func TestOutboxStatusTellsTheOldest(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	c := &clock{at: time.Now()}
	o := outbox(t, db, &broker{}, func(o *mongodb.OutboxOptions) { o.Now = c.now })
	if n, oldest, err := o.Status(t.Context()); n != 0 || oldest != 0 || err != nil {
		t.Errorf("empty: %d, %v, %v", n, oldest, err)
	}
	put(t, db, o, entry("a", 1))
	c.add(time.Minute)
	put(t, db, o, entry("a", 2), entry("b", 1))
	c.add(time.Minute)
	if n, oldest, err := o.Status(t.Context()); n != 2 || oldest.Round(time.Second) != 2*time.Minute || err != nil {
		t.Errorf("Status = %d, %v, %v; want 2 and two minutes", n, oldest, err)
	}
}

func TestOutboxGauges(t *testing.T) {
	t.Parallel()
	db, gauges, c := mongotest.Open(t), &telemetry.Gauges{}, &clock{at: time.Now()}
	o := outbox(t, db, &broker{}, func(o *mongodb.OutboxOptions) { o.Now, o.Gauges = c.now, gauges })
	put(t, db, o, entry("a", 1), entry("b", 1))
	c.add(90 * time.Second)
	all, err := gauges.Produce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, m := range all[0].Metrics {
		got[m.Name] = math.Round(m.Data.(metricdata.Gauge[float64]).DataPoints[0].Value)
	}
	if diff := cmp.Diff(map[string]float64{"strata.outbox.pending": 2, "strata.outbox.age": 90}, got); diff != "" {
		t.Errorf("gauges (-want +got):\n%s", diff)
	}
}

func TestNewOutboxNeedsItsDependencies(t *testing.T) {
	t.Parallel()
	db, now, log := mongotest.Open(t), time.Now, slog.New(slog.DiscardHandler)
	for name, err := range map[string]error{
		"database":  second(mongodb.NewOutbox(nil, &broker{}, mongodb.OutboxOptions{Now: now, Logger: log})),
		"publisher": second(mongodb.NewOutbox(db, nil, mongodb.OutboxOptions{Now: now, Logger: log})),
		"clock":     second(mongodb.NewOutbox(db, &broker{}, mongodb.OutboxOptions{Logger: log})),
		"logger":    second(mongodb.NewOutbox(db, &broker{}, mongodb.OutboxOptions{Now: now})),
	} {
		if err == nil {
			t.Errorf("without %s: accepted", name)
		}
	}
}

func second(_ *mongodb.Outbox, err error) error { return err }

// The query of the relay must walk the index of what is due, not the whole collection.
func TestOutboxReadsByIndex(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	var plan bson.Raw
	err := db.Database().RunCommand(t.Context(), bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: "strata_outbox"},
		{Key: "filter", Value: bson.D{{Key: "due", Value: true}}},
		{Key: "sort", Value: bson.D{{Key: "due", Value: 1}, {Key: "since", Value: 1}}}}}, {Key: "verbosity", Value: "queryPlanner"}}).Decode(&plan)
	if err != nil {
		t.Fatal(err)
	}
	if s := plan.String(); !strings.Contains(s, "IXSCAN") || strings.Contains(s, `"stage": "SORT"`) {
		t.Errorf("plan %s, want an index scan without a sort", s)
	}
}

func BenchmarkOutbox(b *testing.B) {
	for name, db := range map[string]*mongodb.DB{"memory": mongotest.Open(b), "disk": mongotest.Store(b).Open(b, "bench")} {
		b.Run(name, func(b *testing.B) {
			to := &broker{}
			o := outbox(b, db, to, nil)
			const batch = 500
			n := 0
			relay(b, o)
			for b.Loop() {
				entries := make([]mongodb.Entry, batch)
				for i := range entries {
					n++
					entries[i] = entry(fmt.Sprint(n), n)
				}
				put(b, db, o, entries...)
			}
			eventually(b, "published", func() bool { return to.count() >= n })
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entities/s")
		})
	}
}

// stuck is a broker that does not answer for one key until it is freed.
type stuck struct {
	*broker
	entered, free chan struct{}
}

func (s stuck) Publish(ctx context.Context, msgs ...bus.Message) error {
	if slices.ContainsFunc(msgs, func(m bus.Message) bool { return m.Key == "stuck" }) {
		s.entered <- struct{}{}
		<-s.free
	}
	return s.broker.Publish(ctx, msgs...)
}

// What comes while something else is being published does not wait for that, and what was wanted again meanwhile goes
// out after it.
func TestOutboxIsNotHeldUpByASlowPublication(t *testing.T) {
	t.Parallel()
	db, p := mongotest.Open(t), stuck{&broker{}, make(chan struct{}, 9), make(chan struct{})}
	o := outbox(t, db, p, nil)
	put(t, db, o, entry("stuck", 1))
	relay(t, o)
	<-p.entered
	put(t, db, o, entry("stuck", 2))
	for n := range 20 {
		put(t, db, o, entry(fmt.Sprint("k", n), n))
	}
	eventually(t, "others are published", func() bool { return p.count() >= 10 })
	close(p.free)
	eventually(t, "the outbox is empty", drained(t, o))
	if last := p.last(); last["stuck"] != `{"n":2}` || len(last) != 21 {
		t.Errorf("%d keys, the slow one last at %s", len(last), last["stuck"])
	}
}
