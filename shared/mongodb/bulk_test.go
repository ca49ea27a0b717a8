package mongodb_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

func things(t testing.TB, value string, ids ...string) []bson.Raw {
	t.Helper()
	var docs []bson.Raw
	for _, id := range ids {
		raw, err := bson.Marshal(bson.D{{Key: "_id", Value: id}, {Key: "value", Value: value}, {Key: "inner", Value: bson.D{{Key: "list", Value: bson.A{int64(1), nil}}}}})
		if err != nil {
			t.Fatal(err)
		}
		docs = append(docs, raw)
	}
	return docs
}

// held returns the collection's values by id.
func held(t testing.TB, c *mongo.Collection) map[string]string {
	t.Helper()
	cur, err := c.Find(t.Context(), bson.D{}, options.Find().SetProjection(bson.D{{Key: "value", Value: 1}}))
	var docs []struct {
		ID    string `bson:"_id"`
		Value string `bson:"value"`
	}
	if err == nil {
		err = cur.All(t.Context(), &docs)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, d := range docs {
		all[d.ID] = d.Value
	}
	return all
}

func TestBulksOfEncodedDocuments(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	c := db.Collection("things")
	var stored []bool
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		if err := mongodb.InsertAll(ctx, c, things(t, "first", "a", "b")); err != nil {
			return err
		}
		if err := mongodb.ReplaceAll(ctx, c, things(t, "second", "b", "c")); err != nil {
			return err
		}
		var err error
		stored, err = mongodb.KeepAll(ctx, c, append(things(t, "third", "a", "d", "e"), things(t, "fourth", "d", "f")...))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]bool{false, true, true, false, true}, stored); d != "" {
		t.Errorf("what was stored (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]string{"a": "first", "b": "second", "c": "second", "d": "third", "e": "third", "f": "fourth"}, held(t, c)); d != "" {
		t.Errorf("documents (-want +got):\n%s", d)
	}
	var got, want bson.M // an operator sets fields in the order of their names
	if err := errors.Join(c.FindOne(t.Context(), id("e")).Decode(&got), bson.Unmarshal(things(t, "third", "e")[0], &want)); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("a document (-want +got):\n%s", d)
	}
}

func TestBulksThatFail(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	c := db.Collection("things")
	if _, err := mongodb.KeepAll(t.Context(), c, things(t, "x", "a")); err == nil {
		t.Error("a bulk outside a transaction was sent")
	}
	tx := func(do func(ctx context.Context) error) error { return db.Tx(t.Context(), do) }
	err := tx(func(ctx context.Context) error { return mongodb.InsertAll(ctx, c, things(t, "x", "a", "a")) })
	if !fault.Is(err, fault.Conflict) {
		t.Errorf("the same id twice: %v", err)
	}
	nameless, err := bson.Marshal(bson.D{{Key: "value", Value: 1}})
	if err == nil {
		err = tx(func(ctx context.Context) error { return mongodb.ReplaceAll(ctx, c, []bson.Raw{nameless}) })
	}
	if err == nil {
		t.Error("a document without an id was stored")
	}
	err = tx(func(ctx context.Context) error {
		return mongodb.InsertAll(ctx, c, things(t, strings.Repeat("x", 17<<20), "a"))
	})
	if !fault.Is(err, fault.Invalid) || fault.CodeOf(err) != fault.TooLarge {
		t.Errorf("a document of 17 MiB: %v", err)
	}
	if got := held(t, c); len(got) != 0 {
		t.Errorf("%d documents are there", len(got))
	}
}

// More than one command takes.
func TestBulksOfAnySize(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	c := db.Collection("things")
	docs := append(things(t, strings.Repeat("x", 5<<20), "a", "b", "c"), things(t, strings.Repeat("y", 15<<20), "d")...)
	docs = append(docs, things(t, "small", "e", "a")...)
	var stored []bool
	err := db.Tx(t.Context(), func(ctx context.Context) (err error) {
		stored, err = mongodb.KeepAll(ctx, c, docs)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]bool{true, true, true, true, true, false}, stored); d != "" || len(held(t, c)) != 5 {
		t.Errorf("what was stored (-want +got):\n%s", d)
	}
}

// Transactions that meet run again: of each document one of them was first.
func TestBulksThatMeet(t *testing.T) {
	t.Parallel()
	const writers, documents = 4, 20
	db := mongotest.Open(t)
	c := db.Collection("things")
	var ids []string
	for i := range documents {
		ids = append(ids, fmt.Sprint(i))
	}
	stored := make([][]bool, writers)
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			err := db.Tx(t.Context(), func(ctx context.Context) (err error) {
				stored[w], err = mongodb.KeepAll(ctx, c, things(t, fmt.Sprint(w), ids...))
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i, value := range held(t, c) {
		first := 0
		for w := range writers {
			if n := 0; len(stored[w]) == documents {
				if _, err := fmt.Sscan(i, &n); err == nil && stored[w][n] {
					first++
					if value != fmt.Sprint(w) {
						t.Errorf("document %s is of writer %s, not %d", i, value, w)
					}
				}
			}
		}
		if first != 1 {
			t.Errorf("document %s was stored by %d writers", i, first)
		}
	}
}
