package conformance

import (
	"context"
	"errors"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// begin opens a session with a transaction that ends with the test.
func begin(t *testing.T, db *mongo.Database, opts ...options.Lister[options.TransactionOptions]) context.Context {
	t.Helper()
	s, err := db.Client().StartSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.EndSession(context.Background()) })
	if err := s.StartTransaction(opts...); err != nil {
		t.Fatal(err)
	}
	return mongo.NewSessionContext(t.Context(), s)
}

func fails(t *testing.T, what string, err error, code int, label string) {
	t.Helper()
	var e mongo.ServerError
	if !errors.As(err, &e) || !e.HasErrorCode(code) {
		t.Errorf("%s: %v, want code %d", what, err, code)
		return
	}
	if label != "" && !e.HasErrorLabel(label) {
		t.Errorf("%s: %v lacks the label %s", what, err, label)
	}
}

func seeded(t *testing.T) (*mongo.Database, *mongo.Collection) {
	t.Helper()
	db := mongotest.Open(t).Database()
	c := db.Collection("c")
	if _, err := c.InsertMany(t.Context(), []any{bson.D{{Key: "_id", Value: 1}, {Key: "a", Value: 1}}, bson.D{{Key: "_id", Value: 2}, {Key: "a", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	return db, c
}

var (
	first = bson.D{{Key: "_id", Value: 1}}
	plus  = bson.D{{Key: "$inc", Value: bson.D{{Key: "a", Value: 1}}}}
)

func value(t *testing.T, ctx context.Context, c *mongo.Collection) int64 {
	t.Helper()
	d, err := c.FindOne(ctx, first).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return d.Lookup("a").AsInt64()
}

// Traps 131, 133 and 134.
func TestTheSecondWriterConflictsAtOnce(t *testing.T) {
	t.Parallel()
	db, c := seeded(t)
	a, b := begin(t, db), begin(t, db)
	if _, err := c.UpdateOne(a, first, plus); err != nil {
		t.Fatal(err)
	}
	_, err := c.UpdateOne(b, first, plus)
	fails(t, "the second writer", err, 112, "TransientTransactionError")
	err = c.FindOne(b, bson.D{{Key: "_id", Value: 2}}).Err()
	fails(t, "the next operation of a transaction that failed", err, 251, "TransientTransactionError")
	if err := mongo.SessionFromContext(a).CommitTransaction(a); err != nil {
		t.Fatal(err)
	}
	if err := mongo.SessionFromContext(a).CommitTransaction(a); err != nil {
		t.Errorf("committing again: %v", err)
	}
	if v := value(t, t.Context(), c); v != 2 {
		t.Errorf("the value is %d, want 2", v)
	}
}

// Trap 132: a plain write waits for the transaction, readers do not.
func TestAPlainWriteWaitsAndReadersDoNot(t *testing.T) {
	t.Parallel()
	db, c := seeded(t)
	a := begin(t, db)
	if _, err := c.UpdateOne(a, first, plus); err != nil {
		t.Fatal(err)
	}
	written := make(chan error, 1)
	go func() {
		_, err := c.UpdateOne(t.Context(), first, plus)
		written <- err
	}()
	if v := value(t, t.Context(), c); v != 1 {
		t.Errorf("a reader sees %d before the commit, want 1", v)
	}
	if v := value(t, a, c); v != 2 {
		t.Errorf("the transaction sees %d of its own, want 2", v) // trap 137
	}
	select {
	case err := <-written:
		t.Errorf("the plain write did not wait: %v", err)
	default:
	}
	if err := mongo.SessionFromContext(a).CommitTransaction(a); err != nil {
		t.Fatal(err)
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if v := value(t, t.Context(), c); v != 3 {
		t.Errorf("the value is %d, want 3", v)
	}
}

// Trap 136.
func TestWhatATransactionMayNotDo(t *testing.T) {
	t.Parallel()
	db, _ := seeded(t)
	cursor := bson.E{Key: "cursor", Value: bson.D{}}
	stages := func(s ...bson.D) bson.E { return bson.E{Key: "pipeline", Value: s} }
	for _, cmd := range []bson.D{
		{{Key: "count", Value: "c"}}, {{Key: "listCollections", Value: 1}}, {{Key: "listIndexes", Value: "c"}},
		{{Key: "explain", Value: bson.D{{Key: "find", Value: "c"}}}},
		{{Key: "aggregate", Value: "c"}, stages(bson.D{{Key: "$out", Value: "x"}}), cursor},
		{{Key: "aggregate", Value: "c"}, stages(bson.D{{Key: "$merge", Value: "x"}}), cursor},
		{{Key: "aggregate", Value: "c"}, stages(bson.D{{Key: "$unionWith", Value: "x"}}), cursor},
		{{Key: "aggregate", Value: "c"}, stages(bson.D{{Key: "$facet", Value: bson.D{{Key: "x", Value: bson.A{bson.D{{Key: "$unionWith", Value: "x"}}}}}}}), cursor},
	} {
		a := begin(t, db)
		fails(t, cmd[0].Key, db.RunCommand(a, cmd).Err(), 263, "")
	}
	a := begin(t, db)
	fails(t, "getParameter", db.Client().Database("admin").RunCommand(a, bson.D{{Key: "getParameter", Value: "*"}}).Err(), 263, "")
}

// Reads of a causally consistent session see its own writes, at every read concern that promises it.
func TestCausalReadsSeeTheSessionsWrites(t *testing.T) {
	t.Parallel()
	_, c := seeded(t)
	s, err := c.Database().Client().StartSession(options.Session().SetCausalConsistency(true))
	if err != nil {
		t.Fatal(err)
	}
	defer s.EndSession(context.Background())
	ctx := mongo.NewSessionContext(t.Context(), s)
	for want := int64(2); want < 20; want++ {
		if _, err := c.UpdateOne(ctx, first, plus); err != nil {
			t.Fatal(err)
		}
		if s.OperationTime() == nil {
			t.Fatal("the server told no operationTime")
		}
		if v := value(t, ctx, c); v != want {
			t.Fatalf("the session reads %d after its write of %d", v, want)
		}
	}
}

// Reads of a snapshot session agree, whatever is written between them.
func TestASnapshotSessionReadsOneMoment(t *testing.T) {
	t.Parallel()
	_, c := seeded(t)
	s, err := c.Database().Client().StartSession(options.Session().SetSnapshot(true))
	if err != nil {
		t.Fatal(err)
	}
	defer s.EndSession(context.Background())
	ctx := mongo.NewSessionContext(t.Context(), s)
	for range 3 {
		if v := value(t, ctx, c); v != 1 {
			t.Fatalf("the snapshot shows %d, want 1", v)
		}
		if _, err := c.UpdateOne(t.Context(), first, plus); err != nil {
			t.Fatal(err)
		}
	}
	var values []any
	if err := c.Distinct(ctx, "a", bson.D{}).Decode(&values); err != nil || len(values) != 1 {
		t.Errorf("distinct in the snapshot: %v %v", values, err)
	}
	if v := value(t, t.Context(), c); v != 4 {
		t.Errorf("outside of the snapshot the value is %d, want 4", v)
	}
}

// A cursor goes on over what is deleted and inserted meanwhile, and tells no document twice.
func TestACursorUnderChange(t *testing.T) {
	t.Parallel()
	c := mongotest.Open(t).Database().Collection("c")
	docs := make([]any, 500)
	for i := range docs {
		docs[i] = bson.D{{Key: "_id", Value: i}}
	}
	if _, err := c.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	cur, err := c.Find(t.Context(), bson.D{}, options.Find().SetBatchSize(10).SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	defer cur.Close(context.Background())
	seen := map[int64]bool{}
	for n := 0; cur.Next(t.Context()); n++ {
		id := cur.Current.Lookup("_id").AsInt64()
		if seen[id] {
			t.Fatalf("document %d came twice", id)
		}
		seen[id] = true
		if n == 20 {
			if _, err := c.DeleteMany(t.Context(), bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: 400}}}}); err != nil {
				t.Fatal(err)
			}
			if _, err := c.InsertOne(t.Context(), bson.D{{Key: "_id", Value: -1}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cur.Err(); err != nil {
		t.Fatal(err)
	}
	for id := range int64(400) {
		if !seen[id] {
			t.Fatalf("document %d was there all the time and did not come", id)
		}
	}
}

// Concurrent increments of one document lose nothing.
func TestConcurrentIncrementsAddUp(t *testing.T) {
	t.Parallel()
	_, c := seeded(t)
	const writers, each = 8, 25
	done := make(chan error, writers)
	for range writers {
		go func() {
			for range each {
				if _, err := c.UpdateOne(t.Context(), first, plus); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
	if v := value(t, t.Context(), c); v != 1+writers*each {
		t.Errorf("the value is %d, want %d", v, 1+writers*each)
	}
}
