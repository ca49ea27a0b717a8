package service

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/bus"
)

const (
	lookEvery   = 5 * time.Second
	stallAfter  = 30 * time.Second
	maxRestarts = 3
	askWithin   = 5 * time.Second
)

// watch returns nil when ctx ends, or an error when a consumer stays stuck after maxRestarts restarts. It acts only on
// a consumer with messages waiting, that runs, while everything the service depends on is healthy: restarting helps
// against a consumer that lost its partitions, not against a database that is down.
func (s *Service) watch(ctx context.Context) error {
	var all []*watched
	for _, p := range s.o.Watch {
		all = append(all, &watched{Progress: p, part: s.part(p.Name()), stuck: map[int]bus.Standing{}})
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
	if !healthy || w.part.down() != nil {
		w.excuse(now)
		return nil
	}
	at, err := w.ask(ctx)
	if err != nil { // the log can't be asked: a dependency is not healthy
		w.excuse(now)
		return nil
	}
	w.note(at, now)
	stuck := w.standing(now)
	if len(stuck) == 0 || ctx.Err() != nil {
		return nil
	}
	if w.restarts == maxRestarts {
		return fmt.Errorf("consumer %s has made no progress after %d restarts: the process ends so that a new one takes over", w.Name(), maxRestarts)
	}
	w.restarts++
	maps.Copy(w.stuck, stuck)
	w.excuse(now)
	s.o.Logger.WarnContext(ctx, "a consumer makes no progress and is restarted", "component", w.Name(),
		"partitions", slices.Sorted(maps.Keys(stuck)), "restart", w.restarts, "of", maxRestarts)
	return w.part.restart()
}
