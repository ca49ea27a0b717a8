package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
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
}

// Engine is an open store. All methods are safe for concurrent use.
type Engine struct {
	db      *pebble.DB
	cache   *pebble.Cache
	now     func() time.Time
	log     *slog.Logger
	sync    bool
	locks   *lockTable
	catalog *catalog

	commit  sync.Mutex // orders commits and snapshots; never held across a sync
	seq     uint64     // the last commit's number; guarded by commit
	writers txList     // open transactions that may write, oldest snapshot first; guarded by commit
	recent  []written  // commits whose locks are still remembered; guarded by commit

	durable struct {
		sync.Mutex
		cond *sync.Cond
		seq  uint64
		err  error
	}
}

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
	e := &Engine{now: o.Now, log: o.Logger, sync: !o.InMemory, locks: newLockTable()}
	e.durable.cond = sync.NewCond(&e.durable.Mutex)
	if err := e.openPebble(o); err != nil {
		return nil, err
	}
	var err error
	if e.catalog, err = loadCatalog(e.db); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

func (e *Engine) openPebble(o Options) error {
	size, memtable := int64(128<<20), uint64(32<<20)
	if o.InMemory {
		size, memtable = 16<<20, 8<<20
	}
	if o.CacheBytes > 0 {
		size = o.CacheBytes
	}
	e.cache = pebble.NewCache(size)
	po := &pebble.Options{
		Cache: e.cache, Logger: pebbleLog{o.Logger}, FormatMajorVersion: pebble.FormatNewest,
		MemTableSize: memtable, MemTableStopWritesThreshold: 3, L0CompactionThreshold: 4, L0StopWritesThreshold: 24,
		LBaseMaxBytes: 64 << 20, DisableWAL: o.InMemory,
		CompactionConcurrencyRange: func() (int, int) { return 1, max(1, min(2, runtime.GOMAXPROCS(0)-1)) },
		WALMinSyncInterval:         func() time.Duration { return 0 },
	}
	for i := range po.Levels {
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	if o.InMemory {
		po.FS = vfs.NewMem()
	}
	db, err := pebble.Open(o.Dir, po)
	if err != nil {
		e.cache.Unref()
		return fmt.Errorf("opening the document store in %q: %w", o.Dir, err)
	}
	e.db = db
	return nil
}

// Close flushes and closes the store. Every transaction and iterator must have ended.
func (e *Engine) Close() error {
	err := e.db.Close()
	e.cache.Unref()
	return err
}

// Now returns the current time of the engine's clock.
func (e *Engine) Now() time.Time { return e.now() }

// apply makes b visible and gives it the next number. The caller then waits with [Engine.settle].
func (e *Engine) apply(b *pebble.Batch) (uint64, error) {
	e.commit.Lock()
	defer e.commit.Unlock()
	var err error
	if e.sync {
		err = e.db.ApplyNoSyncWait(b, pebble.Sync)
	} else {
		err = e.db.Apply(b, pebble.NoSync)
	}
	if err != nil {
		return 0, err
	}
	e.seq++
	return e.seq, nil
}

// settle waits until the commit numbered seq is in the log on disk, tells the readers who wait for it, and closes b.
func (e *Engine) settle(b *pebble.Batch, seq uint64) error {
	var err error
	if e.sync {
		err = b.SyncWait()
	}
	e.durable.Lock()
	if err != nil {
		e.durable.err = err
	} else {
		e.durable.seq = max(e.durable.seq, seq)
	}
	e.durable.cond.Broadcast()
	e.durable.Unlock()
	return errors.Join(err, b.Close())
}

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
	seq, err := e.apply(b)
	if err != nil {
		return 0, errors.Join(err, b.Close())
	}
	return seq, e.settle(b, seq)
}

func uint32Bytes(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// pebbleLog keeps Pebble's chatter at debug level and turns its fatal errors into panics with their text: the process
// must not go on with a log that cannot be written.
type pebbleLog struct{ l *slog.Logger }

func (p pebbleLog) Infof(format string, args ...any) {
	p.l.Debug("pebble", "text", fmt.Sprintf(format, args...))
}

func (p pebbleLog) Errorf(format string, args ...any) {
	p.l.Error("pebble", "text", fmt.Sprintf(format, args...))
}

func (p pebbleLog) Fatalf(format string, args ...any) {
	panic("pebble: " + fmt.Sprintf(format, args...))
}
