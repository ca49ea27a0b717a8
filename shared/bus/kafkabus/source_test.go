package kafkabus

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/strata-crm/strata/shared/bus"
)

func TestBatchWaitsForWhatTheBrokerTold(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := make(chan fetched, 10)
		s := source{queue: queue}
		put := func(offset, end int64) { queue <- fetched{bus.Message{Offset: offset, Key: "k"}, end} }
		expect := func(n int, within time.Duration) {
			t.Helper()
			begun := time.Now()
			batch, _, err := s.next(t.Context())
			if took := time.Since(begun); err != nil || len(batch) != n || took != within {
				t.Errorf("%d messages, %v, after %s; want %d after %s", len(batch), err, took, n, within)
			}
		}
		put(0, 3)
		go func() {
			time.Sleep(gather / 2)
			put(1, 3)
			put(2, 3)
		}()
		expect(3, gather/2) // the broker told of three
		put(3, 4)
		expect(1, 0) // and here of no other
		put(4, 6)
		expect(1, gather) // what it tells of may not come
		put(5, 6)
		expect(1, 0)
	})
}

// blocking is a sink whose Apply lasts until it is let go on.
type blocking struct {
	bus.LogSink
	inside, most atomic.Int32
	goOn         chan error
}

func (b *blocking) Apply(_ context.Context, _ string, _ int, batch []bus.Message) (int64, error) {
	n := b.inside.Add(1)
	defer b.inside.Add(-1)
	for m := b.most.Load(); n > m && !b.most.CompareAndSwap(m, n); m = b.most.Load() {
	}
	return batch[len(batch)-1].Offset + 1, <-b.goOn
}

func TestTurnsBoundWhatIsAppliedAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const partitions, atOnce = 7, 2
		line, sink := make(turns, atOnce), &blocking{goOn: make(chan error)}
		var all sync.WaitGroup
		for p := range partitions {
			all.Go(func() {
				own := &turn{of: line}
				if err := own.take(t.Context()); err != nil {
					t.Error(err)
				}
				for { // as delivery does: until it succeeds
					if _, err := (inTurn{sink, own}).Apply(t.Context(), "events", p, []bus.Message{{}}); err == nil {
						return
					}
				}
			})
		}
		for range partitions { // failures give their turns to the others
			synctest.Wait()
			sink.goOn <- errors.New("not now")
		}
		for range partitions {
			synctest.Wait()
			sink.goOn <- nil
		}
		all.Wait()
		if got := sink.most.Load(); got != atOnce {
			t.Errorf("%d partitions were applied at once, want %d", got, atOnce)
		}
		if len(line) != 0 {
			t.Errorf("%d turns were not given back", len(line))
		}
	})
}

func TestATurnEndsWithTheContext(t *testing.T) {
	t.Parallel()
	line := make(turns, 1)
	holder, other := &turn{of: line}, &turn{of: line}
	if err := holder.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := other.take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	other.give() // has none, and takes away nobody's
	if len(line) != 1 {
		t.Error("a turn was given back that another one holds")
	}
}
