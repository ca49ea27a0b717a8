package httpx

import (
	"context"
	"net/http"
	"time"

	"github.com/strata-crm/strata/shared/fault"
)

const (
	// IdempotencyLife is how long the answer to an Idempotency-Key is kept.
	IdempotencyLife = 24 * time.Hour
	// ClaimLife is after how long a claim lapses that was neither finished nor released: its owner then has died, for
	// no request with a key may last as long.
	ClaimLife = 5 * time.Minute
)

// StoredResponse is an answer kept for a repeated request. Its zero value means "no answer": the request failed on our
// side and may be tried again under the same key.
type StoredResponse struct {
	Status int
	Header http.Header // only Content-Type, Location and ETag
	Body   []byte      // at most 1 MiB
}

// IdempotencyStore keeps the answers to requests that carry an Idempotency-Key for [IdempotencyLife]. The scope (tenant,
// subject, method and path) separates callers: together with the key it names one entry.
type IdempotencyStore interface {
	// Begin claims the key. It returns (nil, nil) to the one caller that must do the work; the stored answer, if the
	// work was done with the same hash; [ErrMismatch], if the key was used with another hash; [ErrInProgress], if
	// another caller is at work. A claim that is neither finished nor released goes to the next caller once [ClaimLife]
	// has passed, and no sooner.
	Begin(ctx context.Context, key, scope string, requestHash []byte) (stored *StoredResponse, err error)
	// Finish stores the answer of the claim. The zero StoredResponse releases the claim: the key is as if never used.
	Finish(ctx context.Context, key, scope string, r StoredResponse) error
}

// ErrMismatch is returned by a store when a key comes again with another request.
func ErrMismatch() error {
	return fault.New(fault.Invalid, fault.IdempotencyMismatch,
		"this Idempotency-Key was used for another request: use a new key for each new request")
}

// ErrInProgress is returned by a store while the first request with the key is being worked on.
func ErrInProgress() error {
	return fault.New(fault.Conflict, fault.InProgress, "the first request with this Idempotency-Key is still at work: wait, then repeat it")
}
