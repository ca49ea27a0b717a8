package mongodb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

type thing struct {
	Name string         `json:"name"`
	At   time.Time      `json:"at"`
	Tags map[string]int `json:"tags"`
}

func putNewer(ctx context.Context, db *mongodb.DB, id string, revision int64, doc any) (mongodb.Put, error) {
	var result mongodb.Put
	err := db.Tx(ctx, func(ctx context.Context) error {
		var err error
		result, err = mongodb.PutNewer(ctx, db.Collection("things"), id, revision, doc)
		return err
	})
	return result, err
}

func TestPutNewer(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 123456789, time.UTC)
	doc := func(name string) thing {
		return thing{Name: name, At: at, Tags: map[string]int{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5}}
	}
	for _, c := range []struct {
		revision int64
		name     string
		want     mongodb.Put
	}{
		{5, "a", mongodb.Applied}, {5, "a", mongodb.Same}, {5, "b", mongodb.Clash}, {4, "a", mongodb.Stale},
		{0, "z", mongodb.Stale}, {6, "b", mongodb.Applied}, {6, "b", mongodb.Same}, {5, "a", mongodb.Stale},
	} {
		got, err := putNewer(t.Context(), db, "main|x", c.revision, doc(c.name))
		if err != nil || got != c.want {
			t.Errorf("revision %d %s: %v, %v; want %v", c.revision, c.name, got, err, c.want)
		}
	}
	var have struct {
		ID       string `bson:"_id"`
		Revision int64  `bson:"revision"`
		Content  []byte `bson:"content"`
		thing    `bson:",inline"`
	}
	var stored thing
	if err := db.Collection("things").FindOne(t.Context(), id("main|x")).Decode(&stored); err != nil {
		t.Fatal(err)
	}
	want := doc("b")
	want.At = at.Truncate(time.Millisecond)
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if err := db.Collection("things").FindOne(t.Context(), id("main|x")).Decode(&have); err != nil || have.Revision != 6 || len(have.Content) != 32 {
		t.Errorf("stamp %+v, %v; want revision 6 and a hash", have, err)
	}
}

func TestPutNewerSeesThroughTheOrderOfFields(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	one := bson.D{{Key: "a", Value: 1}, {Key: "b", Value: bson.A{bson.D{{Key: "c", Value: 1}, {Key: "d", Value: 2}}}}, {Key: "revision", Value: "own"}}
	other := bson.D{{Key: "b", Value: bson.A{bson.D{{Key: "d", Value: 2}, {Key: "c", Value: 1}}}}, {Key: "a", Value: 1}}
	for i, want := range []mongodb.Put{mongodb.Applied, mongodb.Same} {
		if got, err := putNewer(t.Context(), db, "x", 1, []any{one, other}[i]); err != nil || got != want {
			t.Errorf("%d: %v, %v; want %v", i, got, err, want)
		}
	}
}

func TestPutNewerRefuses(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	if _, err := mongodb.PutNewer(t.Context(), db.Collection("things"), "x", 1, thing{}); err == nil {
		t.Error("outside a transaction: accepted")
	}
	for name, c := range map[string]struct {
		id       string
		revision int64
		doc      any
	}{"negative": {"x", -1, thing{}}, "no id": {"", 1, thing{}}, "no document": {"x", 1, 7}} {
		if _, err := putNewer(t.Context(), db, c.id, c.revision, c.doc); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
}

func TestPutNewerConcurrently(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	const revisions = 12
	var wg sync.WaitGroup
	for r := range revisions {
		for range 2 {
			wg.Go(func() {
				got, err := putNewer(t.Context(), db, "main|x", int64(r), thing{Name: fmt.Sprint(r)})
				if err != nil || got == mongodb.Clash {
					t.Errorf("revision %d: %v, %v", r, got, err)
				}
			})
		}
	}
	wg.Wait()
	var d struct{ Revision int64 }
	if err := db.Collection("things").FindOne(t.Context(), id("main|x")).Decode(&d); err != nil || d.Revision != revisions-1 {
		t.Errorf("revision %d, %v; want the highest, %d", d.Revision, err, revisions-1)
	}
}

// Lost, doubled and reordered messages heal: whatever arrives in whatever order, the highest revision that arrived is the
// state, it is applied once, and nothing lower is applied after it.
func TestPutNewerHeals(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	trial := 0
	rapid.Check(t, func(rt *rapid.T) {
		trial++
		arrivals := rapid.SliceOfN(rapid.Int64Range(0, 9), 1, 15).Draw(rt, "arrivals")
		key, high := fmt.Sprintf("main|%d", trial), int64(-1)
		for i, r := range arrivals {
			got, err := putNewer(t.Context(), db, key, r, thing{Name: fmt.Sprint(r)})
			want := mongodb.Stale
			if r > high {
				want = mongodb.Applied
			} else if r == high {
				want = mongodb.Same
			}
			if err != nil || got != want {
				rt.Fatalf("arrival %d, revision %d after %d: %v, %v; want %v", i, r, high, got, err, want)
			}
			high = max(high, r)
		}
		var d struct {
			Revision int64
			Name     string
		}
		if err := db.Collection("things").FindOne(t.Context(), id(key)).Decode(&d); err != nil || d.Revision != high || d.Name != fmt.Sprint(high) {
			rt.Fatalf("state %+v, %v; want revision %d", d, err, high)
		}
	})
}

func BenchmarkPutNewer(b *testing.B) {
	db := mongotest.Open(b)
	r := int64(0)
	for b.Loop() {
		r++
		if _, err := putNewer(b.Context(), db, fmt.Sprint("main|", rand.IntN(100)), r, thing{Name: "x"}); err != nil {
			b.Fatal(err)
		}
	}
}
