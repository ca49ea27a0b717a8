package service

import (
	"context"
	"fmt"
	"time"
)

const (
	lookEvery   = 5 * time.Second
	stallAfter  = 30 * time.Second
	maxRestarts = 3
	askWithin   = 5 * time.Second
)

// watched is what the watchdog remembers of one consumer.
type watched struct {
	Progress
	part     *part
	known    bool  // position has been read
	position int64 // when it last changed or the clock was reset
	since    time.Time
	restarts int // without progress in between
}

// watch returns nil when ctx ends, or an error when a consumer stays stuck after maxRestarts restarts. It acts only on
// a consumer with messages waiting, that runs, while everything the service depends on is healthy: restarting helps
// against a consumer that lost its partitions, not against a database that is down.
func (s *Service) watch(ctx context.Context) error {
	var all []*watched
	for _, p := range s.o.Watch {
		all = append(all, &watched{Progress: p, part: s.part(p.Name()), since: s.o.Now()})
	}
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if len(all) == 0 {
			continue
		}
		healthy := allFine(s.dependencies(ctx))
		for _, w := range all {
			if err := s.look(ctx, w, healthy); err != nil {
				return err
			}
		}
	}
}

// look restarts w's consumer if it is stuck.
func (s *Service) look(ctx context.Context, w *watched, healthy bool) error {
	now := s.o.Now()
	if w.excused(ctx, healthy) {
		w.since = now
		return nil
	}
	if now.Sub(w.since) < stallAfter || ctx.Err() != nil {
		return nil
	}
	if w.restarts == maxRestarts {
		return fmt.Errorf("consumer %s has made no progress after %d restarts: the process ends so that a new one takes over", w.Name(), maxRestarts)
	}
	w.restarts++
	w.since = now
	s.o.Logger.WarnContext(ctx, "a consumer makes no progress and is restarted", "component", w.Name(), "restart", w.restarts, "of", maxRestarts)
	return w.part.restart()
}

// excused reports whether there is a good reason for no progress, or there is progress. Only progress, or having
// nothing to do, clears the count of restarts.
func (w *watched) excused(ctx context.Context, healthy bool) bool {
	if !healthy || w.part.down() != nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	lag, position, err := w.Progress.Progress(ctx)
	if err != nil {
		return true // the log can't be asked: a dependency is not healthy
	}
	moved := !w.known || position != w.position
	w.known, w.position = true, position
	if lag <= 0 || moved {
		w.restarts = 0
		return true
	}
	return false
}
