package engine

import (
	"sync"
	"testing"
	"time"
)

// TestSizesAreKnownAfterARestart opens a store over documents and counts while others write: every count lies between what was
// there before and what is there after, and in the end it is right.
func TestSizesAreKnownAfterARestart(t *testing.T) {
	t.Parallel()
	dir, ns := t.TempDir(), Namespace{"db", "c"}
	e, err := Open(Options{Dir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Create(ns, nil, nil); err != nil {
		t.Fatal(err)
	}
	for i := range int32(50) {
		insertOne(t, e, i)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = testEngine(t, dir)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			last := int64(50)
			for range 40 {
				n, seq, err := e.Count(e.Collection(ns))
				if err != nil || n < last || n > 90 || seq == 0 && n > 50 {
					t.Errorf("%d documents after %d, at commit %d: %v", n, last, seq, err)
				}
				last = n
			}
		})
	}
	for i := range int32(40) {
		insertOne(t, e, 50+i)
	}
	wg.Wait()
	if n, _, err := e.Count(e.Collection(ns)); err != nil || n != 90 || countDocs(t, e, e.Collection(ns)) != 90 {
		t.Errorf("%d documents are counted (%v), 90 are there", n, err)
	}
}

// TestASizeIsLearntWhileOthersWrite writes before the scan that finds a size out, during it, and after.
func TestASizeIsLearntWhileOthersWrite(t *testing.T) {
	t.Parallel()
	dir, ns := t.TempDir(), Namespace{"db", "c"}
	e, err := Open(Options{Dir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Create(ns, nil, nil); err != nil {
		t.Fatal(err)
	}
	insertOne(t, e, 1)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = testEngine(t, dir)
	c := e.Collection(ns)
	insertOne(t, e, 2)
	n, _, err := e.learn(c, func(v *view) (int64, error) {
		insertOne(t, e, 3)
		if n, _, err := e.Count(c); err != nil || n != 3 { // which learns it first
			t.Errorf("another count answers %d (%v), want 3", n, err)
		}
		insertOne(t, e, 4)
		return v.count(dataPrefix(c.ID, documents, 0))
	})
	if err != nil || n != 4 {
		t.Errorf("%d documents are counted (%v), want 4", n, err)
	}
	c.state.size = size{n: 7} // as if it were not known, and changes counted from elsewhere
	n, _, err = e.learn(c, func(v *view) (int64, error) {
		n, err := v.count(dataPrefix(c.ID, documents, 0))
		insertOne(t, e, 5)
		return n, err
	})
	if err != nil || n != 5 {
		t.Errorf("%d documents are counted (%v), want 5", n, err)
	}
	insertOne(t, e, 6)
	requireSize(t, e, ns, 6)
}

// TestSizesFollowTheirCollection renames a collection, makes one in a transaction, and loses what a transaction rolled back
// had written.
func TestSizesFollowTheirCollection(t *testing.T) {
	t.Parallel()
	e := testEngine(t, "")
	from, to := Namespace{"db", "c"}, Namespace{"db", "d"}
	if _, err := e.Create(from, nil, nil); err != nil {
		t.Fatal(err)
	}
	insertOne(t, e, 1)
	insertOne(t, e, 2)
	if err := e.Rename(from, to, true); err != nil {
		t.Fatal(err)
	}
	write := func() *Tx {
		tx := e.Begin()
		made, err := tx.Create(from, nil)
		if err == nil {
			err = tx.Insert(made, small(1, 1))
		}
		if err == nil {
			id := small(1, 0).Lookup("_id")
			err = tx.Delete(writable(t, tx, to), IDKey(id), small(1, 0))
		}
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	write().Abort()
	requireSize(t, e, to, 2)
	if err := write().Commit(); err != nil {
		t.Fatal(err)
	}
	requireSize(t, e, to, 1)
	requireSize(t, e, from, 1)
}

func requireSize(t *testing.T, e *Engine, ns Namespace, want int64) {
	t.Helper()
	if n, _, err := e.Count(e.Collection(ns)); err != nil || n != want {
		t.Errorf("%s is said to have %d documents (%v), want %d", ns, n, err, want)
	}
}
