package expiry

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/telemetry"
)

// Every is how often what has passed its limit is looked for.
const Every = 24 * time.Hour

// lookEvery is how often a replica looks whether it is time.
const lookEvery = time.Minute

// Rules tell what limits are made of.
type Rules interface {
	// Governance returns the governance directive of the highest version, whatever its standing, or fault.NotFound.
	Governance(ctx context.Context) (contract.GovernanceDirective, error)
	// All returns every record of an operational directive.
	All(ctx context.Context) ([]directive.Record, error)
}

// Store is what the worker does its work with. Every method may be repeated after a failure.
type Store interface {
	// Claim reports whether a pass is due and nobody is at it; others are then kept from it until nothing has been done for a
	// minute.
	Claim(ctx context.Context) (bool, error)
	// Expire deletes whatever its limit has passed at an instant, in small transactions, and returns how many documents it
	// deleted, by collection, also where it fails.
	Expire(ctx context.Context, l Limits, now time.Time) (map[string]int64, error)
	// Finish ends a pass: the next one is due after so long.
	Finish(ctx context.Context, next time.Duration) error
	// Finished returns when the last pass ended; zero where none ever has.
	Finished(ctx context.Context) (time.Time, error)
}

// Options are what a Worker needs; all but Done are required.
type Options struct {
	Rules  Rules
	Store  Store
	Now    func() time.Time
	Logger *slog.Logger
	Meter  metric.MeterProvider
	Gauges *telemetry.Gauges
	Done   []func() // called after a pass that deleted something, so that caches follow; must not block
}

// Worker carries the limits out; it is a component of every replica. One that stops in the middle leaves the rest to the
// next, after its claim has lapsed.
type Worker struct {
	o       Options
	expired metric.Int64Counter
	began   time.Time
}

// NewWorker returns a worker, or fault.Invalid naming what is missing.
func NewWorker(o Options) (*Worker, error) {
	if o.Rules == nil || o.Store == nil || o.Now == nil || o.Logger == nil || o.Meter == nil || o.Gauges == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "expiry.Options needs Rules, Store, Now, Logger, Meter and Gauges")
	}
	meter := o.Meter.Meter("strata/operational/expiry")
	expired, err := meter.Int64Counter("strata.expiry.documents", metric.WithDescription("Documents that were deleted since they had been kept as long as they may be."))
	if err != nil {
		return nil, fmt.Errorf("expiry counter: %w", err)
	}
	w := &Worker{o: o, expired: expired, began: o.Now()}
	o.Gauges.From(w.observe)
	return w, nil
}

var age = telemetry.Gauge{Name: "strata.expiry.age", Unit: "s", About: "How long ago it was last seen to that nothing is kept too long."}

func (w *Worker) observe(ctx context.Context, tell telemetry.Tell) error {
	at, err := w.o.Store.Finished(ctx)
	if err != nil {
		return fmt.Errorf("the last pass of expiry: %w", err)
	}
	if at.IsZero() {
		at = w.began
	}
	tell(age, w.o.Now().Sub(at).Seconds())
	return nil
}

// Name implements service.Component.
func (w *Worker) Name() string { return "expiry" }

// Run works until ctx ends. What failed is logged and tried again.
func (w *Worker) Run(ctx context.Context) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		if err := w.Round(ctx); err != nil && ctx.Err() == nil {
			w.o.Logger.ErrorContext(ctx, "what has been kept as long as it may be is not all deleted yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Round makes a pass if one is due. Without a governance directive nothing is limited, and nothing deleted.
func (w *Worker) Round(ctx context.Context) error {
	due, err := w.o.Store.Claim(ctx)
	if err != nil || !due {
		return err
	}
	g, err := w.o.Rules.Governance(ctx)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	records, err := w.o.Rules.All(ctx)
	if err != nil {
		return err
	}
	l := LimitsOf(&g, records)
	if l.None() { // what comes to be limited is looked for as soon as it is
		return w.o.Store.Finish(ctx, lookEvery)
	}
	if err := w.pass(ctx, l); err != nil {
		return err
	}
	return w.o.Store.Finish(ctx, Every)
}

func (w *Worker) pass(ctx context.Context, l Limits) error {
	deleted, err := w.o.Store.Expire(ctx, l, w.o.Now())
	for collection, n := range deleted {
		w.expired.Add(ctx, n, metric.WithAttributes(attribute.String("collection", collection)))
	}
	if len(deleted) == 0 {
		return err
	}
	w.o.Logger.InfoContext(ctx, "what had been kept as long as it may be was deleted", "documents", deleted)
	for _, f := range w.o.Done {
		f()
	}
	return err
}
