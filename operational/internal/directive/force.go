package directive

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/shared/contract"
)

// Force keeps the set of directives that are carried out, for the gateway and the metric engine; it is a component, and
// a collect.Asking. A replica follows the others by polling.
type Force struct {
	store  Store
	logger *slog.Logger
	set    atomic.Pointer[collect.Set]
	orders atomic.Pointer[[]contract.OperationalDirective]
	traces atomic.Pointer[map[contract.DirectiveID]string]
	wake   chan struct{}
	follow []func()
	ready  chan struct{}
}

const forceEvery = time.Second

// NewForce returns an empty set that fills while Run works.
func NewForce(s Store, l *slog.Logger) *Force {
	f := &Force{store: s, logger: l, wake: make(chan struct{}, 1), ready: make(chan struct{})}
	f.orders.Store(&[]contract.OperationalDirective{})
	f.traces.Store(&map[contract.DirectiveID]string{})
	return f
}

// Name implements service.Component.
func (f *Force) Name() string { return "directives_in_force" }

// Started is closed when the set has been loaded once: before, the gateway would drop what is asked for.
func (f *Force) Started() <-chan struct{} { return f.ready }

// InForce implements collect.Asking: nil until the set has been loaded.
func (f *Force) InForce() *collect.Set { return f.set.Load() }

// Orders returns the directives that are carried out.
func (f *Force) Orders() []contract.OperationalDirective { return *f.orders.Load() }

// Traceparent returns the span in which a directive that is carried out was received; empty if that is not known.
func (f *Force) Traceparent(id contract.DirectiveID) string { return (*f.traces.Load())[id] }

// Wake makes the set be loaded at once. It never blocks.
func (f *Force) Wake() {
	select {
	case f.wake <- struct{}{}:
	default:
	}
}

// Run loads the set when it is woken, and every second, until ctx ends.
func (f *Force) Run(ctx context.Context) error {
	t := time.NewTicker(forceEvery)
	defer t.Stop()
	for {
		if err := f.Load(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-f.ready:
		default:
			close(f.ready)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-f.wake:
		case <-t.C:
		}
	}
}

// Load brings the set up to date now.
func (f *Force) Load(ctx context.Context) error {
	records, err := f.store.All(ctx)
	if err != nil {
		return fmt.Errorf("directives in force: %w", err)
	}
	var orders []contract.OperationalDirective
	traces := map[contract.DirectiveID]string{}
	var revision int64
	for i := range records {
		revision += records[i].Version // every change of any record raises the sum
		if records[i].Running() {
			orders = append(orders, *records[i].Order)
			traces[records[i].ID()] = records[i].Traceparent
		}
	}
	if revision == f.set.Load().Revision() {
		return nil
	}
	f.traces.Store(&traces) // before the orders, so that whoever sees one knows its trace
	f.orders.Store(&orders)
	f.set.Store(collect.NewSet(revision, orders, consented(records)...))
	for _, tell := range f.follow {
		tell()
	}
	return nil
}

// consented returns the purposes for which the rules of the highest version want customers to have consented.
func consented(records []Record) (purposes []contract.Purpose) {
	var g *contract.GovernanceDirective
	for i := range records {
		if r := records[i].Governance; r != nil && (g == nil || r.Version > g.Version) {
			g = r
		}
	}
	if g == nil {
		return nil
	}
	for _, rule := range g.Purposes {
		if rule.Consent {
			purposes = append(purposes, rule.Purpose)
		}
	}
	return purposes
}

// Follow adds a function to be called after the set has changed; it must not block. Call it before Run.
func (f *Force) Follow(tell func()) { f.follow = append(f.follow, tell) }
