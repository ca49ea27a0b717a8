// Package httpxtest helps to test what httpx builds on: an idempotency store in memory, and the suite that every
// idempotency store passes.
package httpxtest

import (
	"bytes"
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
)

// Memory is an idempotency store in memory. Safe for concurrent use.
type Memory struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[[2]string]*entry
}

type entry struct {
	hash    []byte
	began   time.Time
	changed bool // something was, under the claim
	left    bool // given up after that
	done    bool
	r       httpx.StoredResponse
}

// NewMemory returns an empty store.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, entries: map[[2]string]*entry{}}
}

// Begin implements httpx.IdempotencyStore.
func (m *Memory) Begin(_ context.Context, key, scope string, hash []byte) (httpx.Claim, *httpx.StoredResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, now := [2]string{scope, key}, m.now()
	e, ok := m.entries[id]
	if !ok {
		e = &entry{}
	}
	age := now.Sub(e.began)
	lapsed := e.left || age >= httpx.ClaimLife
	switch {
	case !ok || age >= httpx.IdempotencyLife || (!e.done && !e.changed && lapsed):
		mine := &entry{hash: bytes.Clone(hash), began: now}
		m.entries[id] = mine
		return claim{m, id, mine}, nil, nil
	case !bytes.Equal(e.hash, hash):
		return nil, nil, httpx.ErrMismatch()
	case !e.done && e.changed && lapsed:
		return nil, nil, httpx.ErrOutcomeUnknown()
	case !e.done:
		return nil, nil, httpx.ErrInProgress()
	}
	r := e.r
	return nil, &r, nil
}

type claim struct {
	m  *Memory
	id [2]string
	e  *entry
}

type claimKey struct{}

// Guard implements httpx.Claim.
func (c claim) Guard(ctx context.Context) context.Context {
	return context.WithValue(ctx, claimKey{}, c)
}

// Finish implements httpx.Claim.
func (c claim) Finish(_ context.Context, r httpx.StoredResponse) error {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	switch {
	case c.m.entries[c.id] != c.e: // it lapsed
	case r.Status != 0:
		c.e.done, c.e.r = true, httpx.StoredResponse{Status: r.Status, Header: r.Header.Clone(), Body: bytes.Clone(r.Body)}
	case c.e.changed:
		c.e.left = true
	default:
		delete(c.m.entries, c.id)
	}
	return nil
}

// Change is what a transaction of the store's database would do: under the claim that ctx carries, if any, it changes
// something, unless the claim has gone to another caller.
func (m *Memory) Change(ctx context.Context) error {
	c, ok := ctx.Value(claimKey{}).(claim)
	if !ok {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.m.entries[c.id] != c.e {
		return httpx.ErrInProgress()
	}
	c.e.changed = true
	return nil
}

// Store is what the suite for idempotency stores is run on.
type Store struct {
	httpx.IdempotencyStore
	// Change changes something in the store's database, in a transaction. It returns the transaction's error.
	Change func(ctx context.Context) error
}

// TestIdempotency is the suite for idempotency stores. open returns an empty one that reads the time from now.
func TestIdempotency(t *testing.T, open func(t *testing.T, now func() time.Time) Store) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); at = at.Add(d) }
	answer := httpx.StoredResponse{Status: 201, Header: http.Header{"Location": {"/goals/1"}}, Body: []byte(`{"id":"1"}`)}
	hash, other := []byte("one"), []byte("two")

	t.Run("an answer is kept for a day", func(t *testing.T) {
		s := open(t, now)
		finish(t, claimed(t, s, "k", "a", hash), answer)
		pass(23 * time.Hour)
		stored(t, s, "k", "a", hash, answer)
		refused(t, s, "k", "a", other, fault.IdempotencyMismatch)
		pass(time.Hour)
		claimed(t, s, "k", "a", other)
	})
	t.Run("scopes and keys are apart", func(t *testing.T) {
		s := open(t, now)
		finish(t, claimed(t, s, "k", "a", hash), answer)
		claimed(t, s, "k", "b", other)
		claimed(t, s, "l", "a", other)
	})
	t.Run("the second waits for the first", func(t *testing.T) {
		s := open(t, now)
		first := claimed(t, s, "k", "a", hash)
		refused(t, s, "k", "a", hash, fault.InProgress)
		refused(t, s, "k", "a", other, fault.IdempotencyMismatch)
		finish(t, first, httpx.StoredResponse{})
		claimed(t, s, "k", "a", other)
	})
	t.Run("a dead owner's claim lapses", func(t *testing.T) {
		s := open(t, now)
		dead := claimed(t, s, "k", "a", hash)
		pass(httpx.ClaimLife - time.Second)
		refused(t, s, "k", "a", hash, fault.InProgress)
		pass(time.Minute)
		heir := claimed(t, s, "k", "a", hash)
		if err := s.Change(dead.Guard(t.Context())); fault.CodeOf(err) != fault.InProgress {
			t.Errorf("the dead changed something: %v", err)
		}
		finish(t, dead, httpx.StoredResponse{}) // neither gives the heir's claim up nor answers for it
		finish(t, dead, httpx.StoredResponse{Status: 500})
		refused(t, s, "k", "a", hash, fault.InProgress)
		finish(t, heir, answer)
		stored(t, s, "k", "a", hash, answer)
	})
	t.Run("what was changed is not changed again", func(t *testing.T) { changed(t, open(t, now), pass, hash, answer) })
	t.Run("of many, one does the work", func(t *testing.T) { race(t, open(t, now), hash) })
}

// changed looks at what becomes of a key under which something was changed: answered, given up, and left by a dead owner.
func changed(t *testing.T, s Store, pass func(time.Duration), hash []byte, answer httpx.StoredResponse) {
	change := func(c httpx.Claim) {
		t.Helper()
		if err := s.Change(c.Guard(t.Context())); err != nil {
			t.Fatal(err)
		}
	}
	answered := claimed(t, s, "answered", "a", hash)
	change(answered)
	change(answered)
	refused(t, s, "answered", "a", hash, fault.InProgress)
	finish(t, answered, answer)
	stored(t, s, "answered", "a", hash, answer)
	change(answered) // what goes on after the answer is nobody's repetition

	left, dead := claimed(t, s, "left", "a", hash), claimed(t, s, "dead", "a", hash)
	change(left)
	change(dead)
	finish(t, left, httpx.StoredResponse{})
	refused(t, s, "left", "a", hash, fault.OutcomeUnknown)
	refused(t, s, "left", "a", []byte("two"), fault.IdempotencyMismatch)
	refused(t, s, "dead", "a", hash, fault.InProgress)
	pass(httpx.ClaimLife)
	refused(t, s, "dead", "a", hash, fault.OutcomeUnknown)
	stored(t, s, "answered", "a", hash, answer)
	pass(httpx.IdempotencyLife)
	claimed(t, s, "left", "a", hash)
	claimed(t, s, "dead", "a", hash)
}

func race(t *testing.T, s Store, hash []byte) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range 16 {
		wg.Go(func() {
			c, stored, err := s.Begin(t.Context(), "k", "a", hash)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case c != nil && err == nil && stored == nil:
				won++
			case fault.CodeOf(err) != fault.InProgress:
				t.Errorf("got %v, %v", stored, err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d of 16 were told to do the work", won)
	}
}

func claimed(t *testing.T, s Store, key, scope string, hash []byte) httpx.Claim {
	t.Helper()
	c, stored, err := s.Begin(t.Context(), key, scope, hash)
	if c == nil || stored != nil || err != nil {
		t.Fatalf("begin: got %v, %v, %v; want the claim", c, stored, err)
	}
	return c
}

func stored(t *testing.T, s Store, key, scope string, hash []byte, want httpx.StoredResponse) {
	t.Helper()
	c, got, err := s.Begin(t.Context(), key, scope, hash)
	if d := cmp.Diff(&want, got); c != nil || err != nil || d != "" {
		t.Fatalf("begin: %v, %v, (-want +got):\n%s", c, err, d)
	}
}

func refused(t *testing.T, s Store, key, scope string, hash []byte, want fault.Code) {
	t.Helper()
	if c, got, err := s.Begin(t.Context(), key, scope, hash); c != nil || got != nil || fault.CodeOf(err) != want {
		t.Fatalf("begin: got %v, %v, %v; want the code %s", c, got, err, want)
	}
}

func finish(t *testing.T, c httpx.Claim, r httpx.StoredResponse) {
	t.Helper()
	if err := c.Finish(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}
