package conformance

import (
	"context"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
)

func command(ctx context.Context, db *mongo.Database, cmd ...bson.E) error {
	return db.RunCommand(ctx, bson.D(cmd)).Err()
}

// local are the guarantees without which a transaction may not define anything.
func local() *options.TransactionOptionsBuilder {
	return options.Transaction().SetReadConcern(readconcern.Local())
}

func create(name string) bson.E { return bson.E{Key: "create", Value: name} }

// createIndex names the command that makes an index on a, of that direction.
func createIndex(collection string, direction int, unique bool) []bson.E {
	spec := bson.D{{Key: "key", Value: bson.D{{Key: "a", Value: direction}}}, {Key: "name", Value: "a"}, {Key: "unique", Value: unique}}
	return []bson.E{{Key: "createIndexes", Value: collection}, {Key: "indexes", Value: bson.A{spec}}}
}

func insertOne(ctx context.Context, c *mongo.Collection, id, a int) error {
	_, err := c.InsertOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "a", Value: a}})
	return err
}

func countOf(t *testing.T, ctx context.Context, c *mongo.Collection, filter bson.D) int {
	t.Helper()
	cur, err := c.Find(ctx, filter)
	if err != nil {
		t.Fatal(err)
	}
	var all []bson.Raw
	if err := cur.All(ctx, &all); err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func commit(ctx context.Context) error { return mongo.SessionFromContext(ctx).CommitTransaction(ctx) }

func TestACollectionMadeInATransaction(t *testing.T) {
	t.Parallel()
	for what, end := range map[string]func(s *mongo.Session, ctx context.Context) error{
		"commit": (*mongo.Session).CommitTransaction, "abort": (*mongo.Session).AbortTransaction,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			db, _ := seeded(t)
			made, implicit := db.Collection("made"), db.Collection("implicit")
			a := begin(t, db, local())
			must(t, command(a, db, create("made")), command(a, db, createIndex("made", 1, true)...), insertOne(a, made, 1, 7), insertOne(a, made, 2, 8), insertOne(a, implicit, 1, 1))
			if in, out := countOf(t, a, made, bson.D{{Key: "a", Value: 8}}), countOf(t, t.Context(), made, bson.D{}); in != 1 || out != 0 {
				t.Errorf("inside %d documents match, outside %d are there; want 1 and 0", in, out)
			}
			names, err := db.ListCollectionNames(t.Context(), bson.D{})
			if err != nil || slices.Contains(names, "made") || slices.Contains(names, "implicit") {
				t.Errorf("outside there are %v (%v) before the end", names, err)
			}
			must(t, end(mongo.SessionFromContext(a), a))
			want := map[string]int{"commit": 1, "abort": 0}[what]
			if n, m := countOf(t, t.Context(), made, bson.D{{Key: "a", Value: 8}}), countOf(t, t.Context(), implicit, bson.D{}); n != want || m != want {
				t.Errorf("afterwards %d and %d documents are there, want %d each", n, m, want)
			}
			if err := insertOne(t.Context(), made, 3, 7); mongo.IsDuplicateKeyError(err) != (what == "commit") {
				t.Errorf("a second document with the same key: %v", err)
			}
		})
	}
}

func TestTheUniqueIndexOfATransactionsOwnCollection(t *testing.T) {
	t.Parallel()
	db, _ := seeded(t)
	a := begin(t, db, local())
	must(t, command(a, db, createIndex("made", 1, true)...), insertOne(a, db.Collection("made"), 1, 7))
	if err := insertOne(a, db.Collection("made"), 2, 7); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("a second document with the same key: %v", err)
	}
	fails(t, "commit after that", commit(a), 251, "")
}

func TestTheSecondToMakeACollectionConflictsAtItsCommit(t *testing.T) {
	t.Parallel()
	db, _ := seeded(t)
	a, b := begin(t, db, local()), begin(t, db, local())
	must(t, insertOne(a, db.Collection("made"), 1, 1), insertOne(b, db.Collection("other"), 1, 1), insertOne(b, db.Collection("made"), 2, 2))
	must(t, commit(a))
	fails(t, "the second commit", commit(b), 112, "TransientTransactionError")
	if n := countOf(t, t.Context(), db.Collection("other"), bson.D{}); n != 0 {
		t.Errorf("%d documents of the transaction that failed are there", n)
	}
	if n := countOf(t, t.Context(), db.Collection("made"), bson.D{}); n != 1 {
		t.Errorf("%d documents are there, want the first transaction's", n)
	}
}

func TestACollectionMadeOutsideMeanwhile(t *testing.T) {
	t.Parallel()
	db, c := seeded(t)
	a := begin(t, db, local())
	must(t, c.FindOne(a, first).Err(), insertOne(t.Context(), db.Collection("made"), 9, 9))
	if n := countOf(t, a, db.Collection("made"), bson.D{}); n != 0 {
		t.Errorf("a transaction sees %d documents of a collection that is younger than its snapshot", n)
	}
	must(t, command(a, db, create("made")), insertOne(a, db.Collection("made"), 1, 1))
	fails(t, "the commit", commit(a), 112, "TransientTransactionError")
}

func TestACollectionDroppedMeanwhile(t *testing.T) {
	t.Parallel()
	db, c := seeded(t)
	other := db.Collection("other")
	must(t, insertOne(t.Context(), other, 1, 1))
	a := begin(t, db, local())
	must(t, c.FindOne(a, first).Err(), other.Drop(t.Context()))
	if n := countOf(t, a, other, bson.D{}); n != 1 {
		t.Errorf("a transaction sees %d documents of a collection dropped after its snapshot, want 1", n)
	}
	fails(t, "writing to it", insertOne(a, other, 2, 2), 112, "TransientTransactionError")
}

func TestWhatATransactionMayNotDefine(t *testing.T) {
	t.Parallel()
	db, _ := seeded(t)
	must(t, command(t.Context(), db, createIndex("c", 1, false)...))
	inside := func(what string, code int, cmds ...[]bson.E) {
		t.Helper()
		a := begin(t, db, local())
		for _, cmd := range cmds[:len(cmds)-1] {
			must(t, command(a, db, cmd...))
		}
		err := command(a, db, cmds[len(cmds)-1]...)
		if code == 0 {
			must(t, err, commit(a))
			return
		}
		fails(t, what, err, code, "")
		fails(t, "commit after that", commit(a), 251, "")
	}
	insert := func(name string) []bson.E {
		return []bson.E{{Key: "insert", Value: name}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 1}}}}}
	}
	inside("a collection that exists", 48, []bson.E{create("c")})
	inside("a collection of its own once more", 48, []bson.E{create("made")}, []bson.E{create("made")})
	inside("an index that exists", 0, createIndex("c", 1, false))
	inside("an index of the same name", 86, createIndex("c", -1, false))
	inside("a new index on a collection that exists", 263, []bson.E{{Key: "createIndexes", Value: "c"},
		{Key: "indexes", Value: bson.A{bson.D{{Key: "key", Value: bson.D{{Key: "b", Value: 1}}}, {Key: "name", Value: "b"}}}}})
	inside("an index on its own collection with documents", 263, insert("made"), createIndex("made", 1, false))
	for _, cmd := range [][]bson.E{{create("made")}, createIndex("made", 1, false)} {
		a := begin(t, db, options.Transaction().SetReadConcern(readconcern.Snapshot()))
		fails(t, "a definition under snapshot guarantees", command(a, db, cmd...), 72, "")
	}
}
