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
	entries map[[2]string]entry
}

type entry struct {
	hash  []byte
	began time.Time
	done  bool
	r     httpx.StoredResponse
}

// NewMemory returns an empty store.
func NewMemory(now func() time.Time) *Memory {
	return &Memory{now: now, entries: map[[2]string]entry{}}
}

// Begin implements httpx.IdempotencyStore.
func (m *Memory) Begin(_ context.Context, key, scope string, hash []byte) (*httpx.StoredResponse, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id, now := [2]string{scope, key}, m.now()
	e, ok := m.entries[id]
	age := now.Sub(e.began)
	switch {
	case !ok || age >= httpx.IdempotencyLife || (!e.done && age >= httpx.ClaimLife):
		m.entries[id] = entry{hash: bytes.Clone(hash), began: now}
		return nil, nil
	case !bytes.Equal(e.hash, hash):
		return nil, httpx.ErrMismatch()
	case !e.done:
		return nil, httpx.ErrInProgress()
	}
	r := e.r
	return &r, nil
}

// Finish implements httpx.IdempotencyStore.
func (m *Memory) Finish(_ context.Context, key, scope string, r httpx.StoredResponse) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := [2]string{scope, key}
	e := m.entries[id]
	if r.Status == 0 {
		delete(m.entries, id)
		return nil
	}
	e.done, e.r = true, httpx.StoredResponse{Status: r.Status, Header: r.Header.Clone(), Body: bytes.Clone(r.Body)}
	m.entries[id] = e
	return nil
}

// TestIdempotency is the suite for idempotency stores. open returns an empty one that reads the time from now.
func TestIdempotency(t *testing.T, open func(t *testing.T, now func() time.Time) httpx.IdempotencyStore) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	var mu sync.Mutex
	now := func() time.Time { mu.Lock(); defer mu.Unlock(); return at }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); at = at.Add(d) }
	answer := httpx.StoredResponse{Status: 201, Header: http.Header{"Location": {"/goals/1"}}, Body: []byte(`{"id":"1"}`)}
	hash, other := []byte("one"), []byte("two")

	t.Run("an answer is kept for a day", func(t *testing.T) {
		s := open(t, now)
		begin(t, s, "k", "a", hash, nil, "")
		finish(t, s, "k", "a", answer)
		pass(23 * time.Hour)
		begin(t, s, "k", "a", hash, &answer, "")
		begin(t, s, "k", "a", other, nil, fault.IdempotencyMismatch)
		pass(time.Hour)
		begin(t, s, "k", "a", other, nil, "")
	})
	t.Run("scopes and keys are apart", func(t *testing.T) {
		s := open(t, now)
		begin(t, s, "k", "a", hash, nil, "")
		finish(t, s, "k", "a", answer)
		begin(t, s, "k", "b", other, nil, "")
		begin(t, s, "l", "a", other, nil, "")
	})
	t.Run("the second waits for the first", func(t *testing.T) {
		s := open(t, now)
		begin(t, s, "k", "a", hash, nil, "")
		begin(t, s, "k", "a", hash, nil, fault.InProgress)
		begin(t, s, "k", "a", other, nil, fault.IdempotencyMismatch)
		finish(t, s, "k", "a", httpx.StoredResponse{})
		begin(t, s, "k", "a", other, nil, "")
	})
	t.Run("a dead owner's claim lapses", func(t *testing.T) {
		s := open(t, now)
		begin(t, s, "k", "a", hash, nil, "")
		pass(httpx.ClaimLife - time.Second)
		begin(t, s, "k", "a", hash, nil, fault.InProgress)
		pass(time.Minute)
		begin(t, s, "k", "a", hash, nil, "")
	})
	t.Run("of many, one does the work", func(t *testing.T) { race(t, open(t, now), hash) })
}

func race(t *testing.T, s httpx.IdempotencyStore, hash []byte) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	won := 0
	for range 16 {
		wg.Go(func() {
			stored, err := s.Begin(t.Context(), "k", "a", hash)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil && stored == nil:
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

func begin(t *testing.T, s httpx.IdempotencyStore, key, scope string, hash []byte, want *httpx.StoredResponse, code fault.Code) {
	t.Helper()
	got, err := s.Begin(t.Context(), key, scope, hash)
	if code != "" {
		if got != nil || fault.CodeOf(err) != code {
			t.Fatalf("begin: got %v, %v; want the code %s", got, err, code)
		}
		return
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Fatalf("begin: %v, (-want +got):\n%s", err, d)
	}
}

func finish(t *testing.T, s httpx.IdempotencyStore, key, scope string, r httpx.StoredResponse) {
	t.Helper()
	if err := s.Finish(t.Context(), key, scope, r); err != nil {
		t.Fatal(err)
	}
}
