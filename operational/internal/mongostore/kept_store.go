package mongostore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Beside the customer-day rows two things are kept that can be made from them at any time: what each identity bought, packed,
// several of them in one document (a bucket), from which purchase summaries are derived as of any day; and the sums of the
// rows of each day (rollups). They are a cache, outside ingest's transaction. Its state says how far in the log of events it
// contains the rows. Whoever reads brings it up to where ingest is, by the notes that ingest leaves of who did something on
// which day: only those rows are read again, and a bucket and the rollups of its days change in one transaction. Where the
// notes do not go back far enough, or there is no cache, it is made from all rows, under a new generation, which becomes the
// current one only when it is complete.

const (
	keptCollection    = "kept"    // the state
	bucketsCollection = "buckets" // what identities bought
	rollupsCollection = "rollups" // tenant|generation|day: the sums of its rows, named as in rows, and how many there are
)

// bucketDigits is how much of an identity's key names its bucket: keys are hexadecimal digits of a hash, so there are at
// most 65,536 buckets, and 15 customers in each of them where there are a million.
const bucketDigits = 4

// keptStateDoc is the state.
type keptStateDoc struct {
	ID         string            `bson:"_id"` // tenant
	V          int               `bson:"v"`
	Tenant     contract.TenantID `bson:"tenant"`
	Generation int64             `bson:"generation"` // which buckets and rollups count
	Contains   map[string]int64  `bson:"contains"`   // partition → position
	Making     int64             `bson:"making"`     // the last generation that somebody began to make; from 1
	Steps      int64             `bson:"steps"`      // every change raises it, so that of two at once one is done again
	Erasures   int64             `bson:"erasures"`   // changes from outside the log; what is being made meanwhile lacks them
}

type bucketDoc struct {
	ID        string `bson:"_id"` // tenant|generation|bucket
	Customers []byte `bson:"customers"`
}

// kept is the cache of a tenant.
type kept struct {
	tenant                  contract.TenantID
	db                      *mongodb.DB
	states, buckets, sums   *mongo.Collection
	rows, notes             *mongo.Collection
	fences                  *Fences
	turn                    chan struct{} // holds one while somebody brings it up to date; whoever else wants to read waits
	pairsAtOnce, rowsAtOnce int           // far fewer than the points of an index that a database looks up one by one
}

func newKept(t contract.TenantID, db *mongodb.DB) *kept {
	return &kept{tenant: t, db: db, states: db.Collection(keptCollection), buckets: db.Collection(bucketsCollection), sums: db.Collection(rollupsCollection),
		rows: db.Collection(rowsCollection), notes: db.Collection(stirredCollection), fences: NewFences(db), turn: make(chan struct{}, 1), pairsAtOnce: 2000, rowsAtOnce: 20_000}
}

// errMadeAnew says that the generation that is read or followed is not the current one any more.
var errMadeAnew = errors.New("what is kept beside the rows was made anew meanwhile")

// errForgotten says that notes may have been forgotten while they were read.
var errForgotten = errors.New("notes that are needed may have been forgotten meanwhile")

// current returns the generation to read, brought up to where ingest is; false if there is none now, since another process
// is making it: then the rows have to be read.
func (k *kept) current(ctx context.Context) (generation int64, ok bool, err error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return 0, false, ctx.Err()
	}
	st, err := k.state(ctx)
	if err != nil {
		return 0, false, err
	}
	// The position before the notes before the rows: what is read later may contain more than the position says, never less.
	position, err := k.position(ctx)
	if err != nil {
		return 0, false, err
	}
	switch {
	case st == nil || k.tooFar(st, position):
		return k.make(ctx, position)
	case k.behind(st, position):
		err := k.follow(ctx, st, position)
		if errors.Is(err, errForgotten) {
			return k.make(ctx, position)
		}
		if err != nil {
			return 0, false, ignore(err, errMadeAnew)
		}
	}
	return st.Generation, true, nil
}

// ignore returns nil for an error of a kind.
func ignore(err, kind error) error {
	if errors.Is(err, kind) {
		return nil
	}
	return err
}

// state returns the state, nil if there is none that this release understands.
func (k *kept) state(ctx context.Context) (*keptStateDoc, error) {
	var st keptStateDoc
	err := k.states.FindOne(ctx, byID(string(k.tenant))).Decode(&st)
	if errors.Is(err, mongo.ErrNoDocuments) || err == nil && (st.V != version || st.Generation == 0) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("state of what is kept: %w", mongodb.Fault(err))
	}
	return &st, nil
}

// position returns how far ingest has come, by partition.
func (k *kept) position(ctx context.Context) (map[int]int64, error) {
	fences, err := k.fences.All(ctx)
	return positionsOf(fences), err
}

func positionsOf(fences []ingest.Fence) map[int]int64 {
	at := map[int]int64{}
	for i := range fences {
		at[fences[i].Partition] = max(at[fences[i].Partition], fences[i].Position())
	}
	return at
}

func (k *kept) behind(st *keptStateDoc, position map[int]int64) bool {
	for part, at := range position {
		if at > st.Contains[strconv.Itoa(part)] {
			return true
		}
	}
	return false
}

// tooFar reports whether notes that are needed may have been forgotten.
func (k *kept) tooFar(st *keptStateDoc, position map[int]int64) bool {
	for part, at := range position {
		if at-st.Contains[strconv.Itoa(part)] > keptPositions {
			return true
		}
	}
	return false
}

func containing(position map[int]int64) map[string]int64 {
	out := make(map[string]int64, len(position))
	for part, at := range position {
		out[strconv.Itoa(part)] = at
	}
	return out
}

// of names a document of a generation.
func (k *kept) of(generation int64, name string) string {
	return id(k.tenant, strconv.FormatInt(generation, 10), name)
}

// within selects all documents of a generation.
func (k *kept) within(generation int64) bson.D {
	return bson.D{{Key: "_id", Value: between(k.of(generation, ""), k.of(generation, "~"))}}
}

func bucketOf(c identity.Key) string { return string(c[:min(bucketDigits, len(c))]) }

// each calls f with every identity of a generation, by key as far as keys are equally long. f must not keep what it is
// given. It fails with errMadeAnew if the generation is not the current one any more when it is through.
func (k *kept) each(ctx context.Context, generation int64, f func(*keptCustomer) error) error {
	cur, err := k.buckets.Find(ctx, k.within(generation), options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(bucketBatch))
	if err != nil {
		return fmt.Errorf("purchases that are kept: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	var c keptCustomer
	for cur.Next(ctx) {
		_, packed := cur.Current.Lookup("customers").Binary()
		for u := (unpacker{b: packed}); u.more(); {
			if err := u.next(&c); err != nil {
				return err
			}
			if err := f(&c); err != nil {
				return err
			}
		}
	}
	if err := cur.Err(); err != nil {
		return fmt.Errorf("purchases that are kept: %w", mongodb.Fault(err))
	}
	return k.still(ctx, generation)
}

// bucketBatch is how many buckets come in one answer of the database; each takes some kilobytes.
const bucketBatch = 2000

// still fails with errMadeAnew unless the generation is the current one.
func (k *kept) still(ctx context.Context, generation int64) error {
	st, err := k.state(ctx)
	if err == nil && (st == nil || st.Generation != generation) {
		err = errMadeAnew
	}
	return err
}

// rolled returns the sums of the rows of some days, from until before.
func (k *kept) rolled(ctx context.Context, generation int64, from, until contract.Day) (total counts, err error) {
	cur, err := k.sums.Find(ctx, bson.D{{Key: "_id", Value: between(k.of(generation, string(from)), k.of(generation, string(until)))}}, options.Find().SetBatchSize(bucketBatch))
	if err != nil {
		return total, fmt.Errorf("sums by day: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
		_, _, c, err := keptRow(cur.Current)
		if err != nil {
			return total, err
		}
		total.add(&c, 1)
	}
	if err := cur.Err(); err != nil {
		return total, fmt.Errorf("sums by day: %w", mongodb.Fault(err))
	}
	return total, k.still(ctx, generation)
}
