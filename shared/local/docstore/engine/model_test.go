package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/seedtest"
)

// model is what a snapshot plus a transaction's own writes should hold.
type model map[int32]int32

// modelTx is an engine transaction beside its model.
type modelTx struct {
	tx      *Tx
	seen    model
	written map[int32]bool
	touched map[int32]uint64 // commit numbers of documents when the transaction began
}

// TestTransactionsAgainstAModel runs random interleavings of transactions and compares every scan, in both directions
// and by index, with a model; conflicts must come exactly when the first committer rule says so.
func TestTransactionsAgainstAModel(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 3))
	e := testEngine(t, "")
	ns := Namespace{"db", "c"}
	key := bsonx.NewDoc(16).Append("v", bsonx.Int32(-1)).Value()
	spec := bsonx.NewDoc(64).Append("v", bsonx.Int32(2)).Append("key", key).Append("name", bsonx.String("v_-1")).Raw()
	if _, err := e.Create(ns, nil, []bson.Raw{spec}); err != nil {
		t.Fatal(err)
	}
	committed, last := model{}, map[int32]uint64{}
	commits, conflicts := uint64(0), 0
	var open []*modelTx
	for range 4000 {
		switch n := rng.IntN(20); {
		case n == 0 && len(open) < 4:
			m := &modelTx{tx: e.Begin(), seen: model{}, written: map[int32]bool{}, touched: map[int32]uint64{}}
			for id, v := range committed {
				m.seen[id] = v
			}
			for id, at := range last {
				m.touched[id] = at
			}
			open = append(open, m)
		case len(open) == 0:
		case n == 1:
			i := rng.IntN(len(open))
			m := open[i]
			open = slices.Delete(open, i, i+1)
			if rng.IntN(4) == 0 {
				m.tx.Abort()
				continue
			}
			if err := m.tx.Commit(); err != nil {
				t.Fatal(err)
			}
			commits++
			for id := range m.written {
				last[id] = commits
				if v, ok := m.seen[id]; ok {
					committed[id] = v
				} else {
					delete(committed, id)
				}
			}
		case n < 6:
			open[rng.IntN(len(open))].compare(t, e.Collection(ns))
			if n, _, err := e.Count(e.Collection(ns)); err != nil || n != int64(len(committed)) {
				t.Fatalf("%d documents are counted (%v), %d are committed", n, err, len(committed))
			}
		default:
			i := rng.IntN(len(open))
			id := rng.Int32N(40)
			want := open[i].touched[id] != last[id] && !open[i].written[id]
			for j, other := range open {
				want = want || j != i && other.written[id]
			}
			if open[i].write(t, ns, id, rng) != want {
				t.Fatalf("write of %d: conflict %v, want %v", id, !want, want)
			}
			if want {
				conflicts++
				open[i].tx.Abort()
				open = slices.Delete(open, i, i+1)
			}
		}
	}
	for _, m := range open {
		m.tx.Abort()
	}
	if conflicts == 0 || commits < 20 {
		t.Errorf("%d conflicts and %d commits: the test shows nothing", conflicts, commits)
	}
	check, err := e.Validate(ns)
	if err != nil || len(check.Problems) > 0 || check.Documents != len(committed) {
		t.Errorf("validate: %+v, %v; want %d documents", check, err, len(committed))
	}
	if n := e.locks.size(); n != 0 {
		t.Errorf("%d locks are left with no transaction open", n)
	}
}

func testEngine(t *testing.T, dir string) *Engine {
	t.Helper()
	e, err := Open(Options{Dir: dir, InMemory: dir == "", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func small(id, v int32) bson.Raw {
	return bsonx.NewDoc(32).Append("_id", bsonx.Int32(id)).Append("v", bsonx.Int32(v)).Raw()
}

// write inserts, replaces or deletes one document and reports whether it met a conflict.
func (m *modelTx) write(t *testing.T, ns Namespace, id int32, rng *rand.Rand) (conflict bool) {
	t.Helper()
	c, err := m.tx.Writable(ns)
	if err != nil {
		t.Fatal(err)
	}
	old, exists := m.seen[id]
	idKey, v := IDKey(bsonx.Int32(id)), rng.Int32N(10)
	remove := exists && rng.IntN(3) == 0
	switch {
	case remove:
		err = m.tx.Delete(c, idKey, small(id, old))
	case exists:
		err = m.tx.Update(c, idKey, small(id, old), small(id, v))
	default:
		err = m.tx.Insert(c, small(id, v))
	}
	var met *Conflict
	if errors.As(err, &met) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	if m.written[id] = true; remove {
		delete(m.seen, id)
	} else {
		m.seen[id] = v
	}
	return false
}

// compare scans documents and index both ways.
func (m *modelTx) compare(t *testing.T, c *Collection) {
	t.Helper()
	var byID, byValue []string
	for id, v := range m.seen {
		byID = append(byID, fmt.Sprintf("%02d %d", id, v))
		byValue = append(byValue, fmt.Sprintf("%d %02d", 9-v, id))
	}
	slices.Sort(byID)
	slices.Sort(byValue)
	for _, reverse := range []bool{false, true} {
		docs, err := m.tx.ScanDocs(c, nil, nil, reverse)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for {
			_, d, ok, err := docs.Next()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			got = append(got, fmt.Sprintf("%02d %d", d.Lookup("_id").Int32(), d.Lookup("v").Int32()))
		}
		if err := docs.Close(); err != nil {
			t.Fatal(err)
		}
		requireOrder(t, byID, got, reverse)
		requireOrder(t, byValue, m.index(t, c, reverse), reverse)
	}
}

func (m *modelTx) index(t *testing.T, c *Collection, reverse bool) (got []string) {
	t.Helper()
	entries, err := m.tx.ScanIndex(c.Indexes[0], nil, nil, reverse)
	if err != nil {
		t.Fatal(err)
	}
	for {
		_, id, ok, err := entries.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		d, err := m.tx.Get(c, id)
		if err != nil || d == nil {
			t.Fatalf("an entry leads to %v, %v", d, err)
		}
		got = append(got, fmt.Sprintf("%d %02d", 9-d.Lookup("v").Int32(), d.Lookup("_id").Int32()))
	}
	if err := entries.Close(); err != nil {
		t.Fatal(err)
	}
	return got
}

func requireOrder(t *testing.T, want, got []string, reverse bool) {
	t.Helper()
	want = slices.Clone(want)
	if reverse {
		slices.Reverse(want)
	}
	if !slices.Equal(want, got) {
		t.Fatalf("reverse %v:\nwant %v\ngot  %v", reverse, want, got)
	}
}

func TestHalfBuiltIndexIsForgottenAtTheNextStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ns := Namespace{"db", "c"}
	key := bsonx.NewDoc(16).Append("v", bsonx.Int32(1)).Value()
	spec := bsonx.NewDoc(64).Append("key", key).Append("name", bsonx.String("v_1")).Raw()
	e, err := Open(Options{Dir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.Create(ns, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	tx := e.Begin()
	for i := range int32(10) {
		if err := tx.Insert(c, small(i, i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	x, err := e.announce(c, spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.build(c, x); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil { // the build was never published, as after a crash
		t.Fatal(err)
	}
	e = testEngine(t, dir)
	read := e.Read()
	defer read.Abort()
	if n, err := read.countEntries(x); err != nil || n != 0 {
		t.Errorf("%d entries of the unfinished index are left, %v", n, err)
	}
	if err := e.CreateIndexes(ns, []bson.Raw{spec}); err != nil {
		t.Fatal(err)
	}
	check, err := e.Validate(ns)
	if err != nil || len(check.Problems) > 0 || check.Keys["v_1"] != 10 {
		t.Errorf("validate: %+v, %v", check, err)
	}
	if got := e.Collection(ns).Indexes[0].ID; got == x.ID {
		t.Errorf("index id %d was used twice", got)
	}
}
