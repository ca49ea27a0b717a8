package docstore_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// fault is what a file system does instead of its work.
type fault struct {
	err  error
	hits func(op errorfs.Op) bool
}

// faulty is a file system that fails as it is told.
type faulty struct {
	vfs.FS
	now  atomic.Pointer[fault]
	hits atomic.Int64
}

func newFaulty(on vfs.FS) *faulty {
	f := &faulty{}
	f.FS = errorfs.Wrap(on, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if now := f.now.Load(); now != nil && now.hits(op) {
			f.hits.Add(1)
			return &os.PathError{Op: "write", Path: op.Path, Err: now.err}
		}
		return nil
	}))
	return f
}

func writes(op errorfs.Op) bool {
	switch op.Kind {
	case errorfs.OpCreate, errorfs.OpReuseForWrite, errorfs.OpFileWrite, errorfs.OpFileWriteAt, errorfs.OpFilePreallocate, errorfs.OpRename, errorfs.OpLink:
		return true
	}
	return false
}

func syncs(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

// trouble loads a store, breaks its disk amid the load, and returns the error that a client got.
func trouble(t *testing.T, f *faulty, c *mongo.Client, l *ledger, what *fault) error {
	t.Helper()
	ctx, over := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() { l.work(ctx, c, w, int(f.hits.Load())) })
	}
	for range 50 {
		<-l.acks
	}
	f.now.Store(what)
	var err error
	var answer mongo.ServerError
	for !errors.As(err, &answer) && t.Context().Err() == nil { // other errors are the driver's, after such an answer
		err = writeOne(c, l, time.Now().Format(time.RFC3339Nano))
	}
	over()
	wg.Wait()
	if f.hits.Load() == 0 {
		t.Error("the fault never fired")
	}
	return err
}

func writeOne(c *mongo.Client, l *ledger, id string) error {
	_, err := c.Database("crash").Collection("plain").InsertOne(context.Background(), doc("_id", id, "pad", strings.Repeat("x", 100)))
	if err == nil {
		l.note(l.plain, id)
	}
	return err
}

func newLedger() *ledger {
	return &ledger{plain: map[string]bool{}, pairs: map[string]bool{}, acks: make(chan struct{}, 1)}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]struct {
		fault  fault
		advice string
	}{
		"full":      {fault{syscall.ENOSPC, writes}, "free some space"},
		"quota":     {fault{syscall.EDQUOT, writes}, "free some space"},
		"read-only": {fault{syscall.EROFS, writes}, "make it writable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := newFaulty(vfs.NewMem())
			s, client := openApart(t, docstore.Options{Dir: "/data", FS: disk})
			l := newLedger()
			makeIndexes(t, client)
			err := trouble(t, disk, client, l, &f.fault)
			requireCode(t, err, 14031, "")
			if !strings.Contains(err.Error(), f.advice) || !strings.Contains(err.Error(), "/data") {
				t.Errorf("the error does not say what to do: %v", err)
			}
			if s.Err() != nil {
				t.Errorf("the store has stopped: %v", s.Err())
			}
			if got := ids(t, client, "plain"); len(got) < len(l.plain) {
				t.Errorf("reading finds %d of %d documents", len(got), len(l.plain))
			}
			increment := retried(t, s)
			if code := increment(); code != 14031 {
				t.Errorf("a numbered write was answered with code %d", code)
			}
			disk.now.Store(nil)
			for writeOne(client, l, "after") != nil { // until the store has noticed
				if t.Context().Err() != nil {
					t.Fatal("the store does not recover")
				}
			}
			for range 2 {
				if code := increment(); code != 0 {
					t.Errorf("repeated when there is space, the numbered write was answered with code %d", code)
				}
			}
			if got := field(t, t.Context(), client.Database("crash").Collection("counts"), 1, "n"); got != 1 {
				t.Errorf("a write repeated under its number was carried out %d times", got)
			}
			l.check(t, client)
			end(t, s, client)
			s, client = openApart(t, docstore.Options{Dir: "/data", FS: disk})
			l.check(t, client)
			end(t, s, client)
		})
	}
}

// retried returns a function that sends one and the same numbered update and returns the code of its answer.
func retried(t *testing.T, s *docstore.Store) func() int {
	raw := dialRaw(t, s)
	lsid := doc("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")})
	cmd := doc("update", "counts", "updates", bson.A{doc("q", doc("_id", 1), "u", doc("$inc", doc("n", 1)), "upsert", true)}, "lsid", lsid, "txnNumber", int64(1))
	return func() int { return raw.code("crash", cmd) }
}

// TestFullDiskOfTables lets only the background writing of tables fail: commits go on until the store has noticed.
func TestFullDiskOfTables(t *testing.T) {
	t.Parallel()
	disk := newFaulty(vfs.NewMem())
	s, client := openApart(t, docstore.Options{Dir: "/data", FS: disk})
	disk.now.Store(&fault{syscall.ENOSPC, func(op errorfs.Op) bool { return strings.HasSuffix(op.Path, ".sst") && writes(op) }})
	big := client.Database("crash").Collection("big")
	pad, n := strings.Repeat("x", 4<<20), 0
	insert := func() error { _, err := big.InsertOne(t.Context(), doc("_id", n, "pad", pad)); return err }
	var err error
	for ; err == nil && n < 100; n++ {
		err = insert()
	}
	requireCode(t, err, 14031, "")
	n--
	disk.now.Store(nil)
	for n++; insert() != nil && t.Context().Err() == nil; {
	}
	requireValid(t, client, "crash", "big")
	if got, err := big.CountDocuments(t.Context(), bson.D{}); err != nil || got < int64(n) {
		t.Errorf("%d of %d documents are there, %v", got, n, err)
	}
	end(t, s, client)
}

// TestFailedSyncStopsTheStore lets a sync of the log fail once: nothing is known of the log then, so the store stops.
func TestFailedSyncStopsTheStore(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]error{"broken": syscall.EIO, "full": syscall.ENOSPC} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			disk := newFaulty(vfs.NewMem())
			s, client := openApart(t, docstore.Options{Dir: "/data", FS: disk})
			l := newLedger()
			makeIndexes(t, client)
			got := trouble(t, disk, client, l, &fault{err, func(op errorfs.Op) bool { return syncs(op) && strings.HasSuffix(op.Path, ".log") }})
			requireCode(t, got, 39, "")
			if !strings.Contains(got.Error(), "start again") || s.Err() == nil {
				t.Errorf("the error does not say what to do: %v (%v)", got, s.Err())
			}
			disk.now.Store(nil) // a sync that succeeds later proves nothing
			requireCode(t, writeOne(client, l, "later"), 39, "")
			_, err := client.Database("crash").Collection("plain").CountDocuments(t.Context(), bson.D{})
			requireCode(t, err, 39, "")
			if err := s.Close(); !errors.Is(err, s.Err()) || err == nil {
				t.Errorf("closing returned %v", err)
			}
			_ = client.Disconnect(context.Background())
			s, client = openApart(t, docstore.Options{Dir: "/data", FS: disk})
			l.check(t, client)
			if err := writeOne(client, l, "again"); err != nil {
				t.Error(err)
			}
			end(t, s, client)
		})
	}
}

func TestOpeningOnABadDisk(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]*fault{
		"full":      {syscall.ENOSPC, writes},
		"read-only": {syscall.EROFS, writes},
		"broken":    {syscall.EIO, syncs},
	} {
		disk := newFaulty(vfs.NewMem())
		s, client := openApart(t, docstore.Options{Dir: "/data", FS: disk})
		l := newLedger()
		if err := writeOne(client, l, "one"); err != nil {
			t.Fatal(err)
		}
		end(t, s, client)
		disk.now.Store(f)
		if s, err := docstore.Open(docstore.Options{Dir: "/data", FS: disk, Now: time.Now}); !errors.Is(err, f.err) {
			t.Errorf("%s: opening returned %v, %v", name, s, err)
		}
		disk.now.Store(nil)
		s, client = openApart(t, docstore.Options{Dir: "/data", FS: disk})
		if got := ids(t, client, "plain"); len(got) != 1 {
			t.Errorf("%s: %d documents are there, want 1", name, len(got))
		}
		end(t, s, client)
	}
}
