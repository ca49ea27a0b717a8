package mongodb_test

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// state is the payload of these tests.
type state struct {
	N int `json:"n"`
}

func (state) Check() error { return nil }

func entry(key string, n int) mongodb.Entry {
	return mongodb.Entry{Topic: "topic", Key: key, Entity: "thing", Payload: state{N: n},
		Envelope: contract.Envelope{ID: "id", Type: "type", Tenant: "main", Time: time.UnixMilli(1700000000000)}}
}

// broker keeps published messages; before decides what happens to a call.
type broker struct {
	mu     sync.Mutex
	calls  int
	stored []bus.Message
	before func(call int, msgs []bus.Message) error
}

func (b *broker) Publish(_ context.Context, msgs ...bus.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.calls++
	if b.before != nil {
		if err := b.before(b.calls, msgs); err != nil {
			return err
		}
	}
	b.stored = append(b.stored, msgs...)
	return nil
}

func (b *broker) last() map[string]string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := map[string]string{}
	for _, m := range b.stored {
		out[m.Key] = string(m.Value)
	}
	return out
}

func (b *broker) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stored)
}

func outbox(t testing.TB, db *mongodb.DB, p bus.Publisher, change func(*mongodb.OutboxOptions)) *mongodb.Outbox {
	t.Helper()
	o := mongodb.OutboxOptions{Now: time.Now, Logger: slog.New(slog.DiscardHandler), Poll: 10 * time.Millisecond}
	if change != nil {
		change(&o)
	}
	out, err := mongodb.NewOutbox(db, p, o)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// put stores entries in one transaction.
func put(t testing.TB, db *mongodb.DB, o *mongodb.Outbox, entries ...mongodb.Entry) {
	t.Helper()
	err := db.Tx(t.Context(), func(ctx context.Context) error { return o.PutAll(ctx, entries...) })
	if err != nil {
		t.Fatalf("put: %v", err)
	}
	o.Wake()
}

// relay runs the outbox until stop is called or the test ends.
func relay(t testing.TB, o *mongodb.Outbox) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- o.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v, want nil after ctx ends", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

// eventually waits until ok holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func drained(t testing.TB, o *mongodb.Outbox) func() bool {
	return func() bool {
		n, _, err := o.Status(t.Context())
		return err == nil && n == 0
	}
}

// fail makes the server fail the next commands of the name, as MongoDB's failCommand does.
func fail(t testing.TB, db *mongodb.DB, times int, data bson.D) {
	t.Helper()
	err := db.Database().Client().Database("admin").RunCommand(t.Context(), bson.D{{Key: "configureFailPoint", Value: "failCommand"},
		{Key: "mode", Value: bson.D{{Key: "times", Value: times}}}, {Key: "data", Value: data}}).Err()
	if err != nil {
		t.Skipf("the server offers no fail points: %v", err)
	}
}
