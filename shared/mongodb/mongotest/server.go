package mongotest

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Server is a document store on disk that a test stops and starts again. It is always the in-process one.
type Server struct {
	dir string

	mu    sync.Mutex
	store *docstore.Store // nil while stopped
}

// Store starts a server with an empty folder; it stops when the test ends.
func Store(t testing.TB) *Server {
	t.Helper()
	s := &Server{dir: t.TempDir()}
	s.Start(t)
	t.Cleanup(func() { s.Stop(t) })
	return s
}

// Start opens the store again with what it had stored. It does nothing while the store runs.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.store != nil {
		return
	}
	store, err := docstore.Open(docstore.Options{Dir: s.dir, Now: time.Now, FailPoints: true})
	if err != nil {
		t.Fatalf("mongotest: open the document store: %v", err)
	}
	s.store = store
}

// Stop ends all connections and transactions and closes the store. Whoever dials meanwhile is refused.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.mu.Lock()
	store := s.store
	s.store = nil
	s.mu.Unlock()
	if store == nil {
		return
	}
	if err := store.Close(); err != nil {
		t.Errorf("mongotest: close the document store: %v", err)
	}
}

// Restart is Stop and Start: transactions in progress are lost, what was acknowledged is there.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	s.Start(t)
}

// DialContext connects to the store as it runs now; it is the options.ContextDialer of clients that outlive restarts.
func (s *Server) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	s.mu.Lock()
	store := s.store
	s.mu.Unlock()
	if store == nil {
		return nil, errors.New("mongotest: the document store is stopped")
	}
	return store.Dialer().DialContext(ctx, network, address)
}

// Settings returns what to connect with to the named database of the server.
func (s *Server) Settings(database string) (mongodb.Config, mongodb.Deps) {
	return mongodb.Config{URI: "mongodb://docstore.local:27017/?directConnection=true", Database: database, Timeout: timeout},
		mongodb.Deps{Dialer: s, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
}

// Open connects to the named database of the server, creating the given indexes and those of package mongodb. The
// connection outlives restarts and is closed when the test ends.
func (s *Server) Open(t testing.TB, database string, ix ...mongodb.Index) *mongodb.DB {
	t.Helper()
	c, d := s.Settings(database)
	db := connect(t, c, d)
	if err := mongodb.EnsureIndexes(t.Context(), db, append(mongodb.OwnIndexes(), ix...)); err != nil {
		t.Fatalf("mongotest: create the indexes: %v", err)
	}
	return db
}
