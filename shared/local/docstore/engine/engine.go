package engine

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options says where and how to store. Now is required; Dir is required unless InMemory.
type Options struct {
	Dir        string
	InMemory   bool // nothing survives Close
	Now        func() time.Time
	Logger     *slog.Logger // nil discards
	CacheBytes int64        // block cache outside the Go heap; 0 means 128 MiB, or 16 MiB in memory
	FS         vfs.FS       // nil = the disk. Tests give one that fails
}

// Engine is an open store. All methods are safe for concurrent use.
type Engine struct {
	db      *pebble.DB
	cache   *pebble.Cache
	disk    *disk // nil in memory
	now     func() time.Time
	log     *slog.Logger
	sync    bool
	temp    string // where temporary files go
	locks   *lockTable
	catalog *catalog

	commit  sync.Mutex    // orders commits and snapshots; never held across a sync
	seq     uint64        // the last commit's number; guarded by commit
	visible atomic.Uint64 // the same, for those who only want to know it
	latest  *view         // shows the last commit; nil until a transaction asks for it; guarded by commit
	writers txList        // open transactions that may write, oldest snapshot first; guarded by commit
	recent  []written     // commits whose locks are still remembered; guarded by commit

	unsynced chan unsynced // commits in order; nil in memory
	syncer   chan struct{} // closed when nobody waits for syncs any more

	durable struct {
		sync.Mutex
		cond *sync.Cond
		seq  uint64
		err  error // why it makes no sense to wait now
	}
	trouble   atomic.Pointer[DiskError] // nil = the disk is well
	impatient chan struct{}             // gets a value when waiting for the disk makes no sense
}

// unsynced is a commit that is visible and whose sync has not been confirmed.
type unsynced struct {
	batch *pebble.Batch
	seq   uint64
}

// maxUnsynced is how many commits may wait for the disk; Pebble's own queue is as long.
const maxUnsynced = 4096

type written struct {
	seq  uint64
	keys []string
}

// Open opens or creates the store, recovers what was acknowledged before, and removes what half-done index builds left.
func Open(o Options) (*Engine, error) {
	if o.Now == nil {
		return nil, errors.New("docstore engine: Options.Now is required")
	}
	if o.Dir == "" && !o.InMemory {
		return nil, errors.New("docstore engine: give Options.Dir, or set InMemory")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{now: o.Now, log: o.Logger, sync: !o.InMemory, locks: newLockTable(), syncer: make(chan struct{}), impatient: make(chan struct{}, 1)}
	e.durable.cond = sync.NewCond(&e.durable.Mutex)
	if err := e.openPebble(o); err != nil {
		return nil, fmt.Errorf("opening the document store in %q: %w", o.Dir, Explain(err))
	}
	if e.temp = os.TempDir(); e.disk != nil && e.disk.FS == vfs.Default {
		e.temp = filepath.Join(e.disk.dir, "tmp")
	}
	if e.sync {
		e.unsynced = make(chan unsynced, maxUnsynced)
		go e.awaitSyncs()
	}
	var err error
	if e.catalog, err = loadCatalog(e.db); err != nil {
		return nil, errors.Join(Explain(err), e.Close())
	}
	return e, nil
}

func (e *Engine) openPebble(o Options) error {
	po := e.pebbleOptions(o)
	if o.InMemory {
		po.FS = vfs.NewMem()
	} else {
		e.disk = &disk{FS: cmp.Or(o.FS, vfs.Default), dir: o.Dir, notify: e.diskChanged}
		po.FS = e.disk
		if err := e.disk.usable(); err != nil {
			e.cache.Unref()
			return err
		}
	}
	opened := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil { // of pebbleLog.Fatalf, or of Pebble itself
				opened <- fmt.Errorf("%v", p)
			}
		}()
		var err error
		e.db, err = pebble.Open(o.Dir, po)
		opened <- err
	}()
	select {
	case err := <-opened:
		if err != nil && e.disk != nil {
			e.cache.Unref()
			err = errors.Join(err, e.disk.abandon())
		}
		return err
	case <-e.impatient: // what waits for the disk waits for ever: its memory is the price
		return errors.Join(e.trouble.Load(), e.disk.abandon())
	}
}

func (e *Engine) pebbleOptions(o Options) *pebble.Options {
	size, memtable := int64(128<<20), uint64(32<<20)
	if o.InMemory {
		size, memtable = 16<<20, 8<<20
	}
	if o.CacheBytes > 0 {
		size = o.CacheBytes
	}
	e.cache = pebble.NewCache(size)
	po := &pebble.Options{
		Cache: e.cache, Logger: pebbleLog{e}, FormatMajorVersion: pebble.FormatNewest,
		MemTableSize: memtable, MemTableStopWritesThreshold: 3, L0CompactionThreshold: 4, L0StopWritesThreshold: 24,
		LBaseMaxBytes: 64 << 20, DisableWAL: o.InMemory,
		CompactionConcurrencyRange: func() (int, int) { return 1, max(1, min(2, runtime.GOMAXPROCS(0)-1)) },
		WALMinSyncInterval:         func() time.Duration { return 0 },
		EventListener: &pebble.EventListener{
			// Whoever reads the damaged part gets the error; by default Pebble ends the process.
			DataCorruption: func(i pebble.DataCorruptionInfo) {
				o.Logger.Error("docstore: a file is damaged: restore the folder from a back-up", "file", i.Path, "err", i.Details)
			},
			BackgroundError: func(err error) { o.Logger.Error("docstore: background work failed", "err", err) },
		},
	}
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	return po
}

// Close flushes and closes the store. Every transaction and iterator must have ended. Where the disk is in trouble it
// leaves the folder as it is, for the next start to recover, and returns the reason.
func (e *Engine) Close() error {
	if t := e.trouble.Load(); t != nil {
		return errors.Join(t, e.disk.abandon()) // what waits for the disk waits for ever: its memory is the price
	}
	if e.unsynced != nil {
		close(e.unsynced)
		<-e.syncer
	}
	e.commit.Lock()
	e.outdated()
	e.commit.Unlock()
	err := e.db.Close()
	e.cache.Unref()
	return err
}

// TempDir returns a folder for temporary files without names. It need not exist.
func (e *Engine) TempDir() string { return e.temp }

// Now returns the current time of the engine's clock.
func (e *Engine) Now() time.Time { return e.now() }

// Trouble returns why nothing can be written now, or nil.
func (e *Engine) Trouble() *DiskError { return e.trouble.Load() }

// Stuck returns an error where not even reading is possible: the store has stopped, or a commit that waits for the disk
// bars the way.
func (e *Engine) Stuck() error {
	t := e.trouble.Load()
	if t == nil {
		return nil
	}
	if !t.Final && e.commit.TryLock() {
		e.commit.Unlock()
		return nil
	}
	return t
}

// diskChanged is told by the disk that it is in trouble, that waiting makes no sense (not patient), or that it is well.
func (e *Engine) diskChanged(err *DiskError, patient bool) {
	if e.trouble.Swap(err) == nil && err != nil || err != nil && err.Final {
		e.log.Error("docstore: nothing can be written", "err", err)
	} else if err == nil {
		e.log.Info("docstore: the disk is well again")
	}
	e.durable.Lock()
	defer e.durable.Unlock()
	if e.durable.err = nil; err != nil && !patient {
		e.durable.err = err
		select {
		case e.impatient <- struct{}{}:
		default:
		}
	}
	e.durable.cond.Broadcast()
}

// apply takes b over, makes it visible, together with the collections that it holds, and gives it the next number; grown says
// what it does to the size of collections. The caller then waits with [Engine.WaitDurable].
func (e *Engine) apply(b *pebble.Batch, grown []growth, created ...*Collection) (uint64, error) {
	if t := e.trouble.Load(); t != nil {
		return 0, errors.Join(t, b.Close())
	}
	e.commit.Lock()
	defer e.commit.Unlock()
	e.outdated()
	if !e.sync {
		err := errors.Join(e.db.Apply(b, pebble.NoSync), b.Close())
		if err == nil {
			e.advance(grown, created)
			e.synced(e.seq)
		}
		return e.seq, err
	}
	if err := e.db.ApplyNoSyncWait(b, pebble.Sync); err != nil {
		return 0, err
	}
	e.advance(grown, created)
	e.unsynced <- unsynced{b, e.seq}
	return e.seq, nil
}

// awaitSyncs waits for the sync of one commit after the other: the log is synced in their order.
func (e *Engine) awaitSyncs() {
	defer close(e.syncer)
	for u := range e.unsynced {
		if err := u.batch.SyncWait(); err != nil { // the disk stops the store before Pebble hears of a failed sync
			e.log.Error("docstore: a commit failed", "err", err)
			return
		}
		e.synced(u.seq)
		if err := u.batch.Close(); err != nil {
			e.log.Error("docstore: closing a batch", "err", err)
		}
	}
}

func (e *Engine) synced(seq uint64) {
	e.durable.Lock()
	e.durable.seq = seq
	e.durable.cond.Broadcast()
	e.durable.Unlock()
}

// advance counts a commit; the caller holds e.commit.
func (e *Engine) advance(grown []growth, created []*Collection) {
	for _, g := range grown {
		g.of.size.n += g.by
	}
	if len(created) > 0 {
		e.show(created...)
	}
	e.seq++
	e.visible.Store(e.seq)
}

// Seq returns the number of the last commit. It never waits.
func (e *Engine) Seq() uint64 { return e.visible.Load() }

// WaitDurable returns when every commit up to seq is durable, or with the error that keeps the log from being written.
func (e *Engine) WaitDurable(ctx context.Context, seq uint64) error {
	e.durable.Lock()
	defer e.durable.Unlock()
	if e.durable.seq >= seq {
		return nil
	}
	stop := context.AfterFunc(ctx, func() {
		e.durable.Lock()
		defer e.durable.Unlock()
		e.durable.cond.Broadcast()
	})
	defer stop()
	for e.durable.seq < seq && e.durable.err == nil && ctx.Err() == nil {
		e.durable.cond.Wait()
	}
	if e.durable.seq >= seq {
		return nil
	}
	return errors.Join(e.durable.err, ctx.Err())
}

// write commits a batch that no transaction owns: catalogue changes and housekeeping.
func (e *Engine) write(b *pebble.Batch) (uint64, error) {
	seq, err := e.apply(b, nil)
	if err != nil {
		return 0, err
	}
	return seq, e.WaitDurable(context.Background(), seq)
}

func uint32Bytes(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// pebbleLog keeps Pebble's chatter at debug level. Its fatal errors become panics with their text: the process must not
// go on with a log that cannot be written. Where the disk was given up, what Pebble still does in the background waits
// for ever instead.
type pebbleLog struct{ e *Engine }

func (p pebbleLog) Infof(format string, args ...any) {
	p.e.log.Debug("pebble", "text", fmt.Sprintf(format, args...))
}

func (p pebbleLog) Errorf(format string, args ...any) {
	p.e.log.Error("pebble", "text", fmt.Sprintf(format, args...))
}

func (p pebbleLog) Fatalf(format string, args ...any) {
	if t := p.e.trouble.Load(); t != nil && t.Final {
		select {}
	}
	panic("pebble: " + fmt.Sprintf(format, args...))
}
