package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
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
	o     AccountOptions
	began time.Time

	mu    sync.Mutex
	last  int64     // how many records were unaccounted for
	drawn time.Time // when; zero before the first account
}

// AccountOptions are what an Account needs; all are required.
type AccountOptions struct {
	Tx     func(ctx context.Context, fn func(ctx context.Context) error) error
	Fences Fences
	Lake   Stored
	Every  time.Duration // how often Run draws the account up
	Now    func() time.Time
	Logger *slog.Logger
	Meter  metric.MeterProvider
}

// NewAccount returns an account whose gauges are renewed while Run does: strata.ingest.unaccounted is what the last account
// found and has no value before the first; strata.ingest.account.age is how old that account is, or how long there has been
// none.
func NewAccount(o AccountOptions) (*Account, error) {
	if o.Tx == nil || o.Fences == nil || o.Lake == nil || o.Every <= 0 || o.Now == nil || o.Logger == nil || o.Meter == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "the account of ingest needs a database, an interval, a clock, a logger and a meter")
	}
	a := &Account{o: o, began: o.Now()}
	return a, a.observe()
}

func (a *Account) observe() error {
	meter := a.o.Meter.Meter("strata/operational/ingest")
	unaccounted, err := meter.Int64ObservableGauge("strata.ingest.unaccounted",
		metric.WithDescription("Records of the events log whose fate is unknown; anything but 0 is a defect."))
	if err != nil {
		return fmt.Errorf("account gauge: %w", err)
	}
	age, err := meter.Float64ObservableGauge("strata.ingest.account.age", metric.WithUnit("s"),
		metric.WithDescription("How long ago the account of ingest was last drawn up."))
	if err != nil {
		return fmt.Errorf("account age gauge: %w", err)
	}
	_, err = meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		a.mu.Lock()
		defer a.mu.Unlock()
		at := a.began
		if !a.drawn.IsZero() {
			at = a.drawn
			o.ObserveInt64(unaccounted, a.last)
		}
		o.ObserveFloat64(age, a.o.Now().Sub(at).Seconds())
		return nil
	}, unaccounted, age)
	return err
}

// Balances returns the account of every partition and epoch.
func (a *Account) Balances(ctx context.Context) ([]Balance, error) {
	var balances []Balance
	err := a.o.Tx(ctx, func(ctx context.Context) error {
		fences, err := a.o.Fences.All(ctx)
		if err != nil {
			return err
		}
		stored, err := a.o.Lake.Stored(ctx)
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

// Run implements service.Component.
func (a *Account) Run(ctx context.Context) error {
	tick := time.NewTicker(a.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			a.Renew(ctx)
		}
	}
}

// Renew draws the account up, renews the gauges and raises the alarm. An account that cannot be drawn up leaves the gauge as
// it was, and it ages.
func (a *Account) Renew(ctx context.Context) {
	balances, err := a.Balances(ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.o.Logger.WarnContext(ctx, "the account of ingest could not be drawn up", "error", err)
		}
		return
	}
	var sum int64
	for _, b := range balances {
		if n := b.Unaccounted(); n != 0 {
			sum += max(n, -n)
			a.o.Logger.ErrorContext(ctx, "records of the events log are unaccounted for", "epoch", b.Epoch, "partition", b.Partition, "records", n)
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last, a.drawn = sum, a.o.Now()
}
