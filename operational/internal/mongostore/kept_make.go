package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// This file makes what is kept from all rows.

// makeWithin is how long that may take, a second or so for every hundred thousand rows.
const makeWithin = time.Hour

// make makes a new generation and lets it take the place of the one that there was. position is how far ingest had come
// before. It does nothing and returns false where another process is at it already, or rows were erased meanwhile.
func (k *kept) make(ctx context.Context, st *keptStateDoc, position map[int]int64) (generation int64, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, makeWithin)
	defer cancel()
	_, err = k.db.Alone(ctx, "kept|"+string(k.tenant), func(ctx context.Context) error {
		generation, ok, err = k.makeAlone(ctx, position)
		return err
	})
	return generation, ok, err
}

func (k *kept) makeAlone(ctx context.Context, position map[int]int64) (generation int64, ok bool, err error) {
	old := keptStateDoc{ID: string(k.tenant), V: version, Tenant: k.tenant}
	found := k.states.FindOneAndUpdate(ctx, byID(old.ID), bson.D{{Key: "$setOnInsert", Value: old}}, options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After))
	if err := found.Decode(&old); err != nil {
		return 0, false, fmt.Errorf("state of what is kept: %w", mongodb.Fault(err))
	}
	generation = old.Generation + 1
	if err := k.clear(ctx, old.Generation); err != nil { // what was left of an attempt that did not come through
		return 0, false, err
	}
	b := k.builder(generation)
	if err := k.everyRow(ctx, b.add); err != nil {
		return 0, false, err
	}
	if err := b.finish(ctx); err != nil {
		return 0, false, err
	}
	res, err := k.states.UpdateOne(ctx, bson.D{{Key: "_id", Value: old.ID}, {Key: "generation", Value: old.Generation}, {Key: "erasures", Value: old.Erasures}},
		set(bson.D{{Key: "v", Value: version}, {Key: "generation", Value: generation}, {Key: "contains", Value: containing(position)}}))
	if err != nil {
		return 0, false, fmt.Errorf("state of what is kept: %w", mongodb.Fault(err))
	}
	if ok = res.MatchedCount == 1; !ok { // which one is current now is not known here: the next make clears what is left of this one
		return 0, false, nil
	}
	return generation, true, k.clear(ctx, generation)
}

// clear removes all generations but one.
func (k *kept) clear(ctx context.Context, but int64) error {
	first, last := id(k.tenant, ""), id(k.tenant, "~")
	for _, c := range []*mongo.Collection{k.buckets, k.sums} {
		for _, others := range []doc{between(first, k.of(but, "")), between(k.of(but, "~"), last)} {
			if _, err := c.DeleteMany(ctx, bson.D{{Key: "_id", Value: others}}); err != nil {
				return fmt.Errorf("remove what was kept before: %w", mongodb.Fault(err))
			}
		}
	}
	return nil
}

// everyRow calls f with every row, in the order of customers and days.
func (k *kept) everyRow(ctx context.Context, f func(context.Context, identity.Key, contract.Day, *counts) error) error {
	cur, err := k.rows.Find(ctx, bson.D{{Key: "_id", Value: between(id(k.tenant, ""), id(k.tenant, "~"))}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(int32(k.rowsAtOnce)))
	if err != nil {
		return fmt.Errorf("rows: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
		who, day, c, err := keptRow(cur.Current)
		if err != nil {
			return err
		}
		if err := f(ctx, who, day, &c); err != nil {
			return err
		}
	}
	return mongodb.Fault(cur.Err())
}

// builder makes a generation of rows that come in the order of customers and days.
type builder struct {
	k          *kept
	generation int64
	customer   keptCustomer
	bucket     string
	segments   []segment // of the bucket
	ready      []any     // buckets
	sums       rollups
}

func (k *kept) builder(generation int64) *builder {
	return &builder{k: k, generation: generation, sums: rollups{}}
}

func (b *builder) add(ctx context.Context, who identity.Key, day contract.Day, c *counts) error {
	if who != b.customer.key {
		if err := b.closeCustomer(ctx, who); err != nil {
			return err
		}
	}
	n, err := numberOf(day)
	if err != nil {
		return err
	}
	b.customer.days = append(b.customer.days, keptDay{n, *c})
	b.sums.change(n, nil, c)
	return nil
}

// closeCustomer packs the customer that is complete, and closes the bucket where the next one has another.
func (b *builder) closeCustomer(ctx context.Context, next identity.Key) error {
	if len(b.customer.days) > 0 {
		b.segments = append(b.segments, segment{b.customer.key, appendCustomer(nil, &b.customer)})
	}
	b.customer = keptCustomer{key: next, days: b.customer.days[:0]}
	if name := bucketOf(next); name != b.bucket {
		if err := b.closeBucket(ctx); err != nil {
			return err
		}
		b.bucket = name
	}
	return nil
}

func (b *builder) closeBucket(ctx context.Context) error {
	if len(b.segments) > 0 {
		b.ready = append(b.ready, bucketDoc{b.k.of(b.generation, b.bucket), joined(b.segments)})
		b.segments = b.segments[:0]
	}
	if len(b.ready) < bucketBatch {
		return nil
	}
	return b.flush(ctx)
}

func (b *builder) flush(ctx context.Context) error {
	if len(b.ready) == 0 {
		return nil
	}
	_, err := b.k.buckets.InsertMany(ctx, b.ready, options.InsertMany().SetOrdered(false))
	b.ready = b.ready[:0]
	if err != nil {
		return fmt.Errorf("buckets: %w", mongodb.Fault(err))
	}
	return nil
}

// finish writes the rest.
func (b *builder) finish(ctx context.Context) error {
	if err := b.closeCustomer(ctx, ""); err != nil {
		return err
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	return b.k.write(ctx, b.generation, nil, b.sums)
}
