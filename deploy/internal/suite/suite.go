// Package suite runs the services of Strata, all or some, in one process on the embedded broker and document store: what
// `strata up`, the demo and the tests start. It owns the data folder, the order of start and stop, the local sign-in and
// the one address. The services cannot tell: the same clients speak the same protocols, over connections in memory.
package suite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"golang.org/x/sync/errgroup"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/signin"
)

// Layers returns all layers, from the top.
func Layers() []contract.Layer {
	return []contract.Layer{contract.Strategic, contract.Functional, contract.Operational}
}

// Options says what to run, and where.
type Options struct {
	Dir      string           // data folder, made where missing; readable to this user only
	Layers   []contract.Layer // what runs; empty slice = broker and store alone
	Expose   bool             // broker and store also listen on loopback, behind a random credential
	Environ  []string         // STRATA_<LAYER>_… settings of the services
	Zone     string           // the tenant's IANA zone; empty = UTC
	Currency string           // the tenant's currency; empty = USD
	Library  string           // folder of the user's own playbooks; empty = none
	Cadence  time.Duration    // how often at most an open window is measured; 0 = the operational layer's default
	Log      io.Writer        // required
	LogLevel string           // empty = info
	Exporter sdktrace.SpanExporter
	Now      func() time.Time // required: the wall clock
}

func (o *Options) check() error {
	if o.Dir == "" || o.Log == nil || o.Now == nil {
		return errors.New("a suite needs a folder, a place for the log and a clock")
	}
	for _, l := range o.Layers {
		if !slices.Contains(Layers(), l) {
			return fault.New(fault.Invalid, fault.BadRequest, "%q is no layer: use strategic, functional, operational", l)
		}
	}
	return nil
}

// Suite is an open suite; [Suite.Run] makes it work. It must be closed.
type Suite struct {
	o        Options
	stores   *stores
	issuer   *signin.Issuer
	layers   []*layer
	close    []func(context.Context) error
	exposing *exposed
}

// layer is one service with what it was built on.
type layer struct {
	name    contract.Layer
	service *service.Service
	metrics http.Handler
}

// Open opens the folder, sets up topics and databases, and builds the services. An error says what to do.
func Open(ctx context.Context, o Options) (*Suite, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	s := &Suite{o: o}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Suite) open(ctx context.Context) error {
	var err error
	if s.stores, err = openStores(ctx, s.o, &s.close); err != nil {
		return err
	}
	if s.issuer, err = Issuer(s.o.Dir, s.o.Now); err != nil {
		return err
	}
	key, err := tenantKey(s.o.Dir)
	if err != nil {
		return err
	}
	if err := s.setUp(ctx); err != nil {
		return err
	}
	for _, name := range Layers() {
		if !slices.Contains(s.o.Layers, name) {
			continue
		}
		l, err := s.build(ctx, name, key)
		if err != nil {
			return err
		}
		s.layers = append(s.layers, l)
	}
	if s.o.Expose {
		s.exposing, err = s.expose(key)
	}
	return err
}

// Run runs the services and serves them at addr until ctx ends, and returns nil once all has stopped. It returns an
// error as soon as one part fails for good. When requests are served, bound gets the address.
func (s *Suite) Run(ctx context.Context, addr string, bound func(url string)) error {
	services, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	group, failed := errgroup.WithContext(services)
	for _, l := range s.layers {
		group.Go(func() error { return named(l.name, l.service.Run(services)) })
	}
	if len(s.layers) > 0 {
		group.Go(func() error { return s.release(services) })
	}
	serving, end := context.WithCancel(ctx)
	defer end()
	context.AfterFunc(failed, end)
	err := service.ListenAndServe(serving, addr, s.Handler(), service.OnListen(listening(bound)))
	stop()
	return errors.Join(err, group.Wait())
}

func named(l contract.Layer, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

// Ready returns nil when every service can do its work, and otherwise what is wrong.
func (s *Suite) Ready(ctx context.Context) error {
	var errs []error
	for _, l := range s.layers {
		for _, c := range l.service.Ready(ctx) {
			if c.Err != nil {
				errs = append(errs, fmt.Errorf("%s %s: %w", l.name, c.Name, c.Err))
			}
		}
	}
	if err := s.stores.broker.Err(); err != nil {
		errs = append(errs, fmt.Errorf("broker: %w", err))
	}
	if err := s.stores.docs.Err(); err != nil {
		errs = append(errs, fmt.Errorf("store: %w", err))
	}
	return errors.Join(errs...)
}

// AwaitReady returns nil once the suite is ready, or the last reason why not when ctx ends.
func (s *Suite) AwaitReady(ctx context.Context) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := s.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the suite did not become ready: %w", err)
		case <-ticker.C:
		}
	}
}

// Issuer returns the local sign-in.
func (s *Suite) Issuer() *signin.Issuer { return s.issuer }

// Close closes everything that Open opened, in reverse order. It must not be called while Run runs.
func (s *Suite) Close(ctx context.Context) error {
	var errs []error
	for _, f := range slices.Backward(s.close) {
		errs = append(errs, f(ctx))
	}
	s.close = nil
	return errors.Join(errs...)
}
