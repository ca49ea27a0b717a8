// Package lake owns the events as they were collected, with their origin, and the quarantine for those that may not be
// used. It decides nothing about them: the gateway judges items, ingest judges repetitions, and the warehouse is built
// from what the lake holds.
package lake

import (
	"context"
	"time"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Place is where an event stood in the log: the partition and offset of an epoch. A new epoch begins when the log is
// replaced.
type Place struct {
	Epoch     int64
	Partition int
	Offset    int64
}

// Event is one collected event and where it came from.
type Event struct {
	Tenant contract.TenantID
	Place  Place
	contract.CustomerEvent
}

// Seen is what is known of an event id that came again.
type Seen struct {
	Content string              // the keyed hash of what was stored
	Import  *contract.ImportRow // the row of a file that it came from
}

// Outcome of keeping one event.
type Outcome uint8

// The outcomes.
const (
	New       Outcome = iota // stored now
	Duplicate                // the same id with the same content was there
	Clash                    // the same id with other content was there: the event is to be quarantined
)

// Kept is the outcome of one event, and what was there before.
type Kept struct {
	Outcome Outcome
	Seen    Seen // what holds the id now; of a new event its own
}

// Judge returns the outcome of an event whose id is taken.
func (e *Event) Judge(s Seen) Kept {
	if s.Content == e.Content {
		return Kept{Outcome: Duplicate, Seen: s}
	}
	return Kept{Outcome: Clash, Seen: s}
}

// Quarantined is an event that was set aside, with the reason. It is in no metric. It holds only what was asked for.
type Quarantined struct {
	ID     string // names it for good, so that setting the same thing aside again changes nothing
	Tenant contract.TenantID
	Reason fault.Code
	At     time.Time
	Source contract.SourceID
	Event  *contract.CustomerEvent // nil for a record that could not be read
	Raw    []byte                  // what could not be read
	// Customer is what a record that could not be read had as its key in the log: whose it says to be.
	Customer identity.Key
	Place    *Place // set by ingest
}

// Quarantine keeps what was set aside.
type Quarantine interface {
	// SetAside stores the records; those whose id is there already change nothing.
	SetAside(ctx context.Context, records []Quarantined) error
	// Withdraw removes records by their ids, as far as they are there.
	Withdraw(ctx context.Context, t contract.TenantID, ids []string) error
}

// AsideCount is how much of a source was set aside for a reason.
type AsideCount struct {
	Source contract.SourceID // empty for records that could not be read
	Reason fault.Code
	Count  int64
}
