package mongodb_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// bare returns a database in which nothing was set up.
func bare(t *testing.T) *mongodb.DB {
	t.Helper()
	c, d := mongotest.Settings(t)
	db, err := mongodb.Connect(t.Context(), c, d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = db.Database().Drop(context.Background())
		_ = db.Close(context.Background())
	})
	return db
}

func indexes() []mongodb.Index {
	day := 24 * time.Hour
	return []mongodb.Index{
		{Collection: "goals", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "name", Value: -1}}, Unique: true},
		{Collection: "goals", Keys: bson.D{{Key: "owner", Value: 1}}, Partial: bson.D{{Key: "state", Value: "active"}}},
		{Collection: "codes", Keys: bson.D{{Key: "at", Value: 1}}, TTL: &day, Name: "expiry"},
	}
}

func TestSetupThenVerify(t *testing.T) {
	t.Parallel()
	db, ran := bare(t), []int(nil)
	step := func(n int) func(context.Context, *mongodb.DB) error {
		return func(context.Context, *mongodb.DB) error { ran = append(ran, n); return nil }
	}
	ms := []mongodb.Migration{{Number: 2, Name: "second", Run: step(2)}, {Number: 1, Name: "first", Run: step(1)}}
	if err := mongodb.Verify(t.Context(), db, indexes(), ms); err == nil || fault.CodeOf(err) != fault.SetupRequired ||
		!strings.Contains(err.Error(), "strata setup") || !strings.Contains(err.Error(), "goals.tenant_1_name_-1") {
		t.Errorf("Verify of an empty database = %v, want it to name the indexes and the command", err)
	}
	for range 2 {
		if err := mongodb.Setup(t.Context(), db, indexes(), ms); err != nil {
			t.Fatalf("Setup: %v", err)
		}
	}
	if diff := cmp.Diff([]int{1, 2}, ran); diff != "" {
		t.Errorf("migrations that ran (-want +got):\n%s", diff)
	}
	if err := mongodb.Verify(t.Context(), db, indexes(), ms); err != nil {
		t.Errorf("Verify after Setup: %v", err)
	}
	ms = append(ms, mongodb.Migration{Number: 3, Name: "third", Run: step(3)})
	if err := mongodb.Verify(t.Context(), db, indexes(), ms); err == nil || !strings.Contains(err.Error(), "3 third") {
		t.Errorf("Verify with a new migration = %v, want it named", err)
	}
}

func TestVerifyIndexesSeesDifferences(t *testing.T) {
	t.Parallel()
	db := bare(t)
	if err := mongodb.EnsureIndexes(t.Context(), db, indexes()); err != nil {
		t.Fatal(err)
	}
	hour := time.Hour
	for i, change := range []func(ix []mongodb.Index){
		func(ix []mongodb.Index) { ix[0].Unique = false },
		func(ix []mongodb.Index) {
			ix[0].Keys, ix[0].Name = bson.D{{Key: "tenant", Value: 1}}, "tenant_1_name_-1"
		},
		func(ix []mongodb.Index) { ix[1].Partial = nil },
		func(ix []mongodb.Index) { ix[1].Partial = bson.D{{Key: "state", Value: "closed"}} },
		func(ix []mongodb.Index) { ix[2].TTL = &hour },
		func(ix []mongodb.Index) { ix[2].Name = "other" },
	} {
		ix := indexes()
		change(ix)
		if err := mongodb.VerifyIndexes(t.Context(), db, ix); err == nil || !strings.Contains(err.Error(), "strata setup") {
			t.Errorf("change %d: VerifyIndexes = %v, want the difference", i, err)
		}
	}
	ix := indexes()
	ix[0].Unique = false
	if err := mongodb.EnsureIndexes(t.Context(), db, ix); !fault.Is(err, fault.Conflict) {
		t.Errorf("EnsureIndexes with other options = %v, want a conflict", err)
	}
}

func TestSetupRunsOneAtATime(t *testing.T) {
	t.Parallel()
	db := bare(t)
	var mu sync.Mutex
	inside, most, runs := 0, 0, 0
	ms := []mongodb.Migration{{Number: 1, Name: "only", Run: func(ctx context.Context, db *mongodb.DB) error {
		mu.Lock()
		inside++
		runs++
		most = max(most, inside)
		mu.Unlock()
		err := db.Ping(ctx)
		mu.Lock()
		inside--
		mu.Unlock()
		return err
	}}}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := mongodb.Setup(t.Context(), db, nil, ms); err != nil {
				t.Errorf("Setup: %v", err)
			}
		})
	}
	wg.Wait()
	if most != 1 || runs != 1 {
		t.Errorf("the migration ran %d times, %d at once; want once", runs, most)
	}
}

func TestSetupRefusesAndResumes(t *testing.T) {
	t.Parallel()
	db, broken := bare(t), errors.New("broken")
	result := broken
	ms := []mongodb.Migration{{Number: 1, Name: "first", Run: func(context.Context, *mongodb.DB) error { return result }}}
	if err := mongodb.Setup(t.Context(), db, nil, ms); !errors.Is(err, broken) {
		t.Errorf("Setup = %v, want the migration's error", err)
	}
	result = nil
	if err := mongodb.Setup(t.Context(), db, nil, ms); err != nil {
		t.Errorf("Setup again: %v", err)
	}
	ms[0].Name = "renamed"
	if err := mongodb.Setup(t.Context(), db, nil, ms); !fault.Is(err, fault.Conflict) {
		t.Errorf("a renamed migration: %v, want a conflict", err)
	}
	for name, ms := range map[string][]mongodb.Migration{
		"no number": {{Name: "a", Run: ms[0].Run}},
		"twice":     {{Number: 1, Name: "a", Run: ms[0].Run}, {Number: 1, Name: "b", Run: ms[0].Run}},
		"no code":   {{Number: 1, Name: "a"}},
	} {
		if err := mongodb.Setup(t.Context(), db, nil, ms); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
