package docstore

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/strata-crm/strata/shared/local/docstore/command"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/wire"
)

// memoryAddress is what the in-memory listener calls itself; it is never resolved.
const memoryAddress = "docstore.local:27017"

// Intervals of housekeeping.
const (
	reapInterval   = time.Second
	expireInterval = 60 * time.Second
	sweepInterval  = 10 * time.Minute
	keepSessions   = 30 * time.Minute
)

// Credential is the one user that may log in over TCP.
type Credential struct{ Username, Password string }

// Options configures a Store. Now is required; Dir is required unless InMemory is set.
type Options struct {
	Dir        string           // where the data lives; created where missing
	InMemory   bool             // nothing survives Close, and nothing waits for a disk
	Now        func() time.Time // the clock
	Logger     *slog.Logger     // nil discards
	CacheBytes int64            // block cache outside the Go heap; 0 means 128 MiB, or 16 MiB in memory
	Credential *Credential      // asked of connections made through Serve; nil asks nobody
	FailPoints bool             // offer configureFailPoint, for the drivers' tests
	FS         vfs.FS           // nil = the disk. Tests give one that fails
}

// Store is an open document store. All methods are safe for concurrent use.
type Store struct {
	engine *engine.Engine
	server *command.Server
	memory *wire.Listener
	log    *slog.Logger
	ctx    context.Context // ends with Close; commands run under it
	cancel context.CancelFunc

	mu        sync.Mutex
	closed    bool
	conns     map[net.Conn]struct{}
	listeners map[net.Listener]struct{}
	running   sync.WaitGroup
}

// ErrClosed is returned by Serve after Close.
var ErrClosed = errors.New("docstore: the store is closed")

// Open opens the store, recovers everything that was acknowledged, and begins to accept connections in memory.
func Open(o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e, err := engine.Open(engine.Options{Dir: o.Dir, InMemory: o.InMemory, Now: o.Now, Logger: o.Logger, CacheBytes: o.CacheBytes, FS: o.FS})
	if err != nil {
		return nil, err
	}
	server, err := newServer(o, e)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	s := &Store{engine: e, server: server, memory: wire.NewListener(memoryAddress), log: o.Logger, conns: map[net.Conn]struct{}{}, listeners: map[net.Listener]struct{}{}}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.start(func() { _ = s.serve(s.memory, true) })
	s.start(func() { s.every(reapInterval, s.server.Reap) })
	s.start(func() { s.every(expireInterval, s.expire) })
	s.start(func() { s.every(sweepInterval, s.sweep) })
	return s, nil
}

func newServer(o Options, e *engine.Engine) (*command.Server, error) {
	c := command.Config{Engine: e, Now: o.Now, Logger: o.Logger, FailPoints: o.FailPoints}
	if o.Credential != nil {
		var err error
		if c.Credential, err = command.NewCredential(o.Credential.Username, o.Credential.Password); err != nil {
			return nil, err
		}
	}
	return command.New(c)
}

func (s *Store) start(f func()) {
	s.running.Add(1)
	go func() {
		defer s.running.Done()
		f()
	}()
}

func (s *Store) every(d time.Duration, f func()) {
	t := time.NewTicker(d)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			f()
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) expire() {
	if n, err := s.Expire(s.ctx); err != nil && s.ctx.Err() == nil {
		s.log.Error("docstore: expiring documents", "err", err, "deleted", n)
	}
}

func (s *Store) sweep() {
	if _, err := s.engine.SweepSessions(s.engine.Now().Add(-keepSessions)); err != nil {
		s.log.Error("docstore: sweeping old sessions", "err", err)
	}
}

// Expire deletes the documents whose expiry index says so, at once instead of within a minute, and returns how many.
func (s *Store) Expire(ctx context.Context) (int, error) { return s.engine.Expire(ctx) }

// Err is not nil when a sync has failed and the store has therefore stopped: the process should end and be started again
// once the disk is well. A full disk is no such failure: writes are refused until there is space again.
func (s *Store) Err() error {
	if t := s.engine.Trouble(); t != nil && t.Final {
		return t
	}
	return nil
}

// URI returns a connection string for use with [Store.Dialer]. The address in it means nothing.
func (s *Store) URI() string { return "mongodb://" + memoryAddress + "/?directConnection=true" }

// Dialer returns a dialer into the store for options.Client().SetDialer. Connections through it need no login.
func (s *Store) Dialer() *Dialer { return &Dialer{listener: s.memory} }

// Dialer opens in-memory connections to a store, whatever address it is asked for.
type Dialer struct{ listener *wire.Listener }

// DialContext implements options.ContextDialer.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return d.listener.DialContext(ctx, network, address)
}

// Close ends all connections and transactions and closes the store. What was acknowledged is on disk before it returns.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.cancel()
	err := s.memory.Close()
	for l := range s.listeners {
		err = errors.Join(err, ignoreClosed(l.Close()))
	}
	for c := range s.conns {
		err = errors.Join(err, ignoreClosed(c.Close()))
	}
	s.mu.Unlock()
	s.running.Wait()
	s.server.Close()
	return errors.Join(err, s.engine.Close())
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Backup copies the store as it is now into dir, which must not exist, while it goes on: every write acknowledged before
// the call is in the copy, and no half transaction. The copy is a folder for [Open].
func (s *Store) Backup(ctx context.Context, dir string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.engine.Backup(dir)
}
