// Package audience keeps what is known of all customers in bitmaps beside ingest, and counts by them. The bitmaps are a
// cache outside ingest's transaction: they are made from the rows when the service starts, follow what ingest changes, and
// state the position that they contain. It owns when that happens; package attribute owns the bitmaps.
package audience

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/strata-crm/strata/operational/internal/attribute"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Rows reads customers.
type Rows interface {
	// All calls f with every person there is, in portions.
	All(ctx context.Context, f func([]attribute.Change) error) error
	// Since calls f with every person of whom anything changed after the positions, by partition, as they are now; those that
	// are no longer persons of their own come without attributes. It may name some that did not change.
	Since(ctx context.Context, position map[int]int64, f func([]attribute.Change) error) error
}

// Positions tells how far ingest has come.
type Positions interface {
	// Position returns, by partition, what ingest has passed.
	Position(ctx context.Context) (map[int]int64, error)
}

// ExpiredPartition is the partition, none of the log's, under which a position says how often something was deleted because it
// had been kept as long as it may be. Whom that concerns is kept nowhere: bitmaps that contain less are made anew.
const ExpiredPartition = -2

// Options are what a Keeper needs. All are required.
type Options struct {
	Rows      Rows
	Positions Positions
	Now       func() time.Time
	Logger    *slog.Logger
}

// Keeper keeps the bitmaps in line with the rows; it is a component.
type Keeper struct {
	o     Options
	index atomic.Pointer[attribute.Index] // nil until it was made
	wake  chan struct{}
}

// NewKeeper returns a keeper, or an error naming what is missing.
func NewKeeper(o Options) (*Keeper, error) {
	if o.Rows == nil || o.Positions == nil || o.Now == nil || o.Logger == nil {
		return nil, errors.New("audience: rows, positions, now and logger are required")
	}
	return &Keeper{o: o, wake: make(chan struct{}, 1)}, nil
}

// Name implements service.Component.
func (k *Keeper) Name() string { return "audience" }

// Wake tells that ingest has come further. It never blocks.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// How often it looks unasked, for what other replicas ingested, and how long it rests after a look: at least leastPause, and
// so much longer than the look took that following never takes more than a tenth of one processor.
const (
	lookEvery  = 10 * time.Second
	leastPause = time.Second
	restFactor = 9
)

// Run follows until ctx ends. What failed is logged and tried again.
func (k *Keeper) Run(ctx context.Context) error {
	for {
		began := k.o.Now()
		if err := k.Round(ctx); err != nil && ctx.Err() == nil {
			k.o.Logger.ErrorContext(ctx, "customers cannot be counted as they are now", "error", err)
		}
		if !pause(ctx, max(leastPause, restFactor*k.o.Now().Sub(began))) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		case <-time.After(lookEvery):
		}
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Round brings the bitmaps up to where ingest is now.
func (k *Keeper) Round(ctx context.Context) error {
	// The position before the rows: what is read later may contain more than the position says, never less.
	position, err := k.o.Positions.Position(ctx)
	if err != nil {
		return fmt.Errorf("position of ingest: %w", err)
	}
	x := k.index.Load()
	if x == nil || position[ExpiredPartition] > x.Position()[ExpiredPartition] {
		return k.make(ctx, position)
	}
	if contained(position, x.Position()) {
		return nil
	}
	err = k.o.Rows.Since(ctx, x.Position(), func(changes []attribute.Change) error { return x.Apply(changes, nil) })
	if err != nil {
		return fmt.Errorf("customers that changed: %w", err)
	}
	return x.Apply(nil, position)
}

func (k *Keeper) make(ctx context.Context, position map[int]int64) error {
	x := attribute.New()
	if err := k.o.Rows.All(ctx, func(changes []attribute.Change) error { return x.Apply(changes, nil) }); err != nil {
		return fmt.Errorf("all customers: %w", err)
	}
	if err := x.Apply(nil, position); err != nil {
		return err
	}
	k.index.Store(x)
	return nil
}

// contained reports whether a lies nowhere beyond b.
func contained(a, b map[int]int64) bool {
	for part, at := range a {
		if at > b[part] {
			return false
		}
	}
	return true
}

// Counted is what a condition selects of the customers.
type Counted struct {
	Customers int64
	Of        int64         // customers there are
	Through   map[int]int64 // by partition, how much of the log is contained
	Unknown   []string      // fields of the condition that no customer has
}

// Count counts the customers that a condition selects. It fails with fault.Transient until the bitmaps have been made, and
// as attribute.Index.Count does.
func (k *Keeper) Count(_ context.Context, c *contract.Condition) (Counted, error) {
	x := k.index.Load()
	if x == nil {
		return Counted{}, fault.New(fault.Transient, fault.Unavailable, "customers are still being counted: ask again in a moment")
	}
	through := x.Position()
	n, err := x.Count(c)
	return Counted{n, x.Customers(), through, x.Unknown(c)}, err
}
