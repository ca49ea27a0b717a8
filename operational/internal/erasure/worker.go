package erasure

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/telemetry"
)

// Options are what a Worker needs; all but Done are required.
type Options struct {
	Tenant  contract.TenantID
	Store   Store
	Waiting Waiting
	Now     func() time.Time
	Logger  *slog.Logger
	Gauges  *telemetry.Gauges // where strata.erasure.age goes: how long the oldest erasure has waited to be finished
	Done    []func()          // called after each erasure, so that numbers and caches follow; must not block
}

// Worker carries erasures out; it is a component of every replica. One that stops in the middle leaves the rest to the next,
// after its claim has lapsed.
type Worker struct {
	o    Options
	wake chan struct{}
}

// NewWorker returns a worker, or fault.Invalid naming what is missing.
func NewWorker(o Options) (*Worker, error) {
	if !o.Tenant.Valid() || o.Store == nil || o.Waiting == nil || o.Now == nil || o.Logger == nil || o.Gauges == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "erasure.Options needs Tenant, Store, Waiting, Now, Logger and Gauges")
	}
	w := &Worker{o: o, wake: make(chan struct{}, 1)}
	o.Gauges.From(w.observe)
	return w, nil
}

var age = telemetry.Gauge{Name: "strata.erasure.age", Unit: "s", About: "How long ago the oldest erasure that is not finished was asked for."}

func (w *Worker) observe(ctx context.Context, tell telemetry.Tell) error {
	at, waits, err := w.o.Waiting.Oldest(ctx, w.o.Tenant)
	if err != nil {
		return fmt.Errorf("the oldest erasure: %w", err)
	}
	waited := 0.0
	if waits {
		waited = w.o.Now().Sub(at).Seconds()
	}
	tell(age, waited)
	return nil
}

// Name implements service.Component.
func (w *Worker) Name() string { return "erasure" }

// Wake tells that something was asked for. It never blocks.
func (w *Worker) Wake() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// lookEvery is how often it looks unasked, for what other replicas were asked and did not finish.
const lookEvery = 10 * time.Second

// Run works until ctx ends. What failed is logged and tried again.
func (w *Worker) Run(ctx context.Context) error {
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		if err := w.Round(ctx); err != nil && ctx.Err() == nil {
			w.o.Logger.ErrorContext(ctx, "an erasure is not finished yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-w.wake:
		case <-t.C:
		}
	}
}

// Round carries out whatever is to be done now. One that fails waits until its claim lapses, so that it holds up no other.
func (w *Worker) Round(ctx context.Context) error {
	for {
		task, found, err := w.o.Store.Claim(ctx, w.o.Tenant)
		if err != nil || !found {
			return err
		}
		if err := w.erase(ctx, task); err != nil {
			return fmt.Errorf("erasure %s: %w", task.ID, err)
		}
		for _, f := range w.o.Done {
			f()
		}
	}
}

func (w *Worker) erase(ctx context.Context, task Task) error {
	task, err := w.o.Store.Gather(ctx, task)
	if err != nil {
		return err
	}
	if err := w.o.Store.Delete(ctx, task); err != nil {
		return err
	}
	if err := w.o.Store.Finish(ctx, task); err != nil {
		return err
	}
	w.o.Logger.InfoContext(ctx, "a person was erased", "erasure", task.ID, "identities", len(task.Keys))
	return nil
}
