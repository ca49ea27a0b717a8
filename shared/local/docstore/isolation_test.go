package docstore_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// transaction starts one and returns its context; the session ends with the test.
func transaction(t *testing.T, c *mongo.Client) (context.Context, *mongo.Session) {
	t.Helper()
	s, err := c.StartSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.EndSession(context.Background()) })
	if err := s.StartTransaction(options.Transaction().SetReadConcern(readconcern.Snapshot())); err != nil {
		t.Fatal(err)
	}
	return mongo.NewSessionContext(t.Context(), s), s
}

func seed(t *testing.T, c *mongo.Client, docs ...any) *mongo.Collection {
	t.Helper()
	coll := c.Database("db").Collection(t.Name())
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	return coll
}

func doc(pairs ...any) bson.D {
	var d bson.D
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return d
}

func field(t *testing.T, ctx context.Context, coll *mongo.Collection, id any, name string) int {
	t.Helper()
	raw, err := coll.FindOne(ctx, doc("_id", id)).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return int(raw.Lookup(name).AsInt64())
}

// requireCode fails the test unless err is a server error with that code and label.
func requireCode(t *testing.T, err error, code int, label string) {
	t.Helper()
	var se mongo.ServerError
	if !errors.As(err, &se) || !se.HasErrorCode(code) || label != "" && !se.HasErrorLabel(label) {
		t.Fatalf("got %v, want code %d with label %q", err, code, label)
	}
}

func TestTransactionSeesItsOwnWritesAndNobodyElseDoes(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := seed(t, client, doc("_id", 1, "v", 1))
	in, s := transaction(t, client)
	if _, err := coll.UpdateByID(in, 1, doc("$set", doc("v", 2))); err != nil {
		t.Fatal(err)
	}
	if _, err := coll.InsertOne(in, doc("_id", 2, "v", 2)); err != nil {
		t.Fatal(err)
	}
	if got := field(t, in, coll, 1, "v"); got != 2 {
		t.Errorf("inside, v is %d, want 2", got)
	}
	if got := field(t, t.Context(), coll, 1, "v"); got != 1 {
		t.Errorf("outside, v is %d before the commit: a dirty read", got)
	}
	if n, err := coll.CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
		t.Errorf("outside there are %d documents, %v, before the commit", n, err)
	}
	if err := s.CommitTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := field(t, t.Context(), coll, 1, "v"); got != 2 {
		t.Errorf("after the commit, v is %d, want 2", got)
	}
}

func TestSnapshotReadsDoNotChange(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := seed(t, client, doc("_id", 1, "v", 1), doc("_id", 2, "v", 5))
	if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: doc("v", 1)}); err != nil {
		t.Fatal(err)
	}
	in, _ := transaction(t, client)
	if got := field(t, in, coll, 1, "v"); got != 1 {
		t.Fatalf("v is %d, want 1", got)
	}
	if _, err := coll.UpdateByID(t.Context(), 1, doc("$set", doc("v", 9))); err != nil {
		t.Fatal(err)
	}
	if _, err := coll.InsertOne(t.Context(), doc("_id", 3, "v", 7)); err != nil {
		t.Fatal(err)
	}
	if got := field(t, in, coll, 1, "v"); got != 1 {
		t.Errorf("v is %d on the second read: not repeatable", got)
	}
	cur, err := coll.Find(in, doc("v", doc("$gte", 5)))
	if err != nil {
		t.Fatal(err)
	}
	var found []bson.Raw
	if err := cur.All(in, &found); err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 {
		t.Errorf("the range holds %d documents, want 1: phantoms by index", len(found))
	}
}

func TestFirstCommitterWins(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := seed(t, client, doc("_id", 1, "v", 0), doc("_id", 2, "v", 0))
	a, sa := transaction(t, client)
	b, sb := transaction(t, client)
	c, _ := transaction(t, client)
	for _, ctx := range []context.Context{a, b, c} {
		if got := field(t, ctx, coll, 2, "v"); got != 0 {
			t.Fatalf("v is %d", got)
		}
	}
	inc := doc("$inc", doc("v", 1))
	if _, err := coll.UpdateByID(a, 1, inc); err != nil {
		t.Fatal(err)
	}
	_, err := coll.UpdateByID(b, 1, inc)
	requireCode(t, err, 112, "TransientTransactionError")
	requireCode(t, sb.CommitTransaction(t.Context()), 251, "")
	if err := sa.CommitTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = coll.UpdateByID(c, 1, inc)
	requireCode(t, err, 112, "TransientTransactionError")
	if got := field(t, t.Context(), coll, 1, "v"); got != 1 {
		t.Errorf("v is %d, want 1: an update was lost or repeated", got)
	}
}

func TestPlainWriteWaitsForAnOpenTransaction(t *testing.T) {
	t.Parallel()
	store, client := open(t, docstore.Options{InMemory: true})
	coll := seed(t, client, doc("_id", 1, "v", 0))
	in, s := transaction(t, client)
	inc := doc("$inc", doc("v", 1))
	if _, err := coll.UpdateByID(in, 1, inc); err != nil {
		t.Fatal(err)
	}
	limited := doc("update", coll.Name(), "updates", bson.A{doc("q", doc("_id", 1), "u", inc)}, "maxTimeMS", 50)
	if code := dialRaw(t, store).code("db", limited); code != 50 {
		t.Errorf("the write with a time limit answered code %d, want 50", code)
	}
	done := make(chan error, 1)
	go func() {
		_, err := coll.UpdateByID(context.Background(), 1, inc)
		done <- err
	}()
	if err := s.CommitTransaction(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := field(t, t.Context(), coll, 1, "v"); got != 2 {
		t.Errorf("v is %d, want 2", got)
	}
}

func TestConcurrentIncrementsAreNeverLost(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := seed(t, client, doc("_id", 1, "plain", 0, "txn", 0))
	const workers, rounds = 8, 25
	var wg sync.WaitGroup
	for range workers {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for range rounds {
				if _, err := coll.UpdateByID(t.Context(), 1, doc("$inc", doc("plain", 1))); err != nil {
					t.Error(err)
				}
			}
		}()
		go func() {
			defer wg.Done()
			s, err := client.StartSession()
			if err != nil {
				t.Error(err)
				return
			}
			defer s.EndSession(context.Background())
			for range rounds {
				if _, err := s.WithTransaction(t.Context(), func(ctx context.Context) (any, error) {
					raw, err := coll.FindOne(ctx, doc("_id", 1)).Raw()
					if err != nil {
						return nil, err
					}
					return coll.UpdateByID(ctx, 1, doc("$set", doc("txn", raw.Lookup("txn").AsInt64()+1)))
				}); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	for _, name := range []string{"plain", "txn"} {
		if got := field(t, t.Context(), coll, 1, name); got != workers*rounds {
			t.Errorf("%s is %d, want %d: updates were lost", name, got, workers*rounds)
		}
	}
}

func TestUniqueIndexHoldsAgainstConcurrentWriters(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := seed(t, client, doc("_id", 0, "k", -1))
	if _, err := coll.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: doc("k", 1), Options: options.Index().SetUnique(true)}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	won := make(chan int, 64)
	for w := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := range 8 {
				_, err := coll.InsertOne(t.Context(), doc("_id", w*100+k+1, "k", k))
				if err == nil {
					won <- k
				} else if !mongo.IsDuplicateKeyError(err) {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	if len(won) != 8 {
		t.Errorf("%d inserts succeeded, want one for each of 8 keys", len(won))
	}
	requireValid(t, client, "db", coll.Name())
	_, err := coll.InsertOne(t.Context(), doc("_id", "x", "k", 3))
	want := `E11000 duplicate key error collection: db.` + coll.Name() + ` index: k_1 dup key: { k: 3 }`
	var we mongo.WriteException
	if !errors.As(err, &we) || we.WriteErrors[0].Message != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestOldTransactionIsRolledBack(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, client := open(t, docstore.Options{InMemory: true, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	coll := seed(t, client, doc("_id", 1, "v", 0))
	in, s := transaction(t, client)
	if _, err := coll.UpdateByID(in, 1, doc("$inc", doc("v", 1))); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(61 * time.Second)
	mu.Unlock()
	// The plain write goes on as soon as the housekeeper has seen the time.
	if _, err := coll.UpdateByID(t.Context(), 1, doc("$inc", doc("v", 10))); err != nil {
		t.Fatal(err)
	}
	requireCode(t, s.CommitTransaction(t.Context()), 251, "")
	if got := field(t, t.Context(), coll, 1, "v"); got != 10 {
		t.Errorf("v is %d, want 10", got)
	}
}

func TestCommandsForbiddenInTransactions(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := seed(t, client, doc("_id", 1))
	for _, cmd := range []bson.D{doc("count", coll.Name()), doc("listCollections", 1), doc("listIndexes", coll.Name()), doc("explain", doc("find", coll.Name())), doc("drop", coll.Name()),
		doc("aggregate", coll.Name(), "pipeline", bson.A{doc("$out", "elsewhere")}, "cursor", bson.D{})} {
		in, _ := transaction(t, client)
		requireCode(t, client.Database("db").RunCommand(in, cmd).Err(), 263, "")
	}
	err := client.Database("db").RunCommand(t.Context(), doc("noSuchThing", 1)).Err()
	requireCode(t, err, 59, "")
	err = client.Database("db").RunCommand(t.Context(), doc("find", coll.Name(), "nosuchfield", 1)).Err()
	requireCode(t, err, 40415, "")
}
