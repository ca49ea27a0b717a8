// Package informer keeps the information of goals up with their measurements. A measurement only marks its directive;
// information is made of all that have come once, however many they are, so that a history of a thousand windows costs a
// few rebuilds and not a thousand. What information is made of is package information's; where it is kept, the store's.
package informer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Due is a strategic directive whose measurements have changed since information was last made of them.
type Due struct {
	Directive contract.DirectiveID
	Changes   int64  // how many measurements have come; never falls
	Trace     string // the W3C traceparent under which the last one was applied
}

// Store is what the informer needs.
type Store interface {
	// Due returns the directives whose information is behind.
	Due(ctx context.Context) ([]Due, error)
	// Inform makes the information of a directive's goal anew from all that is stored now, in the trace of d, and has it
	// published if it changed. NotFound if the directive is unknown.
	Inform(ctx context.Context, d Due) error
	// Informed records that information contains the changes of d.
	Informed(ctx context.Context, d Due) error
}

const (
	// pause lies between two rounds: what comes meanwhile is told together.
	pause = 20 * time.Millisecond
	// look is how often marks are looked for that another replica made, or this one before it ended.
	look = 2 * time.Second
)

// Informer is the component. Several replicas may run it; information is state, and the later one wins.
type Informer struct {
	store Store
	wake  chan struct{}
}

// New returns an informer of the store.
func New(s Store) (*Informer, error) {
	if s == nil {
		return nil, fault.New(fault.Internal, "", "informer: a store is required")
	}
	return &Informer{store: s, wake: make(chan struct{}, 1)}, nil
}

// Name implements service.Component.
func (i *Informer) Name() string { return "information" }

// Wake has the next round begin soon.
func (i *Informer) Wake() {
	select {
	case i.wake <- struct{}{}:
	default: // one is under way to it
	}
}

// Run makes rounds until ctx ends. It fails with what the store says; whoever runs it starts it again.
func (i *Informer) Run(ctx context.Context) error {
	t := time.NewTicker(look)
	defer t.Stop()
	for {
		if err := i.Round(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-i.wake:
		case <-t.C:
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// Round informs on every directive that is due; one that fails does not keep the others waiting. The error joins theirs.
func (i *Informer) Round(ctx context.Context) error {
	due, err := i.store.Due(ctx)
	if err != nil {
		return fmt.Errorf("look for measurements to tell of: %w", err)
	}
	var failed []error
	for _, d := range due {
		// A directive that is gone has nobody to inform; what came after Due was read is due again.
		err := i.store.Inform(ctx, d)
		if err == nil || fault.Is(err, fault.NotFound) {
			err = i.store.Informed(ctx, d)
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("inform on directive %s: %w", d.Directive, err))
		}
	}
	return errors.Join(failed...)
}
