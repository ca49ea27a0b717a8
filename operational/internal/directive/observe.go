package directive

import (
	"context"
	"time"
)

// share bounds the part of the time that looks take: after one that took a second, share seconds pass without. Coverage is
// counted over all rows, and while an import goes on there is always something new to count.
const share = 10

// Observer lets the service look again when something has changed, and at times for what changes by itself.
type Observer struct {
	service *Service
	wake    chan struct{}
	every   time.Duration
	pause   time.Duration
}

// NewObserver returns a component that looks every interval and, after a Wake, at most once per pause, or per a longer
// one after a look that took long.
func NewObserver(s *Service, every, pause time.Duration) *Observer {
	return &Observer{service: s, wake: make(chan struct{}, 1), every: every, pause: pause}
}

// Name implements service.Component.
func (o *Observer) Name() string { return "directive_observer" }

// Wake makes it look soon. It never blocks.
func (o *Observer) Wake() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Run looks until ctx ends.
func (o *Observer) Run(ctx context.Context) error {
	t := time.NewTicker(o.every)
	defer t.Stop()
	for {
		begun := o.service.o.Now()
		if _, err := o.service.Look(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		if !wait(ctx, max(o.pause, share*o.service.o.Now().Sub(begun))) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-o.wake:
		case <-t.C:
		}
	}
}

// wait returns false if ctx ended first.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
