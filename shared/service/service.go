// Package service runs a service: it starts its components in order, restarts the ones that fail, watches that
// consumers make progress, tells whether the service is healthy and ready, serves HTTP, and stops everything in order.
// It knows nothing of what the components do, and holds no business rule.
package service

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/telemetry"
)

// Component is a part of a service that runs for the service's whole life: a consumer, a relay, a scheduler.
type Component interface {
	// Name is unique within the service, in snake case.
	Name() string
	// Run works until ctx ends and then returns nil soon, within 10 s. Any other return is a failure: the service logs it and calls
	// Run again after a pause, so Run must be callable again.
	Run(ctx context.Context) error
}

// Starter is a component that can say when it is up; the next one starts only then, or once it has failed for the
// first time, so that one broken component does not keep the others down.
type Starter interface {
	// Started is closed once the component has first come up.
	Started() <-chan struct{}
}

// Check is the result of one readiness check.
type Check struct {
	Name string // what was checked, in snake case: "mongodb"
	Err  error  // nil = fine; the text of a fault error is shown to whoever asks, so it says what to do
}

// Dependency is what a service cannot do its work without.
type Dependency struct {
	Name string // of its check: unlike every other's and every component's, in snake case: "mongodb"
	// Ask returns nil if it is there; the text of a fault error is shown to whoever asks, so it says what to do. No answer within
	// 2 s counts as one that it is not.
	Ask func(ctx context.Context) error
}

// Progress is what the watchdog watches: a consumer of a log. Its name is that of the component to restart.
type Progress interface {
	Name() string
	// Progress returns how far the consumer is in each partition that it answers for.
	Progress(ctx context.Context) (map[int]bus.Standing, error)
}

// Options is what a service consists of.
type Options struct {
	Name       string                            // required
	Logger     *slog.Logger                      // required
	Now        func() time.Time                  // required
	Handler    http.Handler                      // what Handler serves beside /healthz and /readyz; nil = nothing
	Components []Component                       // started in this order, stopped in reverse
	Ready      []Dependency                      // what readiness rests on, beside the components
	Close      []func(ctx context.Context) error // called in reverse order after the components have stopped
	Watch      []Progress                        // each has the name of a component
	Gauges     *telemetry.Gauges                 // where the gauge strata.ready goes: 1 or 0 for each readiness check; nil = nowhere
}

// Service is a runnable service. Make it with [New]. Its methods are safe for concurrent use; Run is called once.
type Service struct {
	o     Options
	parts []*part

	ran      atomic.Bool            // Run was called
	up       atomic.Bool            // all components were started
	stopping atomic.Bool            // the end has begun
	awaited  atomic.Pointer[string] // the component whose start the others wait for
}

// New checks the options and returns a service that does not run yet. A missing dependency, a component or a
// check without a name of its own, or a Progress without its component is fault.Invalid.
func New(o Options) (*Service, error) {
	if o.Name == "" || o.Logger == nil || o.Now == nil {
		return nil, fault.New(fault.Invalid, fault.BadDefinition, "a service needs Options.Name, Logger and Now")
	}
	s := &Service{o: o}
	for _, c := range o.Components {
		if c == nil || c.Name() == "" || s.part(c.Name()) != nil {
			return nil, fault.New(fault.Invalid, fault.BadDefinition, "every component of service %s needs a name of its own", o.Name)
		}
		s.parts = append(s.parts, newPart(c, o.Logger, o.Now))
	}
	checks := map[string]bool{"": true, itself: true}
	for _, d := range o.Ready {
		if d.Ask == nil || checks[d.Name] || s.part(d.Name) != nil {
			return nil, fault.New(fault.Invalid, fault.BadDefinition, "every readiness check of service %s needs a name of its own", o.Name)
		}
		checks[d.Name] = true
	}
	for _, p := range o.Watch {
		if s.part(p.Name()) == nil {
			return nil, fault.New(fault.Invalid, fault.BadDefinition, "the watchdog is to watch %q, but service %s has no component of that name", p.Name(), o.Name)
		}
	}
	s.observe()
	return s, nil
}

func (s *Service) part(name string) *part {
	for _, p := range s.parts {
		if p.Name() == name {
			return p
		}
	}
	return nil
}
