package bench

import (
	"os"
	"path/filepath"
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

// The import of all CDNOW orders through the API, the log and the ingest transaction, against the bare driver's unordered
// bulk writes of the documents that came of it, into a document store of the same kind.
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
	bare, n := write(t, documents)
	t.Logf("import, end to end: %.0f %% of the bare driver's speed (aim ≥ %.0f %%); %d orders in %.2f s, the %d documents that came of them in %.2f s",
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

// collected returns every document of the operational database, by collection.
func (r *rig) collected() map[string][]any {
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
	all := map[string][]any{}
	for _, name := range names {
		rows, err := db.Collection(name).Find(r.t.Context(), bson.D{})
		if err != nil {
			r.t.Fatal(err)
		}
		var raws []bson.Raw
		if err := rows.All(r.t.Context(), &raws); err != nil {
			r.t.Fatal(err)
		}
		for _, raw := range raws {
			all[name] = append(all[name], raw)
		}
	}
	return all
}

// write writes the documents into a new store and returns how long that took.
func write(t *testing.T, all map[string][]any) (time.Duration, int) {
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
	begun, n := time.Now(), 0
	for name, documents := range all {
		for ; len(documents) > 0; n++ {
			some := documents[:min(bulk, len(documents))]
			documents = documents[len(some):]
			var models []mongo.WriteModel
			for _, d := range some {
				models = append(models, mongo.NewInsertOneModel().SetDocument(d))
			}
			if _, err := c.Database("bare").Collection(name).BulkWrite(t.Context(), models, options.BulkWrite().SetOrdered(false)); err != nil {
				t.Fatal(err)
			}
			n += len(some) - 1
		}
	}
	return time.Since(begun), n
}
