package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/strata-crm/strata/shared/fault"
)

// Balance accounts for every record of a partition and epoch that ingest has passed.
type Balance struct {
	Fence
	Stored int64 // counted in the lake, not from a counter: so the account can fail
}

// Unaccounted returns how many records have no known fate (or, negative, more than one): 0 at all times.
func (b Balance) Unaccounted() int64 { return b.Next - b.Stored - b.Counts.sum() }

// Stored counts the lake's events.
type Stored interface {
	// Stored returns how many events of each epoch and partition the lake holds. It takes part in the transaction of ctx.
	Stored(ctx context.Context) (map[[2]int64]int64, error)
}

// Account checks the conservation of records: next = stored + removed + duplicate + quarantined + suppressed +
// not_in_force + lost, per partition and epoch. It reads fences and lake in one snapshot, so it holds at any moment.
type Account struct {
	tx     func(ctx context.Context, fn func(ctx context.Context) error) error
	fences Fences
	lake   Stored
	every  time.Duration
	logger *slog.Logger
	last   atomic.Int64
}

// NewAccount returns an account whose gauge strata.ingest.unaccounted is renewed so often while Run does.
func NewAccount(tx func(ctx context.Context, fn func(ctx context.Context) error) error, f Fences, l Stored, every time.Duration, logger *slog.Logger, m metric.MeterProvider) (*Account, error) {
	if tx == nil || f == nil || l == nil || every <= 0 || logger == nil || m == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "the account of ingest needs a database, an interval, a logger and a meter")
	}
	a := &Account{tx: tx, fences: f, lake: l, every: every, logger: logger}
	_, err := m.Meter("strata/operational/ingest").Int64ObservableGauge("strata.ingest.unaccounted",
		metric.WithDescription("Records of the events log whose fate is unknown; anything but 0 is a defect."),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error { o.Observe(a.last.Load()); return nil }))
	return a, err
}

// Balances returns the account of every partition and epoch.
func (a *Account) Balances(ctx context.Context) ([]Balance, error) {
	var balances []Balance
	err := a.tx(ctx, func(ctx context.Context) error {
		fences, err := a.fences.All(ctx)
		if err != nil {
			return err
		}
		stored, err := a.lake.Stored(ctx)
		if err != nil {
			return err
		}
		balances = nil
		for _, f := range fences {
			key := [2]int64{f.Epoch, int64(f.Partition)}
			balances = append(balances, Balance{Fence: f, Stored: stored[key]})
			delete(stored, key)
		}
		for key, n := range stored { // events that no fence accounts for
			balances = append(balances, Balance{Fence: Fence{Epoch: key[0], Partition: int(key[1])}, Stored: n})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("account of ingest: %w", err)
	}
	return balances, nil
}

// Name implements service.Component.
func (a *Account) Name() string { return "ingest_account" }

// Run implements service.Component: it renews the gauge and raises the alarm.
func (a *Account) Run(ctx context.Context) error {
	tick := time.NewTicker(a.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.renew(ctx)
		}
	}
}

func (a *Account) renew(ctx context.Context) {
	balances, err := a.Balances(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.logger.WarnContext(ctx, "the account of ingest could not be drawn up", "error", err)
		}
		return
	}
	var sum int64
	for _, b := range balances {
		if n := b.Unaccounted(); n != 0 {
			sum += max(n, -n)
			a.logger.ErrorContext(ctx, "records of the events log are unaccounted for", "epoch", b.Epoch, "partition", b.Partition, "records", n)
		}
	}
	a.last.Store(sum)
}
