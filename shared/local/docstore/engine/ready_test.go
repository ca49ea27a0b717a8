package engine

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/seedtest"
)

// TestReadyDocumentsAreInsertedAsBareOnes inserts the same random documents one by one and made ready, over indexes of
// every kind, and compares what each insert answers and what is stored in the end.
func TestReadyDocumentsAreInsertedAsBareOnes(t *testing.T) {
	t.Parallel()
	t.Run("without a partial index", func(t *testing.T) { compareReady(t, everyIndex(t)[:3]) })
	t.Run("with one", func(t *testing.T) { compareReady(t, everyIndex(t)) })
}

func compareReady(t *testing.T, indexes []bson.Raw) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 5))
	ns := Namespace{"db", "c"}
	bare, ready := testEngine(t, ""), testEngine(t, "")
	for _, e := range []*Engine{bare, ready} {
		if _, err := e.Create(ns, nil, indexes); err != nil {
			t.Fatal(err)
		}
	}
	taken, stored := 0, 0
	for round := range 15 {
		docs := make([]bson.Raw, 1+rng.IntN(300))
		for i := range docs {
			if rng.IntN(9) > 0 {
				docs[i] = randomDocument(t, rng, round)
			}
		}
		a, b := bare.Begin(), ready.Begin()
		ca, cb := writable(t, a, ns), writable(t, b, ns)
		if rng.IntN(2) == 0 { // an own write before
			first := randomDocument(t, rng, round)
			if x, y := a.Insert(ca, first), b.Insert(cb, first); fmt.Sprint(x) != fmt.Sprint(y) {
				t.Fatalf("%s: %v and %v", first, x, y)
			}
		}
		made := b.MakeReady(cb, docs)
		for i, d := range docs {
			if d == nil {
				continue
			}
			x, y := a.Insert(ca, d), b.InsertReady(cb, &made[i])
			if fmt.Sprint(x) != fmt.Sprint(y) {
				t.Fatalf("%s: bare %v, ready %v", d, x, y)
			}
			if stored++; x != nil {
				taken++
			}
		}
		requireSameView(t, ns, a, b)
		if rng.IntN(4) == 0 {
			a.Abort()
			b.Abort()
			continue
		}
		if err := a.Commit(); err != nil {
			t.Fatal(err)
		}
		if err := b.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if taken == 0 || taken == stored {
		t.Errorf("%d of %d inserts failed: the test shows nothing", taken, stored)
	}
	for _, e := range []*Engine{bare, ready} {
		if check, err := e.Validate(ns); err != nil || len(check.Problems) > 0 {
			t.Errorf("validate: %+v, %v", check, err)
		}
		if n := e.locks.size(); n != 0 {
			t.Errorf("%d locks are left", n)
		}
	}
	a, b := bare.Read(), ready.Read()
	defer a.Abort()
	defer b.Abort()
	requireSameView(t, ns, a, b)
}

// TestReadyServesItsOwnTransactionOnly inserts what another transaction, with an older snapshot, made ready.
func TestReadyServesItsOwnTransactionOnly(t *testing.T) {
	t.Parallel()
	e, ns := testEngine(t, ""), Namespace{"db", "c"}
	if _, err := e.Create(ns, nil, nil); err != nil {
		t.Fatal(err)
	}
	docs := []bson.Raw{small(1, 1), small(2, 2)}
	old := e.Begin()
	made := old.MakeReady(writable(t, old, ns), docs)
	old.Abort()
	first := e.Begin()
	if err := first.Insert(writable(t, first, ns), docs[0]); err != nil {
		t.Fatal(err)
	}
	if err := first.Commit(); err != nil {
		t.Fatal(err)
	}
	second := e.Begin()
	defer second.Abort()
	c := writable(t, second, ns)
	if err := second.InsertReady(c, &made[0]); err == nil {
		t.Error("an _id that was taken meanwhile is taken twice")
	}
	if err := second.InsertReady(c, &made[1]); err != nil {
		t.Error(err)
	}
}

func writable(t *testing.T, tx *Tx, ns Namespace) *Collection {
	t.Helper()
	c, err := tx.Writable(ns)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func everyIndex(t *testing.T) (specs []bson.Raw) {
	t.Helper()
	for i, extra := range []bson.D{
		{{Key: "key", Value: bson.D{{Key: "a", Value: 1}, {Key: "b.c", Value: -1}}}},
		{{Key: "key", Value: bson.D{{Key: "u", Value: 1}}}, {Key: "unique", Value: true}, {Key: "sparse", Value: true}},
		{{Key: "key", Value: bson.D{{Key: "s", Value: -1}}}, {Key: "sparse", Value: true}},
		{{Key: "key", Value: bson.D{{Key: "p", Value: 1}}}, {Key: "partialFilterExpression", Value: bson.D{{Key: "p", Value: bson.D{{Key: "$gt", Value: 2}}}}}},
	} {
		specs = append(specs, mustRaw(t, append(extra, bson.E{Key: "name", Value: fmt.Sprint("x", i)})))
	}
	return specs
}

// requireSameView compares documents and index entries as two transactions see them.
func requireSameView(t *testing.T, ns Namespace, a, b *Tx) {
	t.Helper()
	if x, y := everything(t, ns, a), everything(t, ns, b); x != y {
		t.Fatalf("bare:\n%s\nready:\n%s", x, y)
	}
}

func everything(t *testing.T, ns Namespace, tx *Tx) string {
	t.Helper()
	var out strings.Builder
	c := tx.e.Collection(ns)
	docs, err := tx.ScanDocs(c, nil, nil, false)
	for err == nil {
		var d bson.Raw
		var ok bool
		if _, d, ok, err = docs.Next(); !ok {
			break
		}
		fmt.Fprintf(&out, "%x\n", []byte(d))
	}
	if err != nil || docs.Close() != nil {
		t.Fatal(err)
	}
	for _, x := range c.Indexes {
		entries, err := tx.ScanIndex(x, nil, nil, false)
		for err == nil {
			var key, id []byte
			var ok bool
			if key, id, ok, err = entries.Next(); !ok {
				break
			}
			fmt.Fprintf(&out, "%s %x %x\n", x.Name, key, id)
		}
		if err != nil || entries.Close() != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// randomDocument has fields that are missing, arrays or taken by others now and then.
func randomDocument(t *testing.T, rng *rand.Rand, round int) bson.Raw {
	t.Helper()
	id := any(int32(round*200 + rng.IntN(400)))
	if rng.IntN(3) == 0 {
		id = fmt.Sprint("id-", rng.IntN(2000))
	}
	d := bson.D{{Key: "_id", Value: id}}
	maybe := func(key string, v any) {
		if rng.IntN(3) > 0 {
			d = append(d, bson.E{Key: key, Value: v})
		}
	}
	maybe("a", rng.IntN(5))
	maybe("b", bson.D{{Key: "c", Value: fmt.Sprint(rng.IntN(5))}})
	maybe("u", rng.IntN(5000))
	maybe("s", rng.Float64())
	maybe("p", rng.IntN(5))
	if rng.IntN(20) == 0 {
		d = append(d, bson.E{Key: "a", Value: bson.A{1, 2, 2, "x"}})
	}
	return mustRaw(t, d)
}

func mustRaw(t *testing.T, v any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
