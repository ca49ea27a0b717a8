package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Tx reads one snapshot of the store plus its own writes. It is used by one goroutine at a time and ends with exactly
// one of Commit and Abort; both may be repeated harmlessly.
type Tx struct {
	e      *Engine
	snap   *view
	seq    uint64
	writer bool
	own    *overlay
	locked []string
	names  names // of the time of the snapshot
	held   map[*collState]bool
	multi  map[*Index]bool
	growth []growth
	done   chan struct{} // closed at the end of a writer
	ended  bool

	created map[Namespace]*Collection // by the transaction; nobody else sees them before it commits

	prev, next *Tx // in Engine.writers
}

// txList is a list of open writing transactions, oldest snapshot first.
type txList struct{ first, last *Tx }

func (l *txList) add(t *Tx) {
	if t.prev = l.last; t.prev == nil {
		l.first = t
	} else {
		t.prev.next = t
	}
	l.last = t
}

func (l *txList) remove(t *Tx) {
	if t.prev == nil {
		l.first = t.next
	} else {
		t.prev.next = t.next
	}
	if t.next == nil {
		l.last = t.prev
	} else {
		t.next.prev = t.prev
	}
	t.prev, t.next = nil, nil
}

// Read opens a transaction that will not write.
func (e *Engine) Read() *Tx { return e.begin(false) }

// Begin opens a transaction that may write.
func (e *Engine) Begin() *Tx { return e.begin(true) }

func (e *Engine) begin(writer bool) *Tx {
	t := &Tx{e: e, writer: writer}
	if writer {
		t.done = make(chan struct{})
	}
	e.commit.Lock()
	defer e.commit.Unlock()
	t.snap, t.seq, t.names = e.look(), e.seq, *e.catalog.byName.Load()
	if writer {
		e.writers.add(t)
	}
	return t
}

// Seq returns the number of the last commit that the transaction sees.
func (t *Tx) Seq() uint64 { return t.seq }

// Dirty reports whether the transaction has written anything.
func (t *Tx) Dirty() bool { return t.own != nil && t.own.count > 0 || len(t.created) > 0 }

// Bytes returns the size in bytes of what the transaction has written so far.
func (t *Tx) Bytes() int {
	if t.own == nil {
		return 0
	}
	return t.own.bytes
}

func (t *Tx) get(key []byte) ([]byte, error) {
	if v, known := t.own.find(key); known {
		return v, nil
	}
	f, err := t.snap.look(key)
	if err != nil {
		return nil, err
	}
	if f.value == nil {
		return nil, f.close()
	}
	return append(make([]byte, 0, max(len(f.value), 1)), f.value...), f.close()
}

// View calls f with the document that has that id key, or with nil. The document dies with the call.
func (t *Tx) View(c *Collection, id []byte, f func(doc bson.Raw)) error {
	var room [128]byte
	key := append(append(room[:0], dataPrefix(c.ID, documents, 0)...), id...)
	if v, known := t.own.find(key); known {
		f(v)
		return nil
	}
	seen, err := t.snap.look(key)
	if err != nil {
		return err
	}
	f(seen.value)
	return seen.close()
}

// has reports whether key is present, without copying its value.
func (t *Tx) has(key []byte) (bool, error) {
	if v, known := t.own.find(key); known {
		return v != nil, nil
	}
	f, err := t.snap.look(key)
	if err != nil {
		return false, err
	}
	return f.value != nil, f.close()
}

// expect makes room for the writing of so many documents.
func (t *Tx) expect(n int) {
	if t.own == nil {
		t.own = newOverlay(n)
	}
	t.locked = slices.Grow(t.locked, n)
}

// set writes key; a nil value deletes it.
func (t *Tx) set(key string, value []byte) {
	if t.own == nil {
		t.own = newOverlay(0)
	}
	t.own.set(key, value)
}

// enter writes a key of an index that is not unique; a nil value deletes it.
func (t *Tx) enter(x *Index, key string, value []byte) {
	if t.own == nil {
		t.own = newOverlay(0)
	}
	t.own.enter(x, key, value)
}

func (t *Tx) lock(key string) error {
	fresh, err := t.e.locks.acquire(t, key)
	if fresh {
		t.locked = append(t.locked, key)
	}
	return err
}

// Session reads what [Tx.SetSession] stored last for the session, or nil.
func (e *Engine) Session(id []byte) ([]byte, error) {
	t := e.Read()
	defer t.Abort()
	return t.get(sessionKey(id))
}

// SetSession stores value with the transaction's writes: both are there after a crash, or neither. The value is a
// BSON document whose date "at" says when it was written.
func (t *Tx) SetSession(id, value []byte) { t.set(string(sessionKey(id)), value) }

// Commit makes the writes visible at once and returns when they are durable. The locks are free before the log is
// synced, so others may build on the writes; their own sync comes later in the same log. With a nil error the writes
// survive a power cut. After an error nobody knows.
func (t *Tx) Commit() error {
	seq, err := t.CommitLater()
	if err != nil {
		return err
	}
	return t.e.WaitDurable(context.Background(), seq)
}

// CommitLater makes the writes visible and returns the number to give to [Engine.WaitDurable]: of the commit, or of the
// last one that the transaction saw where it wrote nothing. After an error nothing was written: a *Conflict says that
// somebody else has made a collection meanwhile that the transaction has made too.
func (t *Tx) CommitLater() (seq uint64, err error) {
	if t.ended {
		return 0, errors.New("docstore engine: transaction has ended")
	}
	if !t.Dirty() {
		t.Abort()
		return t.seq, nil
	}
	if len(t.created) > 0 {
		t.e.catalog.ddl.Lock()
		defer t.e.catalog.ddl.Unlock()
	}
	b, err := t.batch()
	if err != nil {
		t.Abort()
		return 0, err
	}
	var made []*Collection
	for _, c := range t.created {
		made = append(made, c)
	}
	seq, err = t.e.apply(b, t.growth, made...)
	t.end(seq)
	return seq, err
}

func (t *Tx) batch() (*pebble.Batch, error) {
	if t.own == nil {
		t.own = newOverlay(0)
	}
	b := t.e.db.NewBatchWithSize(t.own.bytes + 16*t.own.count + 64)
	err := t.own.each(func(n *node) error {
		if n.value == nil {
			op := b.DeleteDeferred(len(n.key))
			copy(op.Key, n.key)
			return op.Finish()
		}
		op := b.SetDeferred(len(n.key), len(n.value))
		copy(op.Key, n.key)
		copy(op.Value, n.value)
		return op.Finish()
	})
	for x := range t.multi {
		if err == nil {
			err = b.Set(indexStateKey(kindMulti, x.coll, x.ID), nil, nil)
		}
	}
	for ns, c := range t.created {
		if err == nil && t.e.Collection(ns) != nil {
			err = ErrStale
		}
		if err == nil {
			err = t.e.enterCatalog(b, c)
		}
	}
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// Abort drops the writes. It does nothing where the transaction has ended.
func (t *Tx) Abort() { t.end(0) }

// end frees everything that the transaction holds; seq is the number of its commit, 0 after a rollback.
func (t *Tx) end(seq uint64) {
	if t.ended {
		return
	}
	t.ended = true
	t.e.commit.Lock()
	t.e.leave(t.snap)
	t.e.commit.Unlock()
	if t.writer {
		t.e.retire(t, seq)
	}
	for s := range t.held {
		s.ddl.RUnlock()
	}
	t.own = nil
	if t.writer {
		close(t.done)
	}
}

// retire takes t out of the list of writers, frees its locks, and forgets those, of t and of earlier ones, that no open
// writer's snapshot can collide with.
func (e *Engine) retire(t *Tx, seq uint64) {
	e.commit.Lock()
	e.writers.remove(t)
	oldest, old := e.prune()
	e.commit.Unlock()
	if e.locks.release(t.locked, seq, oldest) {
		e.commit.Lock()
		e.recent = append(e.recent, written{seq: max(seq, t.seq), keys: t.locked})
		var more []written
		oldest, more = e.prune() // the others may have ended meanwhile
		old = append(old, more...)
		e.commit.Unlock()
	}
	for _, w := range old {
		e.locks.forget(w.keys, oldest)
	}
}

// prune returns the number of the oldest open writer's snapshot, and takes the commits up to it out of the list of those
// remembered. It looks from the front only: the list is nearly in order, and a long transaction must not make every
// commit walk it. The caller holds e.commit.
func (e *Engine) prune() (oldest uint64, old []written) {
	oldest = e.seq
	if e.writers.first != nil {
		oldest = e.writers.first.seq
	}
	n := 0
	for n < len(e.recent) && e.recent[n].seq <= oldest {
		n++
	}
	old = e.recent[:n:n]
	e.recent = e.recent[n:]
	return oldest, old
}
