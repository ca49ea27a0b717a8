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
// side.
type StoredResponse struct {
	Status int
	Header http.Header // only Content-Type, Location and ETag
	Body   []byte      // at most 1 MiB
}

// IdempotencyStore keeps the answers to requests that carry an Idempotency-Key for [IdempotencyLife]. The scope (tenant,
// subject, method and path) separates callers: together with the key it names one entry.
type IdempotencyStore interface {
	// Begin claims the key. It returns a claim to the one caller that must do the work; the stored answer, if the work was
	// done with the same hash; [ErrMismatch], if the key was used with another hash; [ErrInProgress], if another caller is
	// at work; [ErrOutcomeUnknown], if that caller changed something and left no answer. A claim that was not finished
	// and under which nothing was changed goes to the next caller once [ClaimLife] has passed, and no sooner.
	Begin(ctx context.Context, key, scope string, requestHash []byte) (Claim, *StoredResponse, error)
}

// Claim is the right to do the work of one key. What is changed under it and the note that something was are one: whoever
// repeats the request cannot miss it, however the first one ended.
type Claim interface {
	// Guard returns the context in which to do the work. A transaction in it notes that the claim has changed something,
	// and fails when the claim has gone to another caller meanwhile. A write outside of transactions notes nothing, so
	// there is none but of what is harmless when it is repeated.
	Guard(ctx context.Context) context.Context
	// Finish stores the answer. The zero StoredResponse gives the claim up: if nothing was changed under it, the key is as
	// if never used; else whoever repeats the request gets [ErrOutcomeUnknown].
	Finish(ctx context.Context, r StoredResponse) error
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

// ErrOutcomeUnknown is returned by a store when the first request with the key changed something and left no answer: to do
// it again could be to do it twice.
func ErrOutcomeUnknown() error {
	return fault.New(fault.Conflict, fault.OutcomeUnknown, "the first request with this Idempotency-Key changed something, and its "+
		"answer was lost: look at what is there now (GET), before you send it again with a new key")
}
