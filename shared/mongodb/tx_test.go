package mongodb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func id(v string) bson.D { return bson.D{{Key: "_id", Value: v}} }

func increment(ctx context.Context, db *mongodb.DB, name string) error {
	_, err := db.Collection("counters").UpdateOne(ctx, id(name), bson.D{{Key: "$inc", Value: bson.D{{Key: "n", Value: 1}}}},
		options.UpdateOne().SetUpsert(true))
	return err
}

func counter(t testing.TB, db *mongodb.DB, name string) int {
	t.Helper()
	var d struct {
		N int `bson:"n"`
	}
	err := db.Collection("counters").FindOne(t.Context(), id(name)).Decode(&d)
	if err = mongodb.Fault(err); err != nil && !fault.Is(err, fault.NotFound) {
		t.Fatal(err)
	}
	return d.N
}

func TestTxIsAllOrNothing(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	refused := errors.New("refused")
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		if err := increment(ctx, db, "a"); err != nil {
			return err
		}
		return refused
	})
	if !errors.Is(err, refused) || counter(t, db, "a") != 0 {
		t.Errorf("Tx = %v and counter %d, want the function's error and nothing stored", err, counter(t, db, "a"))
	}
	err = db.Tx(t.Context(), func(ctx context.Context) error {
		return errors.Join(increment(ctx, db, "a"), db.Tx(ctx, func(ctx context.Context) error { return increment(ctx, db, "b") }))
	})
	if err != nil || counter(t, db, "a") != 1 || counter(t, db, "b") != 1 {
		t.Errorf("Tx = %v, counters %d and %d, want both stored", err, counter(t, db, "a"), counter(t, db, "b"))
	}
}

func TestTxRunsConflictsAgain(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	const workers, each = 4, 10
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				err := db.Tx(t.Context(), func(ctx context.Context) error { return increment(ctx, db, "hot") })
				if err != nil {
					t.Errorf("Tx: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if got := counter(t, db, "hot"); got != workers*each {
		t.Errorf("counter %d, want %d", got, workers*each)
	}
}

func TestTxForbidsWriteSkewOnOneRoot(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	if err := increment(t.Context(), db, "root"); err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	both.Add(2)
	approve := func(person string) error {
		attempt := 0
		return db.Tx(t.Context(), func(ctx context.Context) error {
			var d struct{ N int }
			if err := db.Collection("counters").FindOne(ctx, id("root")).Decode(&d); err != nil {
				return err
			}
			if attempt++; attempt == 1 {
				both.Done()
				both.Wait()
			}
			if d.N >= 2 {
				return fault.New(fault.Conflict, "", "%s comes second", person)
			}
			return increment(ctx, db, "root")
		})
	}
	errs := make(chan error, 2)
	for _, person := range []string{"ada", "bob"} {
		go func() { errs <- approve(person) }()
	}
	one, other := <-errs, <-errs
	if (one == nil) == (other == nil) || !fault.Is(errors.Join(one, other), fault.Conflict) || counter(t, db, "root") != 2 {
		t.Errorf("two transactions that read one root: %v and %v, counter %d; want one of them refused", one, other, counter(t, db, "root"))
	}
}

func TestTxMapsErrorsWithoutValues(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t, mongodb.Index{Collection: "people", Keys: bson.D{{Key: "email", Value: 1}}, Unique: true})
	insert := func(ctx context.Context) error {
		_, err := db.Collection("people").InsertOne(ctx, bson.D{{Key: "email", Value: "ada@example.com"}})
		return err
	}
	if err := db.Tx(t.Context(), insert); err != nil {
		t.Fatal(err)
	}
	err := db.Tx(t.Context(), insert)
	if !fault.Is(err, fault.Conflict) || strings.Contains(err.Error(), "ada@") {
		t.Errorf("duplicate: %v, want a conflict that names no value", err)
	}
	err = db.Tx(t.Context(), func(ctx context.Context) error { return db.Collection("people").FindOne(ctx, id("x")).Err() })
	if !fault.Is(err, fault.NotFound) {
		t.Errorf("missing: %v, want not found", err)
	}
	own := fault.New(fault.Denied, fault.PolicyDenied, "no")
	if err := db.Tx(t.Context(), func(context.Context) error { return own }); !errors.Is(err, own) {
		t.Errorf("the function's own fault came back as %v", err)
	}
}

func TestTxSaysWhenAnErrorWasSwallowed(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t)
	if err := increment(t.Context(), db, "a"); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		runs++
		_, _ = db.Collection("counters").InsertOne(ctx, id("a"))
		return nil
	})
	if !fault.Is(err, fault.Internal) || !strings.Contains(err.Error(), "hid a database error") || runs > 5 {
		t.Errorf("Tx = %v after %d runs, want it to say soon that an error was hidden", err, runs)
	}
}

// The fail points are the server's, not the database's: these tests have a server of their own.

func TestTxSurvivesALostCommit(t *testing.T) {
	t.Parallel()
	db := mongotest.Store(t).Open(t, "lost")
	fail(t, db, 2, bson.D{{Key: "failCommands", Value: bson.A{"commitTransaction"}}, {Key: "closeConnection", Value: true}})
	if err := db.Tx(t.Context(), func(ctx context.Context) error { return increment(ctx, db, "a") }); err != nil {
		t.Fatalf("Tx: %v", err)
	}
	if got := counter(t, db, "a"); got != 1 {
		t.Errorf("counter %d after a commit whose answer was lost twice, want 1", got)
	}
}

func TestTxRunsAgainWhenTheServerSaysSo(t *testing.T) {
	t.Parallel()
	db := mongotest.Store(t).Open(t, "again")
	fail(t, db, 2, bson.D{{Key: "failCommands", Value: bson.A{"commitTransaction"}}, {Key: "errorCode", Value: 112},
		{Key: "errorLabels", Value: bson.A{"TransientTransactionError"}}})
	runs := 0
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		runs++
		return increment(ctx, db, "a")
	})
	if err != nil || runs != 3 || counter(t, db, "a") != 1 {
		t.Errorf("Tx = %v, %d runs, counter %d; want 3 runs and 1", err, runs, counter(t, db, "a"))
	}
}

func TestTxReportsAnUnknownCommit(t *testing.T) {
	t.Parallel()
	server := mongotest.Store(t)
	c, d := server.Settings("unknown")
	c.Timeout = 1e9
	db, err := mongodb.Connect(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	fail(t, db, 1000, bson.D{{Key: "failCommands", Value: bson.A{"commitTransaction"}}, {Key: "closeConnection", Value: true}})
	err = db.Tx(t.Context(), func(ctx context.Context) error { return increment(ctx, db, "a") })
	if !errors.Is(err, mongodb.ErrUnknownCommit) || !fault.Is(err, fault.Transient) {
		t.Errorf("Tx = %v, want a transient error that says the outcome is unknown", err)
	}
}

// Whoever stops waits 10 s for a component: a commit that gets no answer is given up well within, however long the limit of
// one operation is, and says that its outcome is unknown.
func TestTxEndsSoonAfterItsContext(t *testing.T) {
	t.Parallel()
	server := mongotest.Store(t)
	c, d := server.Settings("stop")
	c.Timeout = 20e9
	db, err := mongodb.Connect(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	fail(t, db, 1, bson.D{{Key: "failCommands", Value: bson.A{"commitTransaction"}}, {Key: "blockConnection", Value: true}, {Key: "blockTimeMS", Value: 15000}})
	ctx, stop := context.WithCancel(t.Context())
	begun := make(chan time.Time, 1)
	err = db.Tx(ctx, func(ctx context.Context) error {
		if err := increment(ctx, db, "a"); err != nil {
			return err
		}
		time.AfterFunc(100*time.Millisecond, func() { begun <- time.Now(); stop() })
		return nil
	})
	if took := time.Since(<-begun); took > 7*time.Second {
		t.Errorf("Tx ended %s after its context", took)
	}
	if !errors.Is(err, mongodb.ErrUnknownCommit) || !fault.Is(err, fault.Transient) {
		t.Errorf("Tx = %v, want a transient error that says the outcome is unknown", err)
	}
}

func TestTxOutlivesARestart(t *testing.T) {
	t.Parallel()
	server := mongotest.Store(t)
	db := server.Open(t, "restart")
	if err := increment(t.Context(), db, "a"); err != nil {
		t.Fatal(err)
	}
	runs := 0
	err := db.Tx(t.Context(), func(ctx context.Context) error {
		if runs++; runs == 1 {
			if err := increment(ctx, db, "a"); err != nil {
				return err
			}
			server.Restart(t)
		}
		return increment(ctx, db, "a")
	})
	if err != nil || runs < 2 || counter(t, db, "a") != 2 {
		t.Errorf("Tx = %v, %d runs, counter %d; want it run again, and 2", err, runs, counter(t, db, "a"))
	}
}
