package kafkabus

import (
	"context"
	"runtime"

	"github.com/strata-crm/strata/shared/bus"
)

// turnsPerCore is how many partitions of a log are applied at once for each core: one computes while another waits for
// its database.
const turnsPerCore = 2

// turns lets only some partitions of a log be applied at once. What comes for the others meanwhile gathers, so that a
// busy log is applied in a few large batches, whose cost per message is a fraction of that of many small ones.
type turns chan struct{}

func newTurns() turns { return make(turns, turnsPerCore*runtime.GOMAXPROCS(0)) }

// turn is one partition's place in the line. It belongs to one goroutine.
type turn struct {
	of   turns
	held bool
}

// take waits for the partition's turn. Those that wait get theirs in the order in which they came.
func (t *turn) take(ctx context.Context) error {
	if t.held {
		return nil
	}
	select {
	case t.of <- struct{}{}:
		t.held = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// give ends the turn, if there is one.
func (t *turn) give() {
	if t.held {
		t.held = false
		<-t.of
	}
}

// inTurn is a sink that is asked in its turn. The turn ends with each attempt, so that a partition that fails and tries
// again for ever holds up no other.
type inTurn struct {
	bus.LogSink
	turn *turn
}

// Apply implements bus.LogSink.
func (s inTurn) Apply(ctx context.Context, topic string, partition int, batch []bus.Message) (int64, error) {
	if err := s.turn.take(ctx); err != nil {
		return 0, err
	}
	defer s.turn.give()
	return s.LogSink.Apply(ctx, topic, partition, batch)
}
