package docstore_test

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// counting is how a count is explained and what it reads.
type counting struct {
	filter bson.D
	stages string // below COUNT, or of the pipeline's front
	index  string
	docs   int64 // at most
	n      int64
}

// TestCoveredCountsReadNoDocuments explains counts, by the command and by a pipeline as CountDocuments sends it: where keys tell
// all that the filter asks no document is read, and where they do not the documents are.
func TestCoveredCountsReadNoDocuments(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := client.Database("db").Collection("c")
	var docs []any
	for i := range 200 {
		d := doc("_id", i, "a", i%10, "b", i%7, "tags", bson.A{i % 3, i % 5}, "state", []string{"ready", "done"}[i%2])
		if i%4 == 0 {
			d = append(d, bson.E{Key: "rare", Value: i})
		}
		if i%10 == 0 {
			d = append(d, bson.E{Key: "n", Value: nil})
		}
		docs = append(docs, d)
	}
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	if _, err := coll.Indexes().CreateMany(t.Context(), []mongo.IndexModel{
		{Keys: doc("a", 1, "b", -1)}, {Keys: doc("tags", 1)}, {Keys: doc("n", 1)},
		{Keys: doc("rare", 1), Options: options.Index().SetSparse(true)},
		{Keys: doc("at", 1), Options: options.Index().SetPartialFilterExpression(doc("state", "ready")).SetName("ready")},
	}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]counting{
		"equality":                    {doc("a", 3), "COUNT_SCAN", "a_1_b_-1", 0, 20},
		"range":                       {doc("a", doc("$gte", 8)), "COUNT_SCAN", "a_1_b_-1", 0, 40},
		"both fields":                 {doc("a", 3, "b", doc("$lt", 4)), "COUNT_SCAN", "a_1_b_-1", 0, 11},
		"in":                          {doc("a", doc("$in", bson.A{1, 2, 2.0})), "COUNT_SCAN", "a_1_b_-1", 0, 40},
		"the second field only":       {doc("b", 3), "COLLSCAN", "", 200, 29},
		"a field beside the index":    {doc("a", 3, "tags", doc("$exists", true)), "FETCH IXSCAN", "a_1_b_-1", 20, 20},
		"null is not told":            {doc("n", nil), "FETCH IXSCAN", "n_1", 200, 200},
		"a condition that is refused": {doc("a", doc("$ne", 3)), "COLLSCAN", "", 200, 180},
		"each document of many keys":  {doc("tags", doc("$gte", 1)), "COUNT_SCAN", "tags_1", 0, 186},
		"an element":                  {doc("tags", 4), "COUNT_SCAN", "tags_1", 0, 40},
		"two conditions on elements":  {doc("tags", doc("$gte", 3, "$lt", 2)), "FETCH IXSCAN", "tags_1", 200, 54},
		"sparse":                      {doc("rare", doc("$gte", 100)), "COUNT_SCAN", "rare_1", 0, 25},
		"sparse misses":               {doc("rare", nil), "COLLSCAN", "", 200, 150},
		"partial":                     {doc("state", "ready"), "COUNT_SCAN", "ready", 0, 100},
		"partial misses":              {doc("state", "done"), "COLLSCAN", "", 200, 100},
		"_id":                         {doc("_id", 7), "COUNT_SCAN", "_id_", 0, 1},
		"_id that is not there":       {doc("_id", 700), "COUNT_SCAN", "_id_", 0, 0},
		"_id range":                   {doc("_id", doc("$gte", 150)), "COUNT_SCAN", "_id_", 0, 50},
		"or":                          {doc("$or", bson.A{doc("a", 3), doc("tags", 4)}), "OR", "", 0, 60},
	} {
		got := explain(t, client, doc("count", "c", "query", c.filter))
		if got.stages != "COUNT "+c.stages || got.index != c.index || got.docs > c.docs || got.n != c.n {
			t.Errorf("count %s: got %+v, want %+v", name, got, c)
		}
		if c.docs == 200 && got.docs == 0 {
			t.Errorf("count %s cannot be answered without documents", name)
		}
		pipeline := bson.A{doc("$match", c.filter), doc("$group", doc("_id", 1, "n", doc("$sum", 1)))}
		front := explainFront(t, client, pipeline)
		if front.stages != c.stages || front.index != c.index || front.docs > c.docs || front.n != c.n {
			t.Errorf("pipeline %s: got %+v, want %+v", name, front, c)
		}
		if n, err := coll.CountDocuments(t.Context(), c.filter); err != nil || n != c.n {
			t.Errorf("%s: CountDocuments answers %d (%v), want %d", name, n, err, c.n)
		}
	}
	if got := explain(t, client, doc("count", "c")); got.stages != "RECORD_STORE_FAST_COUNT" || got.docs != 0 || got.keys != 0 || got.n != 200 {
		t.Errorf("count without a query: %+v", got)
	}
	if got := explain(t, client, doc("count", "c", "hint", "rare_1")); got.stages != "COUNT COUNT_SCAN" || got.docs != 0 || got.n != 50 {
		t.Errorf("count of a sparse index: %+v", got)
	}
	if got := explainFront(t, client, bson.A{doc("$match", doc("a", 3)), doc("$group", doc("_id", 1, "n", doc("$sum", "$b")))}); got.docs != 20 {
		t.Errorf("a sum of a field: %+v", got)
	}
}

// explainFront is explain for what a pipeline does before its first stage that is not left to the planner.
func explainFront(t *testing.T, c *mongo.Client, pipeline bson.A) explained {
	t.Helper()
	raw, err := c.Database("db").RunCommand(t.Context(), doc("explain", doc("aggregate", "c", "pipeline", pipeline, "cursor", bson.D{}), "verbosity", "executionStats")).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return readExplain(raw.Lookup("stages", "0", "$cursor").Document(), false)
}

// TestCountsByKeysAgree asks random questions of a collection with indexes and counts without reading documents where that is
// possible: the numbers are those of the documents that find finds.
func TestCountsByKeysAgree(t *testing.T) {
	t.Parallel()
	g := newQuestions(t, 5)
	_, client := open(t, docstore.Options{InMemory: true})
	plain, indexed := twins(t, client, g)
	covered := 0
	for range 1500 {
		filter, skip, limit := g.filter(2), int64(g.IntN(3)*g.IntN(20)), int64(g.IntN(3)*g.IntN(30))
		all := int64(len(idSet(t, plain, filter, nil)))
		want := max(0, all-skip)
		if limit > 0 {
			want = min(want, limit)
		}
		cmd := doc("count", "indexed", "query", filter, "skip", skip, "limit", limit)
		raw, err := client.Database("db").RunCommand(t.Context(), cmd).Raw()
		if err != nil || raw.Lookup("n").AsInt64() != want {
			t.Fatalf("%v: %s (%v), want %d", cmd, raw, err, want)
		}
		if n, err := indexed.CountDocuments(t.Context(), filter); err != nil || n != all {
			t.Fatalf("%v: the pipeline counts %d (%v), want %d", filter, n, err, all)
		}
		if e := explain(t, client, cmd); e.docs == 0 && e.n > 0 {
			covered++
		}
	}
	if covered < 50 {
		t.Errorf("only %d counts read no documents: the test shows little", covered)
	}
}

// TestCountsByKeysSeeTheTransactionsOwnWrites counts in a transaction that has inserted, moved and deleted documents: its own
// keys count, others' do not yet.
func TestCountsByKeysSeeTheTransactionsOwnWrites(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := client.Database("db").Collection("c")
	for i := range 10 {
		if _, err := coll.InsertOne(t.Context(), doc("_id", i, "a", i, "tags", bson.A{i, i + 1})); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := coll.Indexes().CreateMany(t.Context(), []mongo.IndexModel{{Keys: doc("a", 1)}, {Keys: doc("tags", 1)}}); err != nil {
		t.Fatal(err)
	}
	s, err := client.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.EndSession(t.Context())
	if err := s.StartTransaction(); err != nil {
		t.Fatal(err)
	}
	in := mongo.NewSessionContext(t.Context(), s)
	for _, write := range []func() error{
		func() error {
			_, err := coll.InsertOne(in, doc("_id", 10, "a", 7, "tags", bson.A{5, 6, 7}))
			return err
		},
		func() error { _, err := coll.UpdateByID(in, 9, doc("$set", doc("a", -1, "tags", 20))); return err },
		func() error { _, err := coll.DeleteOne(in, doc("_id", 5)); return err },
		func() error { _, err := coll.InsertOne(t.Context(), doc("_id", 11, "a", 8)); return err },
	} {
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	for what, c := range map[string]struct {
		filter  bson.D
		in, out int64
	}{
		"all":             {bson.D{}, 10, 11},
		"a range":         {doc("a", doc("$gte", 5)), 4, 6},
		"a value":         {doc("a", 7), 2, 1},
		"elements":        {doc("tags", doc("$in", bson.A{5, 6})), 3, 3},
		"an _id":          {doc("_id", 5), 0, 1},
		"several ids":     {doc("_id", doc("$in", bson.A{5, 10, 11})), 1, 2},
		"a range of ids":  {doc("_id", doc("$gt", 3)), 6, 7},
		"either of two":   {doc("$or", bson.A{doc("a", 7), doc("tags", 7)}), 3, 2},
		"nothing of them": {doc("a", doc("$gt", 100)), 0, 0},
	} {
		if n, err := coll.CountDocuments(in, c.filter); err != nil || n != c.in {
			t.Errorf("%s: inside %d (%v), want %d", what, n, err, c.in)
		}
		if n, err := coll.CountDocuments(t.Context(), c.filter); err != nil || n != c.out {
			t.Errorf("%s: outside %d (%v), want %d", what, n, err, c.out)
		}
	}
	if n, err := coll.EstimatedDocumentCount(t.Context()); err != nil || n != 11 {
		t.Errorf("the size is %d (%v) before the commit, want 11", n, err)
	}
	if err := s.CommitTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := coll.EstimatedDocumentCount(t.Context()); err != nil || n != 11 {
		t.Errorf("the size is %d (%v) after a transaction that inserted one and deleted one, want 11", n, err)
	}
}

// TestCountsOfElementsInAPartialIndex: what a partial index holds is known to have an element that meets its filter; another condition on
// the elements may be met by another one, and is not told by the bounds of the first.
func TestCountsOfElementsInAPartialIndex(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := client.Database("db").Collection("c")
	if _, err := coll.InsertMany(t.Context(), []any{doc("tags", bson.A{1, 20}), doc("tags", bson.A{1, 2}), doc("tags", 7), doc("tags", 30)}); err != nil {
		t.Fatal(err)
	}
	few := options.Index().SetPartialFilterExpression(doc("tags", doc("$lt", 10))).SetName("few")
	if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: doc("tags", 1), Options: few}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		filter bson.D
		n      int64
	}{
		{doc("tags", doc("$lt", 10, "$gt", 5)), 2}, {doc("tags", doc("$gt", 5, "$lt", 10)), 2}, {doc("tags", doc("$lt", 10)), 3},
		{doc("$and", bson.A{doc("tags", doc("$lt", 10)), doc("tags", 20)}), 1}, {doc("tags", doc("$lt", 3)), 2},
	} {
		got, err := client.Database("db").RunCommand(t.Context(), doc("count", "c", "query", c.filter, "hint", "few")).Raw()
		if err != nil || got.Lookup("n").AsInt64() != c.n {
			t.Errorf("%v: %s (%v), want %d", c.filter, got, err, c.n)
		}
		if n, err := coll.CountDocuments(t.Context(), c.filter, options.Count().SetHint("few")); err != nil || n != c.n {
			t.Errorf("%v: the pipeline counts %d (%v), want %d", c.filter, n, err, c.n)
		}
	}
}
