package docstore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/seedtest"
)

// TestBatchesDoWhatTheirStatementsDo sends random writes, many of which fail or are about the same documents, as one
// command and one by one, and compares the answers and what is stored in the end. Batches this large are prepared on all
// processors ahead of their statements.
func TestBatchesDoWhatTheirStatementsDo(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 2))
	_, client := open(t, docstore.Options{InMemory: true})
	together, apart := client.Database("db").Collection("together"), client.Database("db").Collection("apart")
	for _, c := range []*mongo.Collection{together, apart} {
		_, err := c.Indexes().CreateMany(t.Context(), []mongo.IndexModel{{Keys: doc("v", 1)}, {Keys: doc("u", 1), Options: options.Index().SetUnique(true).SetSparse(true)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	failures := 0
	for range 12 {
		models, kinds := make([]mongo.WriteModel, 150+rng.IntN(1500)), []int{0}
		if rng.IntN(2) == 0 { // the driver would send inserts and updates apart
			kinds = []int{1, 2, 3, 4, 4}
		}
		for i := range models {
			models[i] = randomWrite(rng, kinds[rng.IntN(len(kinds))])
		}
		want := map[int]int{}
		for i, m := range models {
			if _, err := apart.BulkWrite(t.Context(), []mongo.WriteModel{m}); err != nil {
				want[i] = codesOf(t, err)[0]
			}
		}
		_, err := together.BulkWrite(t.Context(), models, options.BulkWrite().SetOrdered(false))
		if got := codesOf(t, err); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("together %v, apart %v", got, want)
		}
		failures += len(want)
		requireSameDocuments(t, together, apart)
	}
	if failures == 0 {
		t.Error("nothing failed: the test shows little")
	}
}

// A statement that is no update fails alone, in a small batch and in one that is worked out on all processors, and leaves
// nothing open behind it.
func TestAFaultyUpdateAmongOthers(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	c := client.Database("db").Collection("faulty")
	for round, n := range []int{2, 300} {
		for _, ordered := range []bool{true, false} {
			models := make([]mongo.WriteModel, n)
			for i := range models {
				models[i] = mongo.NewUpdateOneModel().SetFilter(doc("_id", i)).SetUpdate(doc("$inc", doc("n", 1))).SetUpsert(true)
			}
			models[n-1] = mongo.NewUpdateOneModel().SetFilter(doc("_id", 0)).SetUpdate(doc("$foo", doc("n", 1)))
			_, err := c.BulkWrite(t.Context(), models, options.BulkWrite().SetOrdered(ordered))
			if got := codesOf(t, err); len(got) != 1 || got[n-1] != 9 {
				t.Errorf("%d statements, ordered %v: codes %v, want 9 for the last", n, ordered, got)
			}
			if _, err := c.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: doc(fmt.Sprintf("n%d%v", round, ordered), 1)}); err != nil {
				t.Error(err)
			}
		}
	}
}

// randomWrite is about few ids and values.
func randomWrite(rng *rand.Rand, kind int) mongo.WriteModel {
	id := doc("_id", rng.IntN(900))
	switch kind {
	case 0:
		d := append(id, doc("v", rng.IntN(9), "n", any(int64(1)))...)
		if rng.IntN(6) == 0 {
			d = append(d, doc("u", rng.IntN(300))...)
		}
		if rng.IntN(9) == 0 {
			d[2].Value = "text"
		}
		return mongo.NewInsertOneModel().SetDocument(d)
	case 1:
		return mongo.NewUpdateOneModel().SetFilter(id).SetUpdate(doc("$set", doc("u", rng.IntN(300)))).SetUpsert(rng.IntN(2) == 0)
	case 2:
		return mongo.NewReplaceOneModel().SetFilter(id).SetReplacement(doc("v", rng.IntN(9))).SetUpsert(true)
	case 3:
		return mongo.NewUpdateOneModel().SetFilter(id).SetUpdate(doc("$push", doc("v", rng.IntN(9))))
	default:
		return mongo.NewUpdateOneModel().SetFilter(id).SetUpdate(doc("$inc", doc("n", int64(1)), "$set", doc("v", rng.IntN(9)), "$setOnInsert", doc("new", true))).SetUpsert(rng.IntN(2) == 0)
	}
}

// codesOf returns the code of each statement that failed, by its place in the batch.
func codesOf(t *testing.T, err error) map[int]int {
	t.Helper()
	codes := map[int]int{}
	var bulk mongo.BulkWriteException
	if err != nil && !errors.As(err, &bulk) {
		t.Fatal(err)
	}
	for _, e := range bulk.WriteErrors {
		codes[e.Index] = e.Code
	}
	return codes
}

func requireSameDocuments(t *testing.T, a, b *mongo.Collection) {
	t.Helper()
	var all [2][]bson.Raw
	for i, c := range []*mongo.Collection{a, b} {
		cur, err := c.Find(t.Context(), bson.D{}, options.Find().SetSort(doc("_id", 1)))
		if err == nil {
			err = cur.All(t.Context(), &all[i])
		}
		if err != nil {
			t.Fatal(err)
		}
		var check struct{ Valid bool }
		if err := c.Database().RunCommand(t.Context(), doc("validate", c.Name())).Decode(&check); err != nil || !check.Valid {
			t.Fatalf("%s is not valid: %v", c.Name(), err)
		}
	}
	if x, y := fmt.Sprint(all[0]), fmt.Sprint(all[1]); x != y {
		t.Fatalf("together:\n%s\napart:\n%s", x, y)
	}
}
