package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
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

// errSuperseded says that what was being made will never count: somebody began to make another one, or rows were erased.
var errSuperseded = errors.New("what was being made beside the rows is of no use any more")

// make makes a new generation and lets it take the place of the one that there was. position is how far ingest had come
// before. It does nothing and returns false where another process is at it already, and false where one has begun meanwhile,
// or rows were erased.
func (k *kept) make(ctx context.Context, position map[int]int64) (generation int64, ok bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, makeWithin)
	defer cancel()
	_, err = k.db.Alone(ctx, "kept|"+string(k.tenant), func(ctx context.Context) error {
		generation, ok, err = k.makeAlone(ctx, position)
		return err
	})
	return generation, ok, err
}

// makeAlone makes a generation. That nobody else makes one is only likely: a lease may be lost, and be had by another, before
// its holder knows. So each making has a number of its own, under which it writes, and whatever it writes fails once it is
// not the last one that began.
func (k *kept) makeAlone(ctx context.Context, position map[int]int64) (generation int64, ok bool, err error) {
	m, err := k.begin(ctx)
	if err != nil {
		return 0, false, err
	}
	if err = m.run(ctx, position); err == nil {
		return m.generation, true, k.clear(ctx, m.generation, m.generation)
	}
	if gone := m.drop(ctx); gone != nil && errors.Is(err, errSuperseded) {
		err = gone
	}
	return 0, false, ignore(err, errSuperseded)
}

// dropWithin is how long it may take to remove what came to nothing.
const dropWithin = time.Minute

// making is a generation that is being made.
type making struct {
	k          *kept
	generation int64 // its number: no other making has or had it
	instead    int64 // the generation whose place it takes
	erasures   int64 // as there were when it began
}

// begin makes a making the last one that began.
func (k *kept) begin(ctx context.Context) (m *making, err error) {
	err = k.db.Tx(ctx, func(ctx context.Context) error {
		st := keptStateDoc{ID: string(k.tenant), V: version, Tenant: k.tenant}
		err := k.states.FindOneAndUpdate(ctx, byID(st.ID), bson.D{{Key: "$setOnInsert", Value: st}},
			options.FindOneAndUpdate().SetUpsert(true).SetReturnDocument(options.After)).Decode(&st)
		if err != nil {
			return mongodb.Fault(err)
		}
		m = &making{k, max(st.Making, st.Generation) + 1, st.Generation, st.Erasures}
		_, err = k.states.UpdateOne(ctx, byID(st.ID), set(bson.D{{Key: "making", Value: m.generation}}))
		return mongodb.Fault(err)
	})
	if err != nil {
		return nil, fmt.Errorf("state of what is kept: %w", err)
	}
	return m, nil
}

// run makes the generation and makes it the current one.
func (m *making) run(ctx context.Context, position map[int]int64) error {
	if err := m.k.clear(ctx, m.generation, m.instead); err != nil { // what was left of makings that did not come through
		return err
	}
	b := m.builder()
	if err := m.k.everyRow(ctx, b.add); err != nil {
		return err
	}
	return b.finish(ctx, position)
}

// write runs f in a transaction that changes the state, more of it where more is given: it does not come about unless this
// is the last making that began and nothing was erased since.
func (m *making) write(ctx context.Context, more bson.D, f func(ctx context.Context) error) error {
	mine := bson.D{{Key: "_id", Value: string(m.k.tenant)}, {Key: "making", Value: m.generation}, {Key: "generation", Value: m.instead}, {Key: "erasures", Value: m.erasures}}
	update := bson.D{{Key: "$inc", Value: bson.D{{Key: "steps", Value: 1}}}}
	if len(more) > 0 {
		update = append(update, bson.E{Key: "$set", Value: more})
	}
	return m.k.db.Tx(ctx, func(ctx context.Context) error {
		res, err := m.k.states.UpdateOne(ctx, mine, update)
		if err != nil {
			return fmt.Errorf("state of what is kept: %w", mongodb.Fault(err))
		}
		if res.MatchedCount == 0 {
			return errSuperseded
		}
		return f(ctx)
	})
}

// drop removes what was made, also where ctx is over, unless it counts: that the last write failed is not always certain.
// What of it a later making finds, and what a killed process leaves, the later making removes.
func (m *making) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropWithin)
	defer cancel()
	res, err := m.k.states.UpdateOne(ctx, bson.D{{Key: "_id", Value: string(m.k.tenant)}, {Key: "making", Value: m.generation}, {Key: "generation", Value: m.instead}},
		bson.D{{Key: "$inc", Value: bson.D{{Key: "making", Value: 1}}}})
	if err != nil {
		return fmt.Errorf("state of what is kept: %w", mongodb.Fault(err))
	}
	if res.MatchedCount == 0 {
		return nil
	}
	return m.k.remove(ctx, m.generation)
}

// clear removes all generations before one but those that count: of a later one, which somebody may be making, nothing.
func (k *kept) clear(ctx context.Context, before, but int64) error {
	all, err := k.generations(ctx)
	if err != nil {
		return err
	}
	for _, g := range all {
		if g == but || g >= before {
			continue
		}
		if err := k.remove(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// remove removes what is kept of a generation.
func (k *kept) remove(ctx context.Context, generation int64) error {
	for _, c := range []*mongo.Collection{k.buckets, k.sums} {
		if _, err := c.DeleteMany(ctx, k.within(generation)); err != nil {
			return fmt.Errorf("remove generation %d of what is kept: %w", generation, mongodb.Fault(err))
		}
	}
	return nil
}

// generations returns the numbers of those of which anything is kept, in no order.
func (k *kept) generations(ctx context.Context) (all []int64, err error) {
	for _, c := range []*mongo.Collection{k.buckets, k.sums} {
		for after := id(k.tenant, ""); ; {
			var d struct {
				ID string `bson:"_id"`
			}
			err := c.FindOne(ctx, bson.D{{Key: "_id", Value: between(after, id(k.tenant, "~"))}},
				options.FindOne().SetSort(bson.D{{Key: "_id", Value: 1}}).SetProjection(bson.D{{Key: "_id", Value: 1}})).Decode(&d)
			if errors.Is(err, mongo.ErrNoDocuments) {
				break
			}
			if err != nil {
				return nil, fmt.Errorf("generations of what is kept: %w", mongodb.Fault(err))
			}
			number, _, _ := strings.Cut(d.ID[len(id(k.tenant, "")):], "|")
			g, err := strconv.ParseInt(number, 10, 64)
			if err != nil {
				return nil, fmt.Errorf("generation of %s: %w", d.ID, err)
			}
			if after = k.of(g, "~"); !slices.Contains(all, g) {
				all = append(all, g)
			}
		}
	}
	return all, nil
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
	m        *making
	customer keptCustomer
	bucket   string
	segments []segment // of the bucket
	ready    []any     // buckets
	sums     rollups
}

func (m *making) builder() *builder { return &builder{m: m, sums: rollups{}} }

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
		b.ready = append(b.ready, bucketDoc{b.m.k.of(b.m.generation, b.bucket), joined(b.segments)})
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
	err := b.m.write(ctx, nil, func(ctx context.Context) error {
		_, err := b.m.k.buckets.InsertMany(ctx, b.ready, options.InsertMany().SetOrdered(false))
		return mongodb.Fault(err)
	})
	b.ready = b.ready[:0]
	if err != nil {
		return fmt.Errorf("buckets: %w", err)
	}
	return nil
}

// finish writes the rest, and that all is there that was at a position.
func (b *builder) finish(ctx context.Context, position map[int]int64) error {
	if err := b.closeCustomer(ctx, ""); err != nil {
		return err
	}
	if err := b.flush(ctx); err != nil {
		return err
	}
	all := bson.D{{Key: "v", Value: version}, {Key: "generation", Value: b.m.generation}, {Key: "contains", Value: containing(position)}}
	return b.m.write(ctx, all, func(ctx context.Context) error { return b.m.k.write(ctx, b.m.generation, nil, b.sums) })
}
