package docstorebench

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// batchSize is how many documents or updates go together.
const batchSize = 1000

// share runs f for every batch of n documents, by so many workers at once; batch b goes to worker b % workers.
func share(t testing.TB, workers, batches int, f func(batch int) error) {
	t.Helper()
	var wg sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		wg.Go(func() {
			for b := w; b < batches && errs[w] == nil; b += workers {
				errs[w] = f(b)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// loaded is the same data in the store and in bare Pebble.
type loaded struct {
	coll *mongo.Collection
	db   *pebble.DB
	n    int
	idle *mongo.Collection // of a server that does nothing
}

// rate is the speed of one phase in documents per second.
func rate(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// extend inserts documents up to n into both, a slice each in turn so that both meet the same noise, and returns the
// store's speed as a share of Pebble's, of the median slice. Both get bytes that are ready: neither is charged for making
// them. The store's side includes the driver, which is most of what it takes: the share is measured and printed.
func (l *loaded) extend(t testing.TB, n, workers int) float64 {
	t.Helper()
	const slice = 10 * batchSize
	var store, bare, driver []time.Duration
	from := l.n
	for l.n < n {
		count := min(slice, n-l.n)
		docs, keys := make([]bson.Raw, count), make([][]entry, count)
		for i := range docs {
			docs[i] = document(t, l.n+i)
			keys[i] = entries(docs[i])
		}
		batches := (count + batchSize - 1) / batchSize
		insert := func(coll *mongo.Collection) time.Duration {
			return timed(func() {
				share(t, workers, batches, func(b int) error {
					_, err := coll.InsertMany(t.Context(), docs[b*batchSize:min(count, (b+1)*batchSize)])
					return err
				})
			})
		}
		store = append(store, insert(l.coll))
		driver = append(driver, insert(l.idle))
		bare = append(bare, timed(func() {
			share(t, workers, batches, func(b int) error {
				return write(l.db, keys[b*batchSize:min(count, (b+1)*batchSize)])
			})
		}))
		l.n += count
	}
	inStore, inBare := median(store), median(bare)
	if len(driver) > 2 { // fewer show only how things start
		driverShare(t, "insertMany"+with(workers), inBare, inStore, median(driver))
	}
	t.Logf("inserted %d documents with %d workers: store %.0f/s, bare Pebble %.0f/s", n-from, workers, rate(min(slice, n-from), inStore), rate(min(slice, n-from), inBare))
	return inBare.Seconds() / inStore.Seconds()
}

// write commits the entries of a batch of documents with one sync.
func write(db *pebble.DB, docs [][]entry) error {
	b := db.NewBatch()
	for _, keys := range docs {
		for _, e := range keys {
			if err := b.Set(e.key, e.value, nil); err != nil {
				return err
			}
		}
	}
	return errors.Join(b.Commit(pebble.Sync), b.Close())
}

func TestBenchUpsert(t *testing.T) {
	n := max(size()/10, smoke)
	idle := nobody(t, document(t, 0)).Database("bench").Collection("profiles")
	for _, workers := range []int{1, 2} {
		coll := store(t).Database("bench").Collection("profiles")
		db := bare(t)
		var inStore, inBare, used, usedBare, driver time.Duration
		for round := range 3 { // the first inserts, the others modify
			batches := n / batchSize
			used += cpu(t, func() {
				inStore += timed(func() {
					share(t, workers, batches, func(b int) error { return upsertStore(t.Context(), coll, b, round) })
				})
			})
			driver += timed(func() {
				share(t, workers, batches, func(b int) error { return upsertStore(t.Context(), idle, b, round) })
			})
			usedBare += cpu(t, func() {
				inBare += timed(func() {
					share(t, workers, batches, func(b int) error { return upsertBare(db, b, round) })
				})
			})
		}
		requireSame(t, coll, db, n)
		t.Logf("%d upserts with %d workers: store %.0f/s, bare Pebble %.0f/s; processor time %v and %v", 3*n, workers, rate(3*n, inStore), rate(3*n, inBare), used, usedBare)
		driverShare(t, "bulkWrite of upserts"+with(workers), inBare, inStore, driver)
		atLeast(t, "bulkWrite of upserts by _id / bare Pebble"+with(workers), inBare.Seconds()/inStore.Seconds(), 0.30)
	}
}

func with(workers int) string {
	if workers == 1 {
		return ", one client"
	}
	return ", two clients"
}

// profile is the id of the i-th document that upserts are about, scattered over the key space as customers are.
func profile(i int) string { return fmt.Sprintf("%08x-%08d", uint32(i)*2654435761, i) }

func upsertStore(ctx context.Context, coll *mongo.Collection, batch, round int) error {
	models := make([]mongo.WriteModel, batchSize)
	for i := range models {
		models[i] = mongo.NewUpdateOneModel().SetFilter(byID(profile(batch*batchSize + i))).SetUpsert(true).SetUpdate(bson.D{
			{Key: "$inc", Value: bson.D{{Key: "events", Value: int64(1)}, {Key: "amount", Value: int64(round + i)}}},
			{Key: "$set", Value: bson.D{{Key: "last", Value: int64(round)}}},
			{Key: "$setOnInsert", Value: bson.D{{Key: "country", Value: "NL"}, {Key: "segment", Value: "new"}, {Key: "note", Value: note}}},
		})
	}
	_, err := coll.BulkWrite(ctx, models, options.BulkWrite().SetOrdered(false))
	return err
}

const note = "a customer who came by the web and has not said much about himself so far; what is known was bought"

// upsertBare reads, changes and writes the same documents without a server: the least that the work can cost.
func upsertBare(db *pebble.DB, batch, round int) error {
	b := db.NewBatch()
	for i := range batchSize {
		id := profile(batch*batchSize + i)
		key := append(append(prefix(0), id...), 0, 1)
		old, closer, err := db.Get(key)
		switch {
		case err == nil:
			err = errors.Join(b.Set(key, changed(old, id, round+i, round), nil), closer.Close())
		case errors.Is(err, pebble.ErrNotFound):
			err = b.Set(key, fresh(id, round+i, round), nil)
		}
		if err != nil {
			return err
		}
	}
	return errors.Join(b.Commit(pebble.Sync), b.Close())
}

func fresh(id string, amount, round int) []byte {
	return profileDoc(id, 1, int64(amount), int64(round), "NL", "new", note)
}

func changed(old bson.Raw, id string, amount, round int) []byte {
	return profileDoc(id, old.Lookup("events").Int64()+1, old.Lookup("amount").Int64()+int64(amount), int64(round),
		old.Lookup("country").StringValue(), old.Lookup("segment").StringValue(), old.Lookup("note").StringValue())
}

// profileDoc lays the fields out as the store does: the new ones of an update in the order of their names.
func profileDoc(id string, events, amount, last int64, country, segment, note string) []byte {
	start, doc := bsoncore.AppendDocumentStart(make([]byte, 0, 256))
	doc = bsoncore.AppendStringElement(doc, "_id", id)
	doc = bsoncore.AppendInt64Element(doc, "amount", amount)
	doc = bsoncore.AppendStringElement(doc, "country", country)
	doc = bsoncore.AppendInt64Element(doc, "events", events)
	doc = bsoncore.AppendInt64Element(doc, "last", last)
	doc = bsoncore.AppendStringElement(doc, "note", note)
	doc = bsoncore.AppendStringElement(doc, "segment", segment)
	doc, _ = bsoncore.AppendDocumentEnd(doc, start)
	return doc
}

// requireSame fails where the two sides did not do the same work.
func requireSame(t *testing.T, coll *mongo.Collection, db *pebble.DB, n int) {
	t.Helper()
	for i := 0; i < n; i += max(1, n/50) {
		got := must[bson.Raw](t)(coll.FindOne(t.Context(), byID(profile(i))).Raw())
		want, closer, err := db.Get(append(append(prefix(0), profile(i)...), 0, 1))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Fatalf("profile %d: the store has %s, bare Pebble %s", i, got, bson.Raw(want))
		}
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
