package kafkabus

import (
	"context"
	"time"

	"github.com/strata-crm/strata/shared/bus"
)

// gather is how long a batch waits for messages that the broker has and that are on their way.
const gather = 10 * time.Millisecond

// fetched is a message, and where its partition ended when the broker sent it.
type fetched struct {
	bus.Message
	end int64
}

// source cuts a queue into batches of consecutive messages.
type source struct {
	queue    <-chan fetched
	ready    func(ctx context.Context) error // see flow
	expected int64                           // offset of the next message
	held     *fetched                        // taken from the queue, not yet delivered
}

// next waits for a message, until ready, and takes what else is there, consecutive, up to bus.MaxBatch messages and
// batchBytes. It waits a little for messages of which the broker has told. When the first message lies behind the
// expected one, next returns its offset and no batch.
func (s *source) next(ctx context.Context) (batch []bus.Message, jumpTo int64, err error) {
	m, err := s.first(ctx)
	if err != nil {
		return nil, 0, err
	}
	if m.Offset > s.expected {
		s.held = &m
		return nil, m.Offset, nil
	}
	var until <-chan time.Time
	for size := 0; ; {
		batch = append(batch, m.Message)
		size += m.Size()
		s.expected++
		if len(batch) == bus.MaxBatch || size >= batchBytes {
			return batch, 0, nil
		}
		told := s.expected < m.end
		if told && until == nil {
			until = time.After(gather)
		}
		var ok bool
		if m, ok = s.another(ctx, told, until); !ok {
			return batch, 0, nil
		}
		if m.Offset > s.expected {
			s.held = &m
			return batch, 0, nil
		}
	}
}

// first waits for a message and for ready.
func (s *source) first(ctx context.Context) (m fetched, err error) {
	if s.held != nil {
		m, s.held = *s.held, nil
	} else if m, err = s.wait(ctx); err != nil {
		return m, err
	}
	if s.ready != nil {
		err = s.ready(ctx)
	}
	return m, err
}

// wait returns the next message. A stored batch may begin before the asked offset; what lies there is left out, here and
// in another.
func (s *source) wait(ctx context.Context) (fetched, error) {
	for {
		select {
		case m := <-s.queue:
			if m.Offset >= s.expected {
				return m, nil
			}
		case <-ctx.Done():
			return fetched{}, ctx.Err()
		}
	}
}

// another returns the next message if it is there, or comes in time where it is told of.
func (s *source) another(ctx context.Context, told bool, until <-chan time.Time) (fetched, bool) {
	for {
		var m fetched
		select {
		case m = <-s.queue:
		default:
			if !told {
				return m, false
			}
			select {
			case m = <-s.queue:
			case <-until:
				return m, false
			case <-ctx.Done():
				return m, false
			}
		}
		if m.Offset >= s.expected {
			return m, true
		}
	}
}
