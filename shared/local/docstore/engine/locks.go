package engine

import (
	"hash/maphash"
	"sync"
)

// Conflict is the error of a write that meets another transaction's write. Wait is closed when that transaction has
// ended; it is nil where the other one has already committed, after this one's snapshot.
type Conflict struct{ Wait <-chan struct{} }

// Error implements error.
func (*Conflict) Error() string { return "write conflict: another transaction wrote the same key" }

// lock says who is writing a key now, and which commit wrote it last, as long as an open writer's snapshot may be older.
type lock struct {
	owner *Tx
	seq   uint64
}

const shards = 64

// lockTable holds one lock per document key and unique index key that is being written or was written lately.
type lockTable struct {
	seed   maphash.Seed
	shards [shards]struct {
		mu sync.Mutex
		m  map[string]lock
		_  [48]byte // a cache line each
	}
}

func newLockTable() *lockTable {
	t := &lockTable{seed: maphash.MakeSeed()}
	for i := range t.shards {
		t.shards[i].m = map[string]lock{}
	}
	return t
}

// acquire makes tx the owner of key, or returns a *Conflict. fresh is false where tx owned it before.
func (t *lockTable) acquire(tx *Tx, key string) (fresh bool, err error) {
	s := &t.shards[maphash.String(t.seed, key)%shards]
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.m[key]
	switch {
	case l.owner == tx:
		return false, nil
	case l.owner != nil:
		return false, &Conflict{Wait: l.owner.done}
	case l.seq > tx.seq:
		return false, &Conflict{}
	}
	s.m[key] = lock{owner: tx, seq: l.seq}
	return true, nil
}

// release ends tx's ownership; seq is the number of its commit, or 0 where it was rolled back. It reports whether some
// key's last commit is after oldest, so that it must be remembered.
func (t *lockTable) release(keys []string, seq, oldest uint64) (remembered bool) {
	for _, key := range keys {
		s := &t.shards[maphash.String(t.seed, key)%shards]
		s.mu.Lock()
		if last := max(s.m[key].seq, seq); last <= oldest {
			delete(s.m, key)
		} else {
			s.m[key], remembered = lock{seq: last}, true
		}
		s.mu.Unlock()
	}
	return remembered
}

// forget drops locks that nobody owns and whose last commit is not after oldest.
func (t *lockTable) forget(keys []string, oldest uint64) {
	for _, key := range keys {
		s := &t.shards[maphash.String(t.seed, key)%shards]
		s.mu.Lock()
		if l, ok := s.m[key]; ok && l.owner == nil && l.seq <= oldest {
			delete(s.m, key)
		}
		s.mu.Unlock()
	}
}

// size returns the number of locks held or remembered.
func (t *lockTable) size() int {
	n := 0
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		n += len(s.m)
		s.mu.Unlock()
	}
	return n
}
