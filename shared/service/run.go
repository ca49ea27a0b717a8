package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const closeWithin = 10 * time.Second

// Run starts the components in order and returns nil after ctx has ended and everything has stopped, in reverse
// order. It returns an error when a component cannot be stopped, a closer fails, or the watchdog gives up; the process
// should then exit with a code other than 0. A second call fails.
func (s *Service) Run(ctx context.Context) error {
	if s.ran.Swap(true) {
		return fmt.Errorf("service %s has run already: make a new one", s.o.Name)
	}
	// The components outlive ctx: each ends in its turn.
	base := context.WithoutCancel(ctx)
	var stops []func() error
	for _, p := range s.parts {
		if ctx.Err() != nil {
			break
		}
		stops = append(stops, s.start(ctx, base, p))
	}
	s.up.Store(true)
	s.o.Logger.InfoContext(ctx, "service runs", "components", len(stops))
	err := s.watch(ctx)
	s.stopping.Store(true)
	s.o.Logger.InfoContext(base, "service stops")
	for _, stop := range slices.Backward(stops) {
		err = errors.Join(err, stop())
	}
	return errors.Join(err, s.close(base))
}

// start runs the part and returns how to stop it. It waits until the part is up if the part can tell.
func (s *Service) start(ctx, base context.Context, p *part) (stop func() error) {
	run, cancel := context.WithCancel(base)
	go p.loop(run)
	if st, ok := p.Component.(Starter); ok {
		name := p.Name()
		s.awaited.Store(&name)
		defer s.awaited.Store(nil)
		select {
		case <-st.Started():
		case <-p.tried:
		case <-ctx.Done():
		}
	}
	return func() error {
		cancel()
		return within(stopWithin, p.done, p.Name())
	}
}

func (s *Service) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, closeWithin)
	defer cancel()
	var errs []error
	for _, f := range slices.Backward(s.o.Close) {
		errs = append(errs, f(ctx))
	}
	return errors.Join(errs...)
}
