package httpx_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/httpx/httpxtest"
)

func counting(t *testing.T) (fixture, *atomic.Int32) {
	t.Helper()
	f := open(t, func(o *httpx.Options) {
		o.Idempotency = httpxtest.NewMemory(time.Now)
		o.Public = []string{"/public"}
	})
	var calls atomic.Int32
	create := func(c echo.Context) error {
		body, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return err
		}
		n := calls.Add(1)
		c.Response().Header().Set("Location", "/goals/1")
		c.Response().Header().Set("ETag", httpx.ETag(1))
		return c.JSON(201, map[string]any{"n": n, "body": string(body)})
	}
	f.e.POST("/goals", create)
	f.e.POST("/plans", create)
	f.e.PUT("/goals", create)
	f.e.POST("/public", create)
	return f, &calls
}

func TestRepeatedPostGetsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	f, calls := counting(t)
	first := f.do("POST", "/goals", `{"a":1}`, "Idempotency-Key", "k1")
	second := f.do("POST", "/goals", `{"a":1}`, "Idempotency-Key", "k1")
	if first.Code != 201 || !strings.Contains(first.Body.String(), `a\":1`) || second.Code != 201 || first.Body.String() != second.Body.String() {
		t.Errorf("got %d %s, then %d %s", first.Code, first.Body, second.Code, second.Body)
	}
	if h := second.Header(); h.Get("Location") != "/goals/1" || h.Get("Etag") != `"1"` || h.Get("Content-Type") != "application/json" ||
		h.Get("Idempotency-Replayed") != "true" || first.Header().Get("Idempotency-Replayed") != "" {
		t.Errorf("headers of the repetition: %v", h)
	}
	if first.Header().Get("X-Request-Id") == second.Header().Get("X-Request-Id") {
		t.Error("two requests share an id")
	}
	if calls.Load() != 1 {
		t.Errorf("the work was done %d times", calls.Load())
	}
}

func TestKeysAreOfOneCallerAndAddress(t *testing.T) {
	t.Parallel()
	f, calls := counting(t)
	f.do("POST", "/goals", `{}`, "Idempotency-Key", "k1")
	f.do("POST", "/plans", `{}`, "Idempotency-Key", "k1")
	f.do("POST", "/goals", `{}`, "Idempotency-Key", "k1", "Authorization", "Bearer bob")
	f.do("PUT", "/goals", `{}`, "Idempotency-Key", "k1")
	f.do("PUT", "/goals", `{}`, "Idempotency-Key", "k1")
	f.do("POST", "/goals", `{}`)
	f.do("POST", "/goals", `{}`)
	f.do("POST", "/public", `{}`, "Idempotency-Key", "k1", "Authorization", "")
	f.do("POST", "/public", `{}`, "Idempotency-Key", "k1", "Authorization", "")
	if calls.Load() != 9 {
		t.Errorf("the work was done %d times, want 9", calls.Load())
	}
}

func TestAnotherBodyIsRefused(t *testing.T) {
	t.Parallel()
	f, _ := counting(t)
	f.do("POST", "/goals", `{"a":1}`, "Idempotency-Key", "k1")
	for _, path := range []string{"/goals", "/goals?x=1"} {
		body := `{"a":1}`
		if path == "/goals" {
			body = `{"a":2}`
		}
		p := problemOf(t, f.do("POST", path, body, "Idempotency-Key", "k1"))
		if p.Status != 422 || p.Type != "urn:strata:problem:idempotency_mismatch" {
			t.Errorf("%s: got %+v", path, p)
		}
	}
	for _, key := range []string{strings.Repeat("k", 201), "a b", "é"} {
		if p := problemOf(t, f.do("POST", "/goals", `{}`, "Idempotency-Key", key)); p.Status != 400 {
			t.Errorf("key %q: got %+v", key, p)
		}
	}
	bare := open(t, nil)
	bare.e.POST("/x", func(c echo.Context) error { return c.NoContent(204) })
	if p := problemOf(t, bare.do("POST", "/x", "", "Idempotency-Key", "k1")); p.Status != 400 {
		t.Errorf("without a store: got %+v", p)
	}
}

func TestSecondWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.Idempotency = httpxtest.NewMemory(time.Now) })
	begun, goOn := make(chan struct{}), make(chan struct{})
	f.e.POST("/x", func(c echo.Context) error {
		close(begun)
		<-goOn
		return c.NoContent(204)
	})
	done := make(chan *httptest.ResponseRecorder)
	go func() { done <- f.do("POST", "/x", "", "Idempotency-Key", "k1") }()
	<-begun
	w := f.do("POST", "/x", "", "Idempotency-Key", "k1")
	if p := problemOf(t, w); p.Status != 409 || p.Type != "urn:strata:problem:in_progress" || w.Header().Get("Retry-After") == "" {
		t.Errorf("got %+v with %v", p, w.Header())
	}
	close(goOn)
	if w := <-done; w.Code != 204 {
		t.Errorf("the first: got %d", w.Code)
	}
	if w := f.do("POST", "/x", "", "Idempotency-Key", "k1"); w.Code != 204 || w.Header().Get("Idempotency-Replayed") != "true" {
		t.Errorf("the third: got %d", w.Code)
	}
}

// TestOnlyOurOwnFailuresReleaseTheKey, and only where nothing was changed before they came: not even a panic or an unknown
// commit makes a second change of one key.
func TestOnlyOurOwnFailuresReleaseTheKey(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		fail  func() error
		calls int32 // when nothing was changed
	}{
		"internal":     {func() error { return errors.New("hush") }, 2},
		"transient":    {func() error { return fault.New(fault.Transient, fault.Unavailable, "again") }, 2},
		"rate limited": {func() error { return fault.New(fault.Denied, fault.RateLimited, "slower") }, 2},
		"panic":        {func() error { panic("hush") }, 2},
		"invalid":      {func() error { return fault.New(fault.Invalid, fault.NotSMART, "no") }, 1},
	} {
		for _, changes := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/changed=%t", name, changes), func(t *testing.T) {
				t.Parallel()
				store := httpxtest.NewMemory(time.Now)
				f := open(t, func(o *httpx.Options) { o.Idempotency = store })
				var calls atomic.Int32
				f.e.POST("/x", func(c echo.Context) error {
					calls.Add(1)
					if changes {
						if err := store.Change(c.Request().Context()); err != nil {
							t.Error(err)
						}
					}
					return tt.fail()
				})
				first := f.do("POST", "/x", "", "Idempotency-Key", "k1")
				second := f.do("POST", "/x", "", "Idempotency-Key", "k1")
				wantCalls, wantCode := tt.calls, first.Code
				if changes {
					wantCalls = 1
				}
				if changes && tt.calls > 1 {
					wantCode = 409
					if p := problemOf(t, second); p.Type != "urn:strata:problem:outcome_unknown" {
						t.Errorf("the repetition is told %+v", p)
					}
				}
				if calls.Load() != wantCalls || second.Code != wantCode || second.Header().Get("Content-Type") != "application/problem+json" {
					t.Errorf("%d calls, %d then %d %v", calls.Load(), first.Code, second.Code, second.Header())
				}
			})
		}
	}
}

func TestLargeAnswerIsReplayedWithoutItsBody(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.Idempotency = httpxtest.NewMemory(time.Now) })
	f.e.POST("/x", func(c echo.Context) error { return c.Blob(200, "text/plain", make([]byte, 1<<20+1)) })
	first := f.do("POST", "/x", "", "Idempotency-Key", "k1")
	second := f.do("POST", "/x", "", "Idempotency-Key", "k1")
	if first.Body.Len() != 1<<20+1 || second.Code != 200 || second.Body.Len() != 0 {
		t.Errorf("%d bytes, then %d with %d bytes", first.Body.Len(), second.Code, second.Body.Len())
	}
}

func TestNoKeyOutlivesItsClaim(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := open(t, func(o *httpx.Options) {
			o.Idempotency, o.Long = httpxtest.NewMemory(time.Now), []string{"/upload"}
		})
		var lasted time.Duration
		f.e.POST("/upload", func(c echo.Context) error {
			began := time.Now()
			<-c.Request().Context().Done()
			lasted = time.Since(began)
			return c.Request().Context().Err()
		})
		if w := f.do("POST", "/upload", "", "Idempotency-Key", "k1"); w.Code != 503 || lasted >= httpx.ClaimLife {
			t.Errorf("got %d after %s", w.Code, lasted)
		}
	})
}

// hashes is a store that remembers the hashes it is given.
type hashes struct {
	httpx.IdempotencyStore
	seen []string
}

func (h *hashes) Begin(ctx context.Context, key, scope string, hash []byte) (httpx.Claim, *httpx.StoredResponse, error) {
	h.seen = append(h.seen, string(hash))
	return h.IdempotencyStore.Begin(ctx, key, scope, hash)
}

// TestHashesOfRequestsAreKeyed: whoever reads the store and does not know the key cannot try which body a hash is of; under one
// key a repetition is one.
func TestHashesOfRequestsAreKeyed(t *testing.T) {
	t.Parallel()
	of := func(key string) string {
		h := &hashes{IdempotencyStore: httpxtest.NewMemory(time.Now)}
		f := open(t, func(o *httpx.Options) { o.Idempotency, o.RequestKey = h, []byte(key) })
		f.e.POST("/goals", func(c echo.Context) error { return c.NoContent(204) })
		f.do("POST", "/goals", `{"a":1}`, "Idempotency-Key", "k1")
		if again := f.do("POST", "/goals", `{"a":1}`, "Idempotency-Key", "k1"); again.Header().Get("Idempotency-Replayed") != "true" {
			t.Error("the repetition was not one")
		}
		if len(h.seen) != 2 || h.seen[0] != h.seen[1] {
			t.Fatalf("the hashes are %x", h.seen)
		}
		return h.seen[0]
	}
	plain, one, other := of(""), of("one"), of("other")
	if plain == one || one == other || one != of("one") {
		t.Error("the hashes do not depend on the key")
	}
}
