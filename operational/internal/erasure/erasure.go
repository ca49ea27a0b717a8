// Package erasure owns the right to be forgotten: what was asked for, the work that carries it out to its end whatever
// stops in between, and the proof of it, in which nobody is named. Who asks is decided by policy before; where things of a
// person are kept is known to the store.
//
// A person is all identities that links connect with the identifier that was named. Their keys go on the suppression list
// first, and stay there: from then on ingest stores nothing that names one of them, so that what was deleted stays so
// whatever is replayed, imported again or comes late.
package erasure

import (
	"context"
	"time"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
)

// Erasure is one request with what became of it: receipt and proof. It holds no personal data.
type Erasure struct {
	Tenant      contract.TenantID
	ID          string
	By          string // who asked, by their sign-in
	RequestedAt time.Time
	FinishedAt  *time.Time       // nil while it is carried out
	Identities  int              // that belonged to the person, as far as they are known
	Deleted     map[string]int64 // documents, by collection
}

// Done reports whether nothing is held any more.
func (e *Erasure) Done() bool { return e.FinishedAt != nil }

// Requests keeps what was asked for.
type Requests interface {
	// Begin puts a customer on the suppression list and makes e an erasure to carry out, both or neither. A customer who is on
	// the list already has been erased, or is being: then that erasure is returned, and nothing changes.
	Begin(ctx context.Context, e Erasure, customer identity.Key) (Erasure, error)
	// Get returns an erasure, or fault.NotFound.
	Get(ctx context.Context, t contract.TenantID, id string) (Erasure, error)
	// List returns at most limit erasures that were asked for before the one with an id (all if it is empty), the latest first.
	List(ctx context.Context, t contract.TenantID, before string, limit int) ([]Erasure, error)
}

// Disclosure reads what is held of a person.
type Disclosure interface {
	// Held returns how many identities links connect with a customer, and every document of theirs, by collection. Somebody of
	// whom nothing is held is one identity without documents.
	Held(ctx context.Context, t contract.TenantID, customer identity.Key) (identities int, held map[string][]map[string]any, err error)
}

// Task is an erasure that is being carried out, with the identities it is about. They are forgotten when it is finished.
type Task struct {
	Erasure
	Keys []identity.Key
}

// Store is what the worker does its work with. Every method may be repeated after a failure.
type Store interface {
	// Claim returns an erasure that is not finished and nobody works at; false if there is none. Others are kept from it until
	// nothing has been done for a minute.
	Claim(ctx context.Context, t contract.TenantID) (Task, bool, error)
	// Gather puts every identity that links connect with the task's on the suppression list and returns the task with them all.
	// After it returns, no batch of ingest that knew nothing of the list can still take effect.
	Gather(ctx context.Context, task Task) (Task, error)
	// Delete deletes what is kept of the task's identities, and counts it.
	Delete(ctx context.Context, task Task) error
	// Finish looks whether anything is left, and if nothing is writes the proof; else fault.Transient.
	Finish(ctx context.Context, task Task) error
}

// Waiting tells how erasures get on.
type Waiting interface {
	// Oldest returns when the oldest erasure that is not finished was asked for; false if all are.
	Oldest(ctx context.Context, t contract.TenantID) (at time.Time, waits bool, err error)
}
