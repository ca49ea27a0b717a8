package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	firstPause  = 200 * time.Millisecond
	longestWait = 30 * time.Second
	steadyAfter = time.Minute      // a run this long makes the next pause short again
	stopWithin  = 10 * time.Second // what a component gets to return after its context ends
)

var errRestart = errors.New("restarted by the watchdog")

// part runs one component again and again.
type part struct {
	Component
	log *slog.Logger
	now func() time.Time

	tried chan struct{} // closed once the first run has ended
	done  chan struct{} // closed once the part has stopped for good

	mu      sync.Mutex
	cancel  context.CancelCauseFunc // ends the current run; nil between runs
	ended   chan struct{}           // closed when the current run returns
	failure error                   // why it is down; nil while it runs
}

func newPart(c Component, log *slog.Logger, now func() time.Time) *part {
	return &part{Component: c, log: log.With("component", c.Name()), now: now, tried: make(chan struct{}), done: make(chan struct{})}
}

// loop runs the component until ctx ends, with growing pauses after failures.
func (p *part) loop(ctx context.Context) {
	defer close(p.done)
	var first sync.Once
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = firstPause, longestWait
	for ctx.Err() == nil {
		began := p.now()
		err := p.once(ctx)
		first.Do(func() { close(p.tried) })
		if ctx.Err() != nil {
			p.farewell(ctx, err)
			return
		}
		if errors.Is(err, errRestart) {
			continue
		}
		if p.now().Sub(began) >= steadyAfter {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		p.log.ErrorContext(ctx, "a component failed and starts again", "error", err, "in", wait)
		sleep(ctx, wait)
	}
}

func (p *part) farewell(ctx context.Context, err error) {
	if err != nil && !errors.Is(err, context.Canceled) {
		p.log.WarnContext(ctx, "a component failed while it stopped", "error", err)
	}
}

// once is one run. It returns why the run ended, errRestart if the watchdog ended it.
func (p *part) once(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	ended := make(chan struct{})
	p.mu.Lock()
	p.cancel, p.ended, p.failure = cancel, ended, nil
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.cancel, p.failure = nil, err
		p.mu.Unlock()
		close(ended)
	}()
	err = p.guarded(ctx)
	switch {
	case errors.Is(context.Cause(ctx), errRestart):
		return errRestart
	case err == nil && ctx.Err() == nil:
		return errors.New("it ended although nobody asked it to")
	}
	return err
}

// guarded turns a panic into a failure of this one component.
func (p *part) guarded(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return p.Run(ctx)
}

// restart ends the current run, waits for it to return, and lets the loop begin another. Between runs it does nothing.
// It fails when the run does not return: a second one beside it would do everything twice.
func (p *part) restart() error {
	p.mu.Lock()
	cancel, ended := p.cancel, p.ended
	p.mu.Unlock()
	if cancel == nil {
		return nil
	}
	cancel(errRestart)
	return within(stopWithin, ended, p.Name())
}

// down returns why the component does not run, or nil while it runs.
func (p *part) down() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if errors.Is(p.failure, errRestart) {
		return nil
	}
	return p.failure
}

// within waits for done, but no longer than d.
func within(d time.Duration, done <-chan struct{}, name string) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-t.C:
		return fmt.Errorf("component %s did not stop within %s", name, d)
	}
}

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
