package engine

import (
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// TestLooksAnswerAlike looks for single keys, there and not, in a view that at first opens the tables for each and then
// keeps an iterator: the answers are the same, a value that is empty is not taken for none, what is written later is not
// seen, and an outdated view keeps nothing.
func TestLooksAnswerAlike(t *testing.T) {
	t.Parallel()
	e := testEngine(t, "")
	c, err := e.Create(Namespace{"db", "c"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range int32(9) {
		insertOne(t, e, 2*i)
	}
	empty := []byte{0xEE}
	if err := e.db.Set(empty, nil, pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	tx := e.Read()
	defer tx.Abort()
	check := func(when string) {
		t.Helper()
		for i := range int32(20) {
			doc, err := tx.Get(c, IDKey(bsonx.Int32(i)))
			if err != nil || (doc != nil) != (i < 18 && i%2 == 0) {
				t.Fatalf("%s: document %d is %v, %v", when, i, doc, err)
			}
			if doc != nil && bsonx.Lookup(doc, "_id").Int32() != i {
				t.Fatalf("%s: looking for document %d found %v", when, i, doc)
			}
		}
		if there, err := tx.has(empty); err != nil || !there {
			t.Fatalf("%s: the empty value is there: %v, %v", when, there, err)
		}
	}
	check("at first")
	if n := seekersOf(tx.snap); n != 1 {
		t.Fatalf("%d iterators are kept after many looks, want 1", n)
	}
	check("with an iterator")
	insertOne(t, e, 1)
	if n := seekersOf(tx.snap); n != 0 {
		t.Fatalf("an outdated view keeps %d iterators", n)
	}
	check("after a later write")
}

// TestLooksShareAView looks for documents from many goroutines while others write and rest.
func TestLooksShareAView(t *testing.T) {
	t.Parallel()
	e := testEngine(t, "")
	c, err := e.Create(Namespace{"db", "c"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	insertOne(t, e, 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range int32(2000) {
				if err := lookFor(e, c, i%8); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := range int32(100) {
		insertOne(t, e, 8+i)
		e.Rest()
	}
	wg.Wait()
}

// lookFor fails where document 0 is not there, or another one of the first eight is.
func lookFor(e *Engine, c *Collection, i int32) error {
	tx := e.Read()
	defer tx.Abort()
	var there bool
	err := tx.View(c, IDKey(bsonx.Int32(i)), func(doc bson.Raw) { there = doc != nil && bsonx.Lookup(doc, "_id").Int32() == i })
	if err == nil && there != (i == 0) {
		err = fmt.Errorf("document %d is there: %v", i, there)
	}
	return err
}

func seekersOf(v *view) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.seekers)
}
