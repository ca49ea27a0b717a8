package bench

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/deploy/internal/upload"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/local/docstore"
)

const (
	bulk = 1000 // documents of one bulk write
	aim  = .40
)

// The import of all CDNOW orders through the API, the log and the ingest transaction, until the statement accounts for every
// row, against the bare driver's unordered bulk writes of the documents that came of it, into a document store of the same
// kind, with the same indexes and the same write concern.
func TestBenchImport(t *testing.T) {
	r := start(t)
	r.issue("Keep more", contract.Retention, "month_on_month_retention", contract.Ratio)
	r.issue("Worth more", contract.LifetimeValue, "predicted_value_52w", contract.Money)
	f, err := orderfile.Open(orders(t), orderfile.Mapping{})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	run, err := upload.File(t.Context(), r.stew, "order-file", f, func(int64, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := upload.Settled(t.Context(), r.stew, run.Run); err != nil {
		t.Fatal(err)
	}
	whole := time.Since(begun)
	documents := r.collected()
	r.stop() // what it measures now is no part of the driver's work
	var times []time.Duration
	n := 0
	for range 3 { // they vary more than the import does
		d, written := write(t, documents)
		times, n = append(times, d), written
	}
	slices.Sort(times)
	bare := times[1]
	t.Logf("import, end to end: %.0f %% of the bare driver's speed (aim ≥ %.0f %%); %d orders in %.2f s, the %d documents that came of them in %.2f s, the median of three",
		100*bare.Seconds()/whole.Seconds(), 100*aim, len(f.Rows), whole.Seconds(), n, bare.Seconds())
}

func orders(t *testing.T) string {
	t.Helper()
	name := filepath.Join("..", "..", "..", "shared", "data", "cdnow", "CDNOW_master.txt")
	if _, err := os.Stat(name); err != nil {
		t.Skip("the CDNOW file is not there: ", err)
	}
	return name
}

// content is what a collection holds: its documents, and the indexes that writing them keeps.
type content struct {
	documents []any
	indexes   []bson.Raw
}

// collected returns the content of the operational database, by collection.
func (r *rig) collected() map[string]content {
	r.t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(r.exposed()["MONGO_URI"]))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = c.Disconnect(r.t.Context()) }()
	db := c.Database("strata_operational")
	names, err := db.ListCollectionNames(r.t.Context(), bson.D{})
	if err != nil {
		r.t.Fatal(err)
	}
	all := map[string]content{}
	for _, name := range names {
		var held content
		for _, raw := range every(r.t, func(ctx context.Context) (*mongo.Cursor, error) { return db.Collection(name).Find(ctx, bson.D{}) }) {
			held.documents = append(held.documents, raw)
		}
		held.indexes = every(r.t, func(ctx context.Context) (*mongo.Cursor, error) { return db.Collection(name).Indexes().List(ctx) })
		all[name] = held
	}
	return all
}

func every(t *testing.T, ask func(context.Context) (*mongo.Cursor, error)) []bson.Raw {
	t.Helper()
	var raws []bson.Raw
	cursor, err := ask(t.Context())
	if err == nil {
		err = cursor.All(t.Context(), &raws)
	}
	if err != nil {
		t.Fatal(err)
	}
	return raws
}

// write writes the documents into a new store with the same indexes, made before, and returns how long that took.
func write(t *testing.T, all map[string]content) (time.Duration, int) {
	t.Helper()
	store, err := docstore.Open(docstore.Options{Dir: t.TempDir(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	journaled := true
	c, err := mongo.Connect(options.Client().ApplyURI(store.URI()).SetDialer(store.Dialer()).SetWriteConcern(&writeconcern.WriteConcern{W: "majority", Journal: &journaled}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Disconnect(t.Context()) }()
	db := c.Database("bare")
	for name, held := range all {
		if err := db.RunCommand(t.Context(), bson.D{{Key: "createIndexes", Value: name}, {Key: "indexes", Value: held.indexes}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	begun, n := time.Now(), 0
	for name, held := range all {
		for some := range slices.Chunk(held.documents, bulk) {
			models := make([]mongo.WriteModel, len(some))
			for i, d := range some {
				models[i] = mongo.NewInsertOneModel().SetDocument(d)
			}
			if _, err := db.Collection(name).BulkWrite(t.Context(), models, options.BulkWrite().SetOrdered(false)); err != nil {
				t.Fatal(err)
			}
			n += len(some)
		}
	}
	return time.Since(begun), n
}
