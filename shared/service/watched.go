package service

import (
	"context"
	"time"

	"github.com/strata-crm/strata/shared/bus"
)

// watched is what the watchdog remembers of one consumer. It judges partition by partition: what is done in some says nothing of
// the others, and a restart changes which ones there are.
type watched struct {
	Progress
	part     *part
	seen     map[int]sight        // at the last look
	stuck    map[int]bus.Standing // how each partition stood that it was restarted for; empty once one of them goes on and none stands
	restarts int                  // since then
}

// sight is how a partition was seen.
type sight struct {
	bus.Standing
	since time.Time // from when on it counts as standing still
}

func (w *watched) ask(ctx context.Context) (map[int]bus.Standing, error) {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return w.Progress.Progress(ctx)
}

// excuse gives every partition fresh time.
func (w *watched) excuse(now time.Time) {
	for n, s := range w.seen {
		s.since = now
		w.seen[n] = s
	}
}

// note takes what was found in. A partition that the consumer did not have at the last look, or did not have in the same way,
// begins anew: how it stood with another is not this one's fault.
func (w *watched) note(at map[int]bus.Standing, now time.Time) {
	seen := make(map[int]sight, len(at))
	for n, is := range at {
		was, known := w.seen[n]
		if !known || is.Held != was.Held || is.After(was.Standing) {
			was.since = now
		}
		seen[n] = sight{is, was.since}
	}
	w.seen = seen
	if w.recovered(at) {
		w.restarts = 0
		clear(w.stuck)
	}
}

// recovered reports whether a partition that it was restarted for has gone on, and no other of those that it has still stands. What
// others do in a partition that they took over is no merit of this one.
func (w *watched) recovered(at map[int]bus.Standing) bool {
	some := false
	for n, was := range w.stuck {
		is, has := at[n]
		if !has || was.Held && !is.Held {
			continue
		}
		if !is.After(was) {
			return false
		}
		some = true
	}
	return some
}

// standing returns the partitions in which nothing was done for too long.
func (w *watched) standing(now time.Time) map[int]bus.Standing {
	stuck := map[int]bus.Standing{}
	for n, s := range w.seen {
		if now.Sub(s.since) >= stallAfter {
			stuck[n] = s.Standing
		}
	}
	return stuck
}
