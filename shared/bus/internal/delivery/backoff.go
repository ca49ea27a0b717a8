// Package delivery is what every bus does with a message once it has one: handle, retry in place, quarantine, pass a
// gap. It owns these rules, so that they are the same whatever carries the messages. It knows no broker and no offsets
// beyond those it is given.
package delivery

import (
	"context"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Backoff is a growing, jittered pause. The zero value is ready.
type Backoff struct{ pause time.Duration }

// Wait pauses, longer each time, and returns ctx's error when ctx ends first.
func (b *Backoff) Wait(ctx context.Context) error {
	if b.pause == 0 {
		b.pause = firstPause
	}
	half := b.pause / 2
	timer := time.NewTimer(half + rand.N(half+1))
	defer timer.Stop()
	b.pause = min(2*b.pause, lastPause)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Reset makes the next pause the shortest again.
func (b *Backoff) Reset() { b.pause = 0 }

// Until calls do, with growing pauses between, until it returns nil or ctx ends. It returns nil or ctx's error. failed
// learns of each error.
func Until(ctx context.Context, do func() error, failed func(error)) error {
	var pause Backoff
	for {
		err := do()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		failed(err)
		if err := pause.Wait(ctx); err != nil {
			return err
		}
	}
}
