package docstore_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/seedtest"
)

// explained is what the tests look at of an explain.
type explained struct {
	stages string // from the outermost to the innermost
	index  string
	keys   int64
	docs   int64
	n      int64
}

func explain(t *testing.T, c *mongo.Client, cmd bson.D) explained {
	t.Helper()
	raw, err := c.Database("db").RunCommand(t.Context(), doc("explain", cmd, "verbosity", "executionStats")).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return readExplain(raw, cmd[0].Key == "count")
}

func readExplain(raw bson.Raw, count bool) (e explained) {
	var names []string
	for at, ok := raw.Lookup("queryPlanner", "winningPlan").DocumentOK(); ok; at, ok = at.Lookup("inputStage").DocumentOK() {
		names = append(names, at.Lookup("stage").StringValue())
		if name, ok := at.Lookup("indexName").StringValueOK(); ok {
			e.index = name
		}
	}
	e.stages = strings.Join(names, " ")
	e.keys, _ = raw.Lookup("executionStats", "totalKeysExamined").AsInt64OK()
	e.docs, _ = raw.Lookup("executionStats", "totalDocsExamined").AsInt64OK()
	if e.n, _ = raw.Lookup("executionStats", "nReturned").AsInt64OK(); count {
		e.n, _ = raw.Lookup("executionStats", "executionStages", "nCounted").AsInt64OK()
	}
	return e
}

func TestPlannerUsesIndexes(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := client.Database("db").Collection("c")
	var docs []any
	for i := range 2000 {
		docs = append(docs, doc("_id", i, "a", i%50, "b", i%7, "name", fmt.Sprintf("n%04d", i), "tags", bson.A{i % 3, i % 5}, "state", []string{"ready", "done", "done", "done"}[i%4], "at", i))
	}
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	if _, err := coll.Indexes().CreateMany(t.Context(), []mongo.IndexModel{
		{Keys: doc("a", 1, "at", -1)}, {Keys: doc("name", 1), Options: options.Index().SetUnique(true)}, {Keys: doc("tags", 1)},
		{Keys: doc("at", 1), Options: options.Index().SetPartialFilterExpression(doc("state", "ready")).SetName("ready")},
	}); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		cmd     bson.D
		stages  string
		index   string
		maxDocs int64
		n       int64
	}{
		"by _id":                 {doc("find", "c", "filter", doc("_id", 5)), "FETCH IXSCAN", "_id_", 1, 1},
		"_id range":              {doc("find", "c", "filter", doc("_id", doc("$gte", 1990))), "FETCH IXSCAN", "_id_", 10, 10},
		"equality and sort":      {doc("find", "c", "filter", doc("a", 3), "sort", doc("at", -1), "limit", 5), "LIMIT FETCH IXSCAN", "a_1_at_-1", 5, 5},
		"reverse sort":           {doc("find", "c", "filter", doc("a", 3), "sort", doc("at", 1), "limit", 5), "LIMIT FETCH IXSCAN", "a_1_at_-1", 5, 5},
		"other sort":             {doc("find", "c", "filter", doc("a", 3), "sort", doc("b", 1)), "SORT FETCH IXSCAN", "a_1_at_-1", 40, 40},
		"equality and range":     {doc("find", "c", "filter", doc("a", 3, "at", doc("$lt", 500))), "FETCH IXSCAN", "a_1_at_-1", 10, 10},
		"in":                     {doc("find", "c", "filter", doc("a", doc("$in", bson.A{1, 2}))), "FETCH IXSCAN", "a_1_at_-1", 80, 80},
		"prefix":                 {doc("find", "c", "filter", doc("name", bson.Regex{Pattern: "^n000"})), "FETCH IXSCAN", "name_1", 10, 10},
		"multikey":               {doc("find", "c", "filter", doc("tags", 4)), "FETCH IXSCAN", "tags_1", 400, 400},
		"partial":                {doc("find", "c", "filter", doc("state", "ready", "at", doc("$lt", 40))), "FETCH IXSCAN", "ready", 10, 10},
		"partial does not serve": {doc("find", "c", "filter", doc("at", doc("$lt", 40))), "COLLSCAN", "", 2000, 40},
		"no index":               {doc("find", "c", "filter", doc("b", 1)), "COLLSCAN", "", 2000, 286},
		"sort alone":             {doc("find", "c", "sort", doc("name", 1), "limit", 3), "LIMIT FETCH IXSCAN", "name_1", 3, 3},
		"or":                     {doc("find", "c", "filter", doc("$or", bson.A{doc("a", 1), doc("name", "n0003")})), "OR", "", 41, 41},
		"count":                  {doc("count", "c", "query", doc("a", 3)), "COUNT COUNT_SCAN", "a_1_at_-1", 0, 40},
		"update":                 {doc("update", "c", "updates", bson.A{doc("q", doc("name", "n0007"), "u", doc("$set", doc("x", 1)))}), "FETCH IXSCAN", "name_1", 1, 1},
		"delete":                 {doc("delete", "c", "deletes", bson.A{doc("q", doc("a", 3), "limit", 0)}), "FETCH IXSCAN", "a_1_at_-1", 40, 40},
		"hint":                   {doc("find", "c", "filter", doc("a", 3), "hint", "name_1"), "FETCH IXSCAN", "name_1", 2000, 40},
	} {
		got := explain(t, client, c.cmd)
		if got.stages != c.stages || got.index != c.index || got.docs > c.maxDocs || got.n != c.n {
			t.Errorf("%s: got %+v, want %s by %q, at most %d documents for %d", name, got, c.stages, c.index, c.maxDocs, c.n)
		}
	}
	raw, err := client.Database("db").RunCommand(t.Context(), doc("explain", doc("aggregate", "c", "pipeline", bson.A{doc("$match", doc("a", 3)), doc("$sort", doc("at", -1)), doc("$group", doc("_id", "$b"))}, "cursor", bson.D{}))).Raw()
	if err != nil {
		t.Fatal(err)
	}
	if text := raw.String(); !strings.Contains(text, "a_1_at_-1") || strings.Contains(text, `"SORT"`) {
		t.Errorf("the pipeline's front does not use the index: %s", text)
	}
}

// TestIndexesDoNotChangeAnswers asks random questions of one collection with indexes and of one without.
func TestIndexesDoNotChangeAnswers(t *testing.T) {
	t.Parallel()
	g := newQuestions(t, 2)
	_, client := open(t, docstore.Options{InMemory: true})
	plain, indexed := twins(t, client, g)
	for range 1500 {
		filter, sort := g.filter(2), g.sort()
		want, got := idSet(t, plain, filter, sort), idSet(t, indexed, filter, sort)
		if sort == nil {
			slices.Sort(want)
			slices.Sort(got)
		}
		if !slices.Equal(want, got) {
			t.Fatalf("filter %v sort %v:\nwithout indexes %v\nwith           %v", filter, sort, want, got)
		}
	}
	requireValid(t, client, "db", "plain", "indexed")
}

// twins fills two collections with the same documents, the second one with indexes.
func twins(t *testing.T, client *mongo.Client, g *questions) (plain, indexed *mongo.Collection) {
	t.Helper()
	plain, indexed = client.Database("db").Collection("plain"), client.Database("db").Collection("indexed")
	for i, keys := range []bson.D{doc("a", 1), doc("a", -1, "b", 1), doc("b", 1, "c.d", -1), doc("c.d", 1), doc("c.d", 1, "c.e", 1), doc("b", -1)} {
		o := options.Index().SetName(fmt.Sprint("i", i))
		if i == 3 {
			o.SetSparse(true)
		}
		if i == 5 {
			o.SetPartialFilterExpression(doc("a", doc("$gt", 2)))
		}
		if _, err := indexed.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: keys, Options: o}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 300 {
		d := g.document(i)
		for _, c := range []*mongo.Collection{plain, indexed} {
			if _, err := c.InsertOne(t.Context(), d); err != nil && !strings.Contains(err.Error(), "parallel arrays") {
				t.Fatal(err)
			}
		}
	}
	// What the indexes refuse must not be in the other collection either.
	if _, err := plain.DeleteMany(t.Context(), doc("_id", doc("$nin", idSet(t, indexed, bson.D{}, nil)))); err != nil {
		t.Fatal(err)
	}
	return plain, indexed
}

func idSet(t *testing.T, c *mongo.Collection, filter, sort bson.D) []int64 {
	t.Helper()
	o := options.Find()
	if sort != nil {
		o.SetSort(sort)
	}
	cur, err := c.Find(context.Background(), filter, o)
	if err != nil {
		t.Fatalf("%v: %v", filter, err)
	}
	ids := []int64{}
	for cur.Next(context.Background()) {
		ids = append(ids, cur.Current.Lookup("_id").AsInt64())
	}
	if err := cur.Err(); err != nil {
		t.Fatalf("%v: %v", filter, err)
	}
	return ids
}

// questions makes documents and filters of a small world, so that they meet often.
type questions struct {
	*rand.Rand
	arrays bool
}

// newQuestions prints its seed.
func newQuestions(t *testing.T, stream uint64) *questions {
	t.Helper()
	seed := seedtest.New(t)
	return &questions{rand.New(rand.NewPCG(seed, stream)), seed%3 != 0}
}

func (g *questions) value() any {
	switch g.IntN(9) {
	case 0:
		return nil
	case 1:
		return []string{"", "a", "ab", "b"}[g.IntN(4)]
	case 2:
		return float64(g.IntN(6)) + 0.5
	case 3:
		return int64(g.IntN(6))
	case 4:
		return doc("d", g.IntN(4))
	case 5:
		return g.IntN(2) == 0
	default:
		return g.IntN(6)
	}
}

func (g *questions) valueOrArray() any {
	if !g.arrays || g.IntN(4) > 0 {
		return g.value()
	}
	a := bson.A{}
	for range g.IntN(4) {
		a = append(a, g.value())
	}
	return a
}

func (g *questions) document(id int) bson.D {
	d := doc("_id", id)
	for _, name := range []string{"a", "b"} {
		if g.IntN(5) > 0 {
			d = append(d, bson.E{Key: name, Value: g.valueOrArray()})
		}
	}
	sub := func() bson.D { return doc("d", g.value(), "e", g.value()) }
	switch kind := g.IntN(4); {
	case kind == 0 && g.arrays:
		d = append(d, bson.E{Key: "c", Value: bson.A{sub(), sub()}})
	case kind == 1:
		d = append(d, bson.E{Key: "c", Value: g.value()})
	case kind == 2:
		d = append(d, bson.E{Key: "c", Value: sub()})
	}
	return d
}

var paths = []string{"a", "b", "c.d", "c.e", "_id"}

func (g *questions) filter(depth int) bson.D {
	if depth > 0 && g.IntN(4) == 0 {
		op := []string{"$and", "$or", "$nor"}[g.IntN(3)]
		return doc(op, bson.A{g.filter(depth - 1), g.filter(depth - 1)})
	}
	f := bson.D{}
	for range 1 + g.IntN(2) {
		path := paths[g.IntN(len(paths))]
		if !slices.ContainsFunc(f, func(e bson.E) bool { return e.Key == path }) {
			f = append(f, bson.E{Key: path, Value: g.condition()})
		}
	}
	return f
}

func (g *questions) condition() any {
	switch g.IntN(9) {
	case 0:
		return g.valueOrArray()
	case 1:
		return doc("$in", bson.A{g.value(), g.value(), g.value()})
	case 2:
		return doc("$gt", g.value(), "$lte", g.value())
	case 3:
		return doc([]string{"$lt", "$lte", "$gt", "$gte"}[g.IntN(4)], g.value())
	case 4:
		return doc("$exists", g.IntN(2) == 0)
	case 5:
		return doc("$ne", g.value())
	case 6:
		return bson.Regex{Pattern: []string{"^a", "b", "^"}[g.IntN(3)]}
	case 7:
		return doc("$elemMatch", doc("$gt", g.IntN(4), "$lt", 5))
	default:
		return g.value()
	}
}

func (g *questions) sort() bson.D {
	if g.IntN(2) == 0 {
		return nil
	}
	dir := func() int { return 1 - 2*g.IntN(2) }
	// _id last makes the order total, so that the answers can be compared as lists.
	return append(doc(paths[g.IntN(3)], dir()), bson.E{Key: "_id", Value: 1})
}
