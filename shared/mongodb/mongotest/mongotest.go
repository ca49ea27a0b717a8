// Package mongotest gives tests databases of their own: on the document store in the test's process, or on the server
// that the environment variable STRATA_TEST_MONGODB_URI names. It is imported by tests only.
package mongotest

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/mongodb"
)

const (
	uriVariable = "STRATA_TEST_MONGODB_URI"
	// timeout is generous: tests share the machine with many others.
	timeout = 20 * time.Second
)

// shared is the process's own store, in memory. It lives until the process ends.
var shared = sync.OnceValues(func() (*docstore.Store, error) {
	return docstore.Open(docstore.Options{InMemory: true, Now: time.Now, FailPoints: true})
})

// Open returns a fresh, empty database with the given indexes and those of package mongodb, on the server that
// STRATA_TEST_MONGODB_URI names, else on a store in the process's memory. It is dropped and closed when the test ends.
func Open(t testing.TB, ix ...mongodb.Index) *mongodb.DB {
	t.Helper()
	c, d := Settings(t)
	db := connect(t, c, d)
	t.Cleanup(func() { drop(t, db) })
	if err := mongodb.EnsureIndexes(t.Context(), db, append(mongodb.OwnIndexes(), ix...)); err != nil {
		t.Fatalf("mongotest: create the indexes: %v", err)
	}
	return db
}

// Settings returns what Open connects with, for tests that let a service connect itself, to a database of its own that
// nobody drops.
func Settings(t testing.TB) (mongodb.Config, mongodb.Deps) {
	t.Helper()
	c := mongodb.Config{URI: os.Getenv(uriVariable), Database: "test_" + strings.ReplaceAll(uuid.NewString(), "-", ""), Timeout: timeout}
	d := mongodb.Deps{Logger: slog.New(strict{slog.DiscardHandler, t}), Now: time.Now}
	if c.URI == "" {
		store, err := shared()
		if err != nil {
			t.Fatalf("mongotest: open the document store: %v", err)
		}
		c.URI, d.Dialer = store.URI(), store.Dialer()
	}
	return c, d
}

// strict fails the test when a database logs a defect of the code that uses it.
type strict struct {
	slog.Handler
	t testing.TB
}

// Enabled implements slog.Handler.
func (strict) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelError }

// Handle implements slog.Handler.
func (s strict) Handle(_ context.Context, r slog.Record) error {
	if r.Message == mongodb.UnnotedWrite {
		r.Attrs(func(a slog.Attr) bool { s.t.Logf("%s", a); return true })
		s.t.Error(r.Message)
	}
	return nil
}

func connect(t testing.TB, c mongodb.Config, d mongodb.Deps) *mongodb.DB {
	t.Helper()
	db, err := mongodb.Connect(t.Context(), c, d)
	if err != nil {
		t.Fatalf("mongotest: connect: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Close(context.Background()); err != nil {
			t.Errorf("mongotest: close: %v", err)
		}
	})
	return db
}

func drop(t testing.TB, db *mongodb.DB) {
	if err := db.Database().Drop(context.Background()); err != nil {
		t.Errorf("mongotest: drop the database: %v", err)
	}
}
