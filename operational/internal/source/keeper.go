package source

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// KeeperOptions are what a Keeper needs; all but the durations are required.
type KeeperOptions struct {
	Tenant     contract.TenantID
	Sources    Store
	Watermarks Watermarks
	Logs       Logs
	Now        func() time.Time
	Logger     *slog.Logger
	Poll       time.Duration // how often another replica's progress is looked for; 0 means 500 ms
	Live       time.Duration // how often a live source's watermark follows its lateness; 0 means 10 s
}

// Keeper keeps every source's watermark: it takes declarations, makes those of live sources from their lateness, and puts
// them into effect as ingest passes their barriers. Safe for concurrent use, and in several replicas at once.
type Keeper struct {
	o    KeeperOptions
	wake chan struct{}

	mu      sync.Mutex
	follow  []func()
	lastRun time.Time
}

// NewKeeper returns a keeper that works while Run does.
func NewKeeper(o KeeperOptions) (*Keeper, error) {
	if o.Sources == nil || o.Watermarks == nil || o.Logs == nil || o.Now == nil || o.Logger == nil || !o.Tenant.Valid() {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "the watermark keeper needs a tenant, sources, watermarks, logs, a clock and a logger")
	}
	if o.Poll <= 0 {
		o.Poll = 500 * time.Millisecond
	}
	if o.Live <= 0 {
		o.Live = 10 * time.Second
	}
	return &Keeper{o: o, wake: make(chan struct{}, 1)}, nil
}

// OnChange registers f, called after a watermark has moved; f must not block. Call it before Run.
func (k *Keeper) OnChange(f func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.follow = append(k.follow, f)
}

// Wake makes the keeper look at once; ingest calls it after each batch.
func (k *Keeper) Wake() {
	select {
	case k.wake <- struct{}{}:
	default:
	}
}

// Declare records that a source is complete until an instant, with the ends of the log as they are now. It takes effect
// when ingest has passed those; an earlier or equal instant than declared before changes nothing.
func (k *Keeper) Declare(ctx context.Context, id contract.SourceID, until time.Time) (Watermark, error) {
	now := k.o.Now().UTC().Truncate(time.Millisecond)
	if err := checkUntil(until, now); err != nil {
		return Watermark{}, err
	}
	if _, err := k.o.Sources.Get(ctx, k.o.Tenant, id); err != nil {
		return Watermark{}, err
	}
	return k.declare(ctx, id, Declaration{Until: until.UTC().Truncate(time.Millisecond), At: now})
}

func (k *Keeper) declare(ctx context.Context, id contract.SourceID, d Declaration) (Watermark, error) {
	ends, err := k.o.Logs.Ends(ctx)
	if err != nil {
		return Watermark{}, fmt.Errorf("declare the watermark of %s: %w", id, err)
	}
	d.Barrier = ends
	w, err := k.change(ctx, id, func(w Watermark) (Watermark, bool) {
		next := w.Declare(d)
		return next, len(next.Pending) != len(w.Pending)
	})
	k.Wake()
	return w, err
}

// change applies f by compare-and-set until nobody else has changed the watermark in between.
func (k *Keeper) change(ctx context.Context, id contract.SourceID, f func(Watermark) (Watermark, bool)) (Watermark, error) {
	for {
		all, err := k.o.Watermarks.Of(ctx, k.o.Tenant)
		if err != nil {
			return Watermark{}, err
		}
		current := all[id]
		current.Tenant, current.Source = k.o.Tenant, id
		next, changed := f(current)
		if !changed {
			return current, nil
		}
		next.Revision = contract.NextRevision(current.Revision, k.o.Now())
		if err = k.o.Watermarks.Put(ctx, next, current.Revision); err == nil {
			return next, nil
		}
		if fault.CodeOf(err) != fault.PreconditionFailed || ctx.Err() != nil {
			return Watermark{}, fmt.Errorf("watermark of %s: %w", id, err)
		}
	}
}

// Of returns the watermarks by source, with everything in effect that ingest has passed by now.
func (k *Keeper) Of(ctx context.Context) (map[contract.SourceID]Watermark, error) {
	if _, err := k.settle(ctx); err != nil {
		return nil, err
	}
	return k.o.Watermarks.Of(ctx, k.o.Tenant)
}

// settle puts into effect what ingest has passed and reports whether a watermark moved.
func (k *Keeper) settle(ctx context.Context) (bool, error) {
	all, err := k.o.Watermarks.Of(ctx, k.o.Tenant)
	if err != nil {
		return false, err
	}
	waiting := false
	for _, w := range all {
		waiting = waiting || len(w.Pending) > 0
	}
	if !waiting {
		return false, nil
	}
	passed, err := k.o.Logs.Ingested(ctx)
	if err != nil {
		return false, err
	}
	moved := false
	for id, w := range all {
		if _, changed := w.Settle(passed); !changed {
			continue
		}
		if _, err := k.change(ctx, id, func(w Watermark) (Watermark, bool) { return w.Settle(passed) }); err != nil {
			return moved, err
		}
		moved = true
	}
	if moved {
		k.tell()
	}
	return moved, nil
}

func (k *Keeper) tell() {
	k.mu.Lock()
	follow := k.follow
	k.mu.Unlock()
	for _, f := range follow {
		f()
	}
}

// Name implements service.Component.
func (k *Keeper) Name() string { return "watermarks" }

// Run implements service.Component.
func (k *Keeper) Run(ctx context.Context) error {
	tick := time.NewTicker(k.o.Poll)
	defer tick.Stop()
	for {
		if err := k.round(ctx); err != nil && ctx.Err() == nil {
			k.o.Logger.WarnContext(ctx, "watermarks could not be looked at", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-k.wake:
		case <-tick.C:
		}
	}
}

func (k *Keeper) round(ctx context.Context) error {
	if err := k.live(ctx); err != nil {
		return err
	}
	_, err := k.settle(ctx)
	return err
}

// live declares live sources complete up to their lateness ago.
func (k *Keeper) live(ctx context.Context) error {
	now := k.o.Now().UTC().Truncate(time.Millisecond)
	if now.Sub(k.lastRun) < k.o.Live {
		return nil
	}
	k.lastRun = now
	sources, err := k.o.Sources.List(ctx, k.o.Tenant)
	if err != nil {
		return err
	}
	waiting, err := k.o.Watermarks.Of(ctx, k.o.Tenant)
	if err != nil {
		return err
	}
	for _, s := range sources {
		if s.Lateness > 0 && len(waiting[s.ID].Pending) == 0 { // while ingest is behind, one more declaration helps nobody
			if _, err := k.declare(ctx, s.ID, Declaration{Until: now.Add(-s.Lateness), At: now, Live: true}); err != nil {
				return err
			}
		}
	}
	return nil
}
