package engine

import (
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// TestIteratorsAreKeptForTheirViewOnly scans between commits: scans of one view share an iterator, no later view gets it,
// and Rest closes what is kept.
func TestIteratorsAreKeptForTheirViewOnly(t *testing.T) {
	t.Parallel()
	e := testEngine(t, "")
	c, err := e.Create(Namespace{"db", "c"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for round := range int32(5) {
		if got := countDocs(t, e, c); got != int(round) {
			t.Fatalf("%d documents, want %d", got, round)
		}
		v := e.latest
		first := idleOf(v)
		if len(first) != 1 {
			t.Fatalf("%d iterators are kept, want 1", len(first))
		}
		if countDocs(t, e, c); len(idleOf(v)) != 1 || idleOf(v)[0] != first[0] {
			t.Fatal("the second scan did not use the first one's iterator")
		}
		insertOne(t, e, round)
		if n := len(idleOf(v)); n != 0 {
			t.Fatalf("an outdated view keeps %d iterators", n)
		}
	}
	countDocs(t, e, c)
	if e.Rest(); len(idleOf(e.latest)) != 0 {
		t.Fatal("iterators are kept after Rest")
	}
}

// TestIteratorsAreSharedByMany scans, writes and rests at once; every scan sees one state.
func TestIteratorsAreSharedByMany(t *testing.T) {
	t.Parallel()
	e := testEngine(t, "")
	c, err := e.Create(Namespace{"db", "c"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			last := 0
			for range 300 {
				n := countDocs(t, e, c)
				if n < last {
					t.Errorf("%d documents after %d", n, last)
				}
				last = n
			}
		})
	}
	for i := range int32(100) {
		insertOne(t, e, i)
		e.Rest()
	}
	wg.Wait()
	if n := countDocs(t, e, c); n != 100 {
		t.Errorf("%d documents, want 100", n)
	}
}

func idleOf(v *view) []any {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []any
	for _, it := range v.idle {
		out = append(out, it)
	}
	return out
}

// countDocs scans the documents.
func countDocs(t *testing.T, e *Engine, c *Collection) (n int) {
	t.Helper()
	tx := e.Read()
	defer tx.Abort()
	docs, err := tx.ScanDocs(c, nil, nil, false)
	for ok := err == nil; ok; n++ {
		if _, _, ok, err = docs.Next(); !ok {
			break
		}
	}
	if err == nil {
		err = docs.Close()
	}
	if err != nil {
		t.Error(err)
	}
	return n
}

func insertOne(t *testing.T, e *Engine, id int32) {
	t.Helper()
	tx := e.Begin()
	defer tx.Abort()
	var doc bson.Raw = bsonx.NewDoc(16).Append("_id", bsonx.Int32(id)).Raw()
	if err := tx.Insert(writable(t, tx, Namespace{"db", "c"}), doc); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
}
