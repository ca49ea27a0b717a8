package source

import (
	"context"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Position is how far a log has been read: by partition, the offsets passed. Positions go on growing when the log is
// replaced (a new epoch), so two of them can always be compared.
type Position map[int]int64

// Passed reports whether every partition of the barrier has been passed.
func (p Position) Passed(barrier Position) bool {
	for part, at := range barrier {
		if p[part] < at {
			return false
		}
	}
	return true
}

// Declaration says that a source is complete until an instant. It takes effect once everything that stood in the log when
// it was made has been ingested.
type Declaration struct {
	Until   time.Time
	At      time.Time
	Barrier Position
	Live    bool // nobody said so: the source's lateness has passed
}

// Watermark is what is known of a source's completeness.
type Watermark struct {
	Tenant   contract.TenantID
	Source   contract.SourceID
	Revision int64
	Until    time.Time     // complete until here: every earlier event has been ingested; zero: nothing was declared
	Declared time.Time     // as Until, of what somebody said; of a live source the rest is taken from its lateness
	Pending  []Declaration // declared, not yet passed by ingest; oldest first
}

// Declare returns the watermark with one more declaration. One that is not later than what is in effect or already
// declared changes nothing: completeness is never taken back. What somebody says of a live source counts beside its lateness.
func (w Watermark) Declare(d Declaration) Watermark {
	latest := w.Until
	if !d.Live {
		latest = w.Declared
	}
	for _, p := range w.Pending {
		if p.Live && !d.Live {
			continue
		}
		if p.Until.After(latest) {
			latest = p.Until
		}
	}
	if !d.Until.After(latest) {
		return w
	}
	w.Pending = append(append([]Declaration(nil), w.Pending...), d)
	return w
}

// Settle puts into effect what ingest has passed, and reports whether anything changed.
func (w Watermark) Settle(p Position) (Watermark, bool) {
	var rest []Declaration
	for _, d := range w.Pending {
		if !p.Passed(d.Barrier) {
			rest = append(rest, d)
		} else {
			w.settle(d)
		}
	}
	changed := len(rest) != len(w.Pending)
	w.Pending = rest
	return w, changed
}

func (w *Watermark) settle(d Declaration) {
	if d.Until.After(w.Until) {
		w.Until = d.Until
	}
	if !d.Live && d.Until.After(w.Declared) {
		w.Declared = d.Until
	}
}

// Watermarks keeps the watermarks of sources.
type Watermarks interface {
	// Put stores w if the stored revision is previous (0: there is none); else fault.Conflict with precondition_failed.
	Put(ctx context.Context, w Watermark, previous int64) error
	// Of returns the watermarks of a tenant by source; sources that never declared are absent.
	Of(ctx context.Context, t contract.TenantID) (map[contract.SourceID]Watermark, error)
}

// Logs tells how far the log of events reaches, and how far it has been ingested.
type Logs interface {
	// Ends returns the end of every partition now.
	Ends(ctx context.Context) (Position, error)
	// Ingested returns what ingest has passed of every partition.
	Ingested(ctx context.Context) (Position, error)
}

// checkUntil refuses a declaration about the future: nobody can know that.
func checkUntil(until, now time.Time) error {
	if until.IsZero() || until.After(now.Add(24*time.Hour)) {
		e := fault.New(fault.Invalid, fault.BadRequest, "must be a time or a day that has passed, such as 1997-02-01 or 1997-02-01T00:00:00Z")
		e.At = "/completeUntil"
		return e
	}
	return nil
}
