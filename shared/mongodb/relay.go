package mongodb

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	relayBatch   = 1000 // documents read at once
	relayLanes   = 4    // published side by side
	relayBulk    = 100  // so many at once are published as a whole before more is read
	relayBackoff = 100 * time.Millisecond
	relayMaxWait = 10 * time.Second
	relayLease   = "relay"
	relayTerm    = 10 * time.Second // how long a relay that died keeps others from polling
	markAttempts = 5
)

// Run is the relay: it publishes what is due until ctx ends, then returns nil. It never gives up: failures are logged and
// tried again with growing pauses. Several relays on one database are harmless; a lease lets one of them poll, while a
// Wake is served by the relay that got it, at once, also while it publishes something else.
func (o *Outbox) Run(ctx context.Context) error {
	turns := &relayTurns{Outbox: o, done: make(chan laneDone, relayLanes)}
	defer turns.end(context.WithoutCancel(ctx))
	pause, woken := relayBackoff, true
	for ctx.Err() == nil {
		err := turns.take(ctx, woken)
		for again := false; err == nil && !again && ctx.Err() == nil; {
			var sent int
			again, woken, sent, err = turns.wait(ctx)
			if err == nil && (sent > 0 || turns.working() == 0) {
				pause = relayBackoff
			}
		}
		if err == nil || ctx.Err() != nil {
			continue
		}
		o.o.Logger.WarnContext(ctx, "outbox: publishing waits", "for", pause, "error", err)
		_ = sleep(ctx, jitter(pause))
		pause, woken = min(2*pause, relayMaxWait), true
	}
	return nil
}

// relayTurns is what one Run remembers between its turns. A lane publishes one thing after the other, and a key is always
// in the same lane: so nothing is overtaken by an older state of itself. Lanes do not wait for each other.
type relayTurns struct {
	*Outbox
	claimAt   time.Time // when the lease is asked for next
	mine      bool
	refreshAt time.Time // when the daily publication is looked after next

	lanes sync.WaitGroup
	done  chan laneDone
	busy  [relayLanes]bool // until what it did was taken from done
	left  [relayLanes]bool // more was due for the lane when it was busy, or may have been
	moved bool             // something was sent since the last look
	bulk  bool             // much is under way: reading the same again for each lane would cost more than it gains
}

// laneDone is what a lane has done.
type laneDone struct {
	lane, sent int
	err        error
}

// take begins to publish what is due in every lane that is free. Without a wake it does so only under the lease, which
// saves work and no more.
func (r *relayTurns) take(ctx context.Context, woken bool) error {
	mine, err := r.polls(ctx)
	if err != nil {
		return err
	}
	if now := r.o.Now(); mine && !now.Before(r.refreshAt) {
		if err := r.refresh(ctx); err != nil {
			return err
		}
		r.refreshAt = now.Add(min(time.Minute, r.o.RepublishEvery/10))
	}
	if !mine && !woken {
		return nil
	}
	batch, err := r.due(ctx)
	if err != nil {
		return err
	}
	r.bulk, r.moved = len(batch) >= relayBulk, false
	for i, docs := range lanes(batch) {
		r.left[i] = len(docs) > 0 && r.busy[i] || len(batch) == relayBatch
		if len(docs) == 0 || r.busy[i] {
			continue
		}
		r.busy[i] = true
		r.lanes.Go(func() {
			sent, err := r.publish(ctx, docs)
			r.done <- laneDone{i, sent, err}
		})
	}
	return nil
}

// wait returns when there may be something to do (again) and whether somebody or a lane said so (woken), and how much a
// lane has sent.
func (r *relayTurns) wait(ctx context.Context) (again, woken bool, sent int, err error) {
	t := time.NewTimer(jitter(r.o.Poll))
	defer t.Stop()
	wake := r.wake
	if r.working() == relayLanes || r.bulk && r.working() > 0 {
		wake = nil // heard when a lane is free
	}
	select {
	case <-wake:
		return true, true, 0, nil
	case d := <-r.done:
		r.busy[d.lane] = false
		r.moved = r.moved || d.sent > 0
		more := r.left[d.lane] && d.sent > 0
		if r.bulk {
			more = r.working() == 0 && slices.Contains(r.left[:], true) && r.moved
		}
		return more, more, d.sent, d.err
	case <-t.C:
		return wake != nil, false, 0, nil
	case <-ctx.Done():
		return false, false, 0, nil
	}
}

func (r *relayTurns) working() (n int) {
	for _, busy := range r.busy {
		if busy {
			n++
		}
	}
	return n
}

// polls says whether this relay has the lease; it asks the database a few times per term only.
func (r *relayTurns) polls(ctx context.Context) (bool, error) {
	now := r.o.Now()
	if now.Before(r.claimAt) {
		return r.mine, nil
	}
	mine, err := r.db.claim(ctx, relayLease, r.holder, relayTerm)
	if err != nil {
		r.mine = false
		return false, fmt.Errorf("mongodb: outbox: lease: %w", err)
	}
	r.mine, r.claimAt = mine, now.Add(relayTerm/3)
	return mine, nil
}

// end waits for the lanes, which end with Run's ctx, and gives the lease back.
func (r *relayTurns) end(ctx context.Context) {
	r.lanes.Wait()
	if r.mine {
		r.db.giveBack(ctx, relayLease, r.holder)
	}
}

// refresh makes due what was not published for RepublishEvery.
func (o *Outbox) refresh(ctx context.Context) error {
	for ctx.Err() == nil {
		late := bson.D{{Key: "next", Value: bson.D{{Key: "$lte", Value: o.o.Now().UTC()}}}}
		cursor, err := o.documents.Find(ctx, late, options.Find().SetLimit(republishBatch).SetProjection(bson.D{{Key: "_id", Value: 1}}))
		var found []outboxDocument
		if err == nil {
			err = cursor.All(ctx, &found)
		}
		if err != nil {
			return fmt.Errorf("mongodb: outbox: refresh: %w", Fault(err))
		}
		ids := make([]string, len(found))
		for i, d := range found {
			ids[i] = d.ID
		}
		if err := o.raise(ctx, ids); err != nil || len(ids) < republishBatch {
			return err
		}
	}
	return nil
}

// due reads the documents that have waited longest.
func (o *Outbox) due(ctx context.Context) ([]outboxDocument, error) {
	cursor, err := o.documents.Find(ctx, bson.D{{Key: "due", Value: true}},
		options.Find().SetSort(bson.D{{Key: "due", Value: 1}, {Key: "since", Value: 1}}).SetLimit(relayBatch).SetBatchSize(relayBatch))
	var batch []outboxDocument
	if err == nil {
		err = cursor.All(ctx, &batch)
	}
	if err != nil {
		return nil, fmt.Errorf("mongodb: outbox: read: %w", Fault(err))
	}
	return batch, nil
}
