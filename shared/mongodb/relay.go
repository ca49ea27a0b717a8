package mongodb

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const (
	relayBatch   = 1000 // documents read at once
	relayLanes   = 4    // slices of a batch published side by side; one key is always in one slice
	relayBackoff = 100 * time.Millisecond
	relayMaxWait = 10 * time.Second
	relayLease   = "relay"
	relayTerm    = 10 * time.Second // how long a relay that died keeps others from polling
	markAttempts = 5
)

// Run is the relay: it publishes what is due until ctx ends, then returns nil. It never gives up: failures are logged and
// tried again with growing pauses. Several relays on one database are harmless; a lease lets one of them poll, while a
// Wake is served by the relay that got it, at once.
func (o *Outbox) Run(ctx context.Context) error {
	turns := &relayTurns{Outbox: o}
	defer turns.end(context.WithoutCancel(ctx))
	pause, woken := relayBackoff, true
	for ctx.Err() == nil {
		err := turns.take(ctx, woken)
		if err == nil {
			pause = relayBackoff
			woken = o.wait(ctx)
			continue
		}
		if ctx.Err() == nil {
			o.o.Logger.WarnContext(ctx, "outbox: publishing waits", "for", pause, "error", err)
		}
		_ = sleep(ctx, jitter(pause))
		pause, woken = min(2*pause, relayMaxWait), true
	}
	return nil
}

// relayTurns is what one Run remembers between its turns.
type relayTurns struct {
	*Outbox
	claimAt   time.Time // when the lease is asked for next
	mine      bool
	refreshAt time.Time // when the daily publication is looked after next
}

// take publishes all that is due. Without a wake it does so only under the lease, which saves work and no more.
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
	return r.drain(ctx)
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

func (r *relayTurns) end(ctx context.Context) {
	if r.mine {
		r.db.giveBack(ctx, relayLease, r.holder)
	}
}

// wait returns when there may be something to do, and whether somebody said so.
func (o *Outbox) wait(ctx context.Context) bool {
	t := time.NewTimer(jitter(o.o.Poll))
	defer t.Stop()
	select {
	case <-o.wake:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
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

// drain publishes batch after batch until one was not full, or did not get smaller.
func (o *Outbox) drain(ctx context.Context) error {
	for ctx.Err() == nil {
		batch, err := o.due(ctx)
		if err != nil {
			return err
		}
		sent, err := o.publish(ctx, batch)
		if err != nil || sent == 0 || len(batch) < relayBatch {
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
