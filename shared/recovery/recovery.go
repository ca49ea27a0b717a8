// Package recovery brings a service that starts on an empty database back to what it had told the others: it reads the
// service's own outgoing topics from their start, where the highest revision of each entity is its state, and then asks
// the neighbours for theirs. It owns the order of those steps; what a message means is the service's.
package recovery

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

// Causes of a StateRequest.
const (
	EmptyStore = "empty_store"
	Gap        = "gap"
)

const (
	firstPause   = 200 * time.Millisecond
	longestPause = 10 * time.Second
)

// Memory remembers whether recovery has been done in this database.
type Memory interface {
	Done(ctx context.Context) (bool, error)
	Set(ctx context.Context) error
}

// Options are what recovery needs. All but Ask are required; Own may be empty.
type Options struct {
	Layer     contract.Layer
	Tenant    contract.TenantID
	Memory    Memory
	Reader    bus.LogReader
	Publisher bus.Publisher
	Own       []string                                 // the service's outgoing topics, read from their start
	Apply     func(context.Context, bus.Message) error // restores one message of Own; may see any order and repetition
	Ask       []contract.Layer                         // the neighbours to ask for their state
	Now       func() time.Time
	Logger    *slog.Logger
}

// Recovery is a component that comes before every consumer.
type Recovery struct {
	o       Options
	once    sync.Once
	started chan struct{}
}

// New returns the component, or an error naming what is missing.
func New(o Options) (*Recovery, error) {
	if o.Layer == "" || !o.Tenant.Valid() || o.Memory == nil || o.Reader == nil || o.Publisher == nil || o.Apply == nil || o.Now == nil || o.Logger == nil {
		return nil, fmt.Errorf("recovery: layer, tenant, memory, reader, publisher, apply, now and logger are required")
	}
	return &Recovery{o: o, started: make(chan struct{})}, nil
}

// Name implements service.Component.
func (r *Recovery) Name() string { return "recovery" }

// Started is closed when the service's own state is back; consumers may start then.
func (r *Recovery) Started() <-chan struct{} { return r.started }

// Run recovers if the database is new, then waits for ctx to end. What fails is tried again here, with growing pauses, and
// not by failing: a service begins the next component after a first failure, and consumers that began on an empty
// database would answer as if nothing had ever been said.
func (r *Recovery) Run(ctx context.Context) error {
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, longestPause
	for ctx.Err() == nil {
		err := r.ready(ctx)
		if err == nil {
			r.once.Do(func() { close(r.started) })
			break
		}
		if ctx.Err() == nil {
			r.o.Logger.ErrorContext(ctx, "the own state cannot be read back yet", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause.NextBackOff()):
		}
	}
	<-ctx.Done()
	return nil
}

// ready recovers if the database is new.
func (r *Recovery) ready(ctx context.Context) error {
	done, err := r.o.Memory.Done(ctx)
	if err != nil {
		return fmt.Errorf("recovery: %w", err)
	}
	if done {
		return nil
	}
	return r.recover(ctx)
}

func (r *Recovery) recover(ctx context.Context) error {
	n := 0
	for _, topic := range r.o.Own {
		err := r.o.Reader.ReadAll(ctx, topic, func(m bus.Message) error {
			n++
			return r.o.Apply(ctx, m)
		})
		if err != nil {
			return fmt.Errorf("recover from %s: %w", topic, err)
		}
	}
	if err := r.Request(ctx, EmptyStore); err != nil {
		return err
	}
	r.o.Logger.InfoContext(ctx, "own state read back, neighbours asked for theirs", "messages", n)
	return r.o.Memory.Set(ctx)
}

// Request asks every neighbour to publish its state again. Services call it too when a consumer passed a gap.
func (r *Recovery) Request(ctx context.Context, cause string) error {
	var ms []bus.Message
	for _, of := range r.o.Ask {
		now := r.o.Now().UTC().Truncate(time.Millisecond)
		m, err := contract.Encode(contract.Requests(of), string(r.o.Layer), contract.Envelope{
			ID: contract.NewID(), Source: r.o.Layer, Type: contract.TypeStateRequest, Subject: string(r.o.Layer), Time: now, Tenant: r.o.Tenant,
		}, &contract.StateRequest{Requester: r.o.Layer, Of: of, Cause: cause, At: now})
		if err != nil {
			return err
		}
		ms = append(ms, m)
	}
	if len(ms) == 0 {
		return nil
	}
	if err := r.o.Publisher.Publish(ctx, ms...); err != nil {
		return fmt.Errorf("ask %v for their state: %w", r.o.Ask, err)
	}
	return nil
}
