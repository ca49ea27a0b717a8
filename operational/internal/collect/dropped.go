package collect

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

const (
	// maxNames bounds the names counted for one source between two flushes; a sender chooses names, so they could be
	// without end.
	maxNames   = 500
	maxName    = 100
	otherNames = "(other)"
	flushEvery = 2 * time.Second
)

// Drops is how often a property of a source's items was dropped, by name.
type Drops map[string]int64

// DropStore adds up what was dropped.
type DropStore interface {
	// Add adds counts of a source.
	Add(ctx context.Context, t contract.TenantID, s contract.SourceID, d Drops, at time.Time) error
	// Of returns the counts of a source.
	Of(ctx context.Context, t contract.TenantID, s contract.SourceID) (Drops, error)
}

// Dropped counts, by source and name, the properties that no parameter asked for: so that a drop is never silent. Counts
// are written every flushEvery; a crash loses at most those since. Values are never looked at.
type Dropped struct {
	tenant contract.TenantID
	store  DropStore
	now    func() time.Time
	logger *slog.Logger

	mu    sync.Mutex
	waits map[contract.SourceID]Drops
}

// NewDropped returns a counter that writes while Run does.
func NewDropped(t contract.TenantID, s DropStore, now func() time.Time, l *slog.Logger) (*Dropped, error) {
	if !t.Valid() || s == nil || now == nil || l == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "the counter of dropped properties needs a tenant, a store, a clock and a logger")
	}
	return &Dropped{tenant: t, store: s, now: now, logger: l, waits: map[contract.SourceID]Drops{}}, nil
}

func (d *Dropped) count(s contract.SourceID, verdicts []Verdict) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range verdicts {
		for _, name := range verdicts[i].Dropped {
			d.add(s, name, 1)
		}
	}
}

func (d *Dropped) add(s contract.SourceID, name string, n int64) {
	if d.waits[s] == nil {
		d.waits[s] = Drops{}
	}
	known := d.waits[s]
	if _, ok := known[name]; !ok && (len(known) >= maxNames || len(name) > maxName || !utf8.ValidString(name) || name == "") {
		name = otherNames
	}
	known[name] += n
}

// Of returns the counts of a source so far.
func (d *Dropped) Of(ctx context.Context, s contract.SourceID) (Drops, error) {
	if err := d.flush(ctx); err != nil {
		return nil, err
	}
	return d.store.Of(ctx, d.tenant, s)
}

func (d *Dropped) flush(ctx context.Context) error {
	d.mu.Lock()
	waits := d.waits
	d.waits = map[contract.SourceID]Drops{}
	d.mu.Unlock()
	for s, drops := range waits {
		if err := d.store.Add(ctx, d.tenant, s, maps.Clone(drops), d.now()); err != nil {
			d.restore(waits)
			return err
		}
		delete(waits, s)
	}
	return nil
}

func (d *Dropped) restore(waits map[contract.SourceID]Drops) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s, drops := range waits {
		for name, n := range drops {
			d.add(s, name, n)
		}
	}
}

// Name implements service.Component.
func (d *Dropped) Name() string { return "dropped_properties" }

// Run implements service.Component.
func (d *Dropped) Run(ctx context.Context) error {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return d.flush(context.WithoutCancel(ctx))
		case <-tick.C:
			if err := d.flush(ctx); err != nil && ctx.Err() == nil {
				d.logger.WarnContext(ctx, "counts of dropped properties could not be written", "error", err)
			}
		}
	}
}
