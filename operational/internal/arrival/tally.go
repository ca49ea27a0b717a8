package arrival

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Count is how many facts of a source, of one day, came with which delay.
type Count struct {
	Source contract.SourceID
	Day    contract.Day // on which they happened, in UTC
	Bins   Bins
}

// Store keeps counts.
type Store interface {
	// Add adds to what is there, and forgets the days before a day.
	Add(ctx context.Context, t contract.TenantID, counts []Count, before contract.Day) error
	// Sum adds up the days from a first to before a last one, by source.
	Sum(ctx context.Context, t contract.TenantID, from, until contract.Day) (map[contract.SourceID]Bins, error)
}

// Tally counts what ingest takes in, and stores it now and then: beside the transaction, since a share does not change
// by the few facts that a process which is killed forgets. It is safe for concurrent use, and a component.
type Tally struct {
	tenant contract.TenantID
	store  Store
	now    func() time.Time
	logger *slog.Logger
	every  time.Duration

	mu     sync.Mutex
	counts map[place]*Bins
}

type place struct {
	source contract.SourceID
	day    contract.Day
}

// NewTally returns a tally that stores what it counted as often as every, or fault.Invalid if anything is missing.
func NewTally(t contract.TenantID, store Store, every time.Duration, now func() time.Time, logger *slog.Logger) (*Tally, error) {
	if !t.Valid() || store == nil || every <= 0 || now == nil || logger == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "the tally of arrivals needs a tenant, a store, a pace, a clock and a logger")
	}
	return &Tally{tenant: t, store: store, now: now, logger: logger, every: every, counts: map[place]*Bins{}}, nil
}

// Add counts a fact that happened and came at some instants.
func (t *Tally) Add(s contract.SourceID, happened, came time.Time) {
	i, ok := bin(came.Sub(happened))
	if !ok {
		return
	}
	at := place{s, contract.DayOf(happened, time.UTC)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.counts[at] == nil {
		t.counts[at] = &Bins{}
	}
	t.counts[at][i]++
}

// Name implements service.Component.
func (t *Tally) Name() string { return "arrivals" }

// lastWord is how long it may take to store what was counted when the process ends.
const lastWord = 2 * time.Second

// Run stores until ctx ends.
func (t *Tally) Run(ctx context.Context) error {
	tick := time.NewTicker(t.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWord)
			defer cancel()
			t.flush(last)
			return nil
		case <-tick.C:
			t.flush(ctx)
		}
	}
}

// flush stores what was counted; what could not be stored is not counted, as it may have been.
func (t *Tally) flush(ctx context.Context) {
	t.mu.Lock()
	counts := make([]Count, 0, len(t.counts))
	for at, b := range t.counts {
		counts = append(counts, Count{at.source, at.day, *b})
	}
	clear(t.counts)
	t.mu.Unlock()
	if len(counts) == 0 {
		return
	}
	from, _ := Sampled(contract.DayOf(t.now(), time.UTC))
	if err := t.store.Add(ctx, t.tenant, counts, from); err != nil {
		t.logger.WarnContext(ctx, "when facts arrived could not be counted", "error", err)
	}
}
