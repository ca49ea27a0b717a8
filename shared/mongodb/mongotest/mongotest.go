// Package mongotest gives tests databases of their own: on the document store in the test's process, or on the server
// that the environment variable STRATA_TEST_MONGODB_URI names. It is imported by tests only.
package mongotest

import (
	"context"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/strata-crm/strata/shared/mongodb"
)

const uriVariable = "STRATA_TEST_MONGODB_URI"

// Open returns a fresh, empty database with the given indexes and those of package mongodb. It is closed and dropped
// when the test ends.
func Open(t testing.TB, ix ...mongodb.Index) *mongodb.DB {
	t.Helper()
	uri := os.Getenv(uriVariable)
	if uri == "" {
		t.Skip("no document store: set " + uriVariable)
	}
	return open(t, mongodb.Config{URI: uri, Database: name()}, deps(t), ix)
}

func name() string { return "test_" + uuid.NewString() }

func deps(t testing.TB) mongodb.Deps {
	return mongodb.Deps{Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now}
}

func open(t testing.TB, c mongodb.Config, d mongodb.Deps, ix []mongodb.Index) *mongodb.DB {
	t.Helper()
	ctx := context.Background()
	db, err := mongodb.Connect(ctx, c, d)
	if err != nil {
		t.Fatalf("open a test database: %v", err)
	}
	t.Cleanup(func() {
		if err := db.Database().Drop(ctx); err != nil {
			t.Errorf("drop the test database: %v", err)
		}
		if err := db.Close(ctx); err != nil {
			t.Errorf("close the test database: %v", err)
		}
	})
	if err := mongodb.EnsureIndexes(ctx, db, append(mongodb.OwnIndexes(), ix...)); err != nil {
		t.Fatalf("create the indexes: %v", err)
	}
	return db
}
