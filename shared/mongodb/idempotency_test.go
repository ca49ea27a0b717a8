package mongodb_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

func TestIdempotency(t *testing.T) {
	t.Parallel()
	c := &clock{at: time.Now()}
	config, deps := mongotest.Settings(t)
	deps.Now = c.now
	db, err := mongodb.Connect(t.Context(), config, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(t.Context()) })
	s, ctx := mongodb.NewIdempotency(db), t.Context()
	begin := func(key, hash string) (*httpx.StoredResponse, error) { return s.Begin(ctx, key, "scope", []byte(hash)) }
	mine := func(key string) {
		t.Helper()
		if got, err := begin(key, "h"); got != nil || err != nil {
			t.Fatalf("Begin %s = %v, %v; want the claim", key, got, err)
		}
	}

	mine("a")
	if _, err := begin("a", "h"); fault.CodeOf(err) != fault.InProgress {
		t.Errorf("the second at once: %v, want in progress", err)
	}
	if _, err := begin("a", "other"); fault.CodeOf(err) != fault.IdempotencyMismatch {
		t.Errorf("another request: %v, want a mismatch", err)
	}
	mine("b")
	answer := httpx.StoredResponse{Status: 201, Header: http.Header{"Location": {"/x"}}, Body: []byte("{}")}
	if err := s.Finish(ctx, "a", "scope", answer); err != nil {
		t.Fatal(err)
	}
	got, err := begin("a", "h")
	if diff := cmp.Diff(&answer, got); diff != "" || err != nil {
		t.Errorf("the second later: %v (-want +got):\n%s", err, diff)
	}
	if err := s.Finish(ctx, "b", "scope", httpx.StoredResponse{}); err != nil {
		t.Fatal(err)
	}
	mine("b")
	c.add(10 * time.Minute)
	mine("b") // its owner has died
	c.add(httpx.IdempotencyLife)
	mine("a") // the answer has expired
}

func TestIdempotencyHasOneOwner(t *testing.T) {
	t.Parallel()
	s := mongodb.NewIdempotency(mongotest.Open(t))
	var mu sync.Mutex
	var wg sync.WaitGroup
	owners := 0
	for range 8 {
		wg.Go(func() {
			got, err := s.Begin(t.Context(), "key", "scope", []byte("h"))
			switch {
			case got == nil && err == nil:
				mu.Lock()
				defer mu.Unlock()
				owners++
			case fault.CodeOf(err) != fault.InProgress:
				t.Errorf("Begin = %v, %v", got, err)
			}
		})
	}
	wg.Wait()
	if owners != 1 {
		t.Errorf("%d owners, want 1", owners)
	}
}
