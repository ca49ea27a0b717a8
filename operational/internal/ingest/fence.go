package ingest

import (
	"context"
	"time"

	"github.com/strata-crm/strata/shared/fault"
)

// Log is the log that is being ingested: an epoch of it. A new epoch begins when a person accepts that the broker's
// storage is another one.
type Log struct {
	Epoch     int64  // from 1
	ClusterID string // of the broker's storage; "" until the first partition is read
}

// Fence is the one truth about how far a partition of an epoch has been ingested. Every record below Next has had its
// effect once, and is in exactly one of the counts or in the lake.
type Fence struct {
	Epoch     int64
	Partition int
	Next      int64
	Counts    Counts
	Holes     []Hole
}

// Counts say what became of the records that are not in the lake.
type Counts struct {
	Removed     int64 // were in the lake; erased or expired
	Duplicate   int64
	Quarantined int64
	Suppressed  int64 // of erased customers
	NotInForce  int64 // no directive that asked for them was in force when they were received
	Lost        int64 // could not be read: holes
}

func (c Counts) sum() int64 {
	return c.Removed + c.Duplicate + c.Quarantined + c.Suppressed + c.NotInForce + c.Lost
}

// Hole is a range of offsets [From, To) that could not be read any more.
type Hole struct {
	From, To int64
	At       time.Time
}

// epochSpan separates the positions of epochs: no partition ever holds so many records.
const epochSpan = 1 << 40

// Position returns how far the partition has come, as a number that goes on growing over epochs. What was waiting in an
// earlier epoch's log counts as passed.
func (f Fence) Position() int64 { return positionOf(f.Epoch, f.Next) }

func positionOf(epoch, next int64) int64 { return epoch*epochSpan + next }

// Fences keeps the fences. All methods take part in the transaction of ctx, if there is one.
type Fences interface {
	// Adopt returns the current log; the first cluster id it is ever given becomes the log's. Epoch 1 begins by itself.
	Adopt(ctx context.Context, clusterID string) (Log, error)
	// Open returns the fence of a partition, which begins at 0 if it was never opened.
	Open(ctx context.Context, epoch int64, partition int) (Fence, error)
	// Advance moves a fence from exactly first to next, adds the counts, and reports false if it stands elsewhere.
	Advance(ctx context.Context, epoch int64, partition int, first, next int64) (bool, error)
	// Add adds counts (and a hole, unless nil) to a fence that this transaction has advanced.
	Add(ctx context.Context, epoch int64, partition int, c Counts, h *Hole) error
	// All returns every fence of every epoch.
	All(ctx context.Context) ([]Fence, error)
}

// Epochs begins new ones. Only `strata setup --accept-new-log` does.
type Epochs interface {
	// Begin makes the log with the given cluster id the current one, under the next epoch.
	Begin(ctx context.Context, clusterID string) (Log, error)
}

// changed is the fault of a log that is not the one that was being read. Guessing would lose or double events.
func changed(format string, args ...any) error {
	return fault.New(fault.Conflict, fault.LogChanged,
		format+": if that is intended, run `strata setup --accept-new-log`; events that come again are recognised by their ids", args...)
}
