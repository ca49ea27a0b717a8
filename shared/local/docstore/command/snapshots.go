package command

import (
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
)

// Bounds of the snapshots that are kept for reads outside of transactions.
const (
	snapshotWindow = 5 * time.Minute // how long one can be read again; MongoDB's default
	maxSnapshots   = 100             // of them; the oldest goes first
)

// snapshots keeps what reads with level "snapshot" outside of transactions have seen, so that the session's next read
// sees the same. All methods are safe for concurrent use.
type snapshots struct {
	mu   sync.Mutex
	held []*snapshot // oldest first
}

type snapshot struct {
	at    bson.Timestamp
	tx    *engine.Tx
	users int // reads that are under way, cursors included
	until time.Time
	gone  bool // not in the list any more; the last user frees it
}

// find returns the snapshot of that time, in use by one more.
func (s *snapshots) find(at bson.Timestamp) *snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, one := range s.held {
		if one.at == at {
			one.users++
			return one
		}
	}
	return nil
}

// add keeps a snapshot with one user; where there is one of that time already it is taken instead.
func (s *snapshots) add(at bson.Timestamp, t *engine.Tx, now time.Time) *snapshot {
	if one := s.find(at); one != nil {
		t.Abort()
		return one
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &snapshot{at: at, tx: t, users: 1, until: now.Add(snapshotWindow)}
	s.held = append(s.held, one)
	if len(s.held) > maxSnapshots {
		s.dropOldest()
	}
	return one
}

func (s *snapshots) dropOldest() {
	old := s.held[0]
	s.held = s.held[1:]
	if old.gone = true; old.users == 0 {
		old.tx.Abort()
	}
}

func (s *snapshots) release(one *snapshot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.users--; one.users == 0 && one.gone {
		one.tx.Abort()
	}
}

// reap frees what is older than the window.
func (s *snapshots) reap(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.held) > 0 && s.held[0].until.Before(now) {
		s.dropOldest()
	}
}

// snapshotReader returns what a read with level "snapshot" outside of a transaction is to see.
func (r *request) snapshotReader() (*engine.Tx, func(), error) {
	one := r.snapshots.find(r.atTime)
	if one == nil {
		t, at := r.timedRead()
		if r.atTime.After(at) { // nothing was committed since, and nothing will be at or before that time
			at = r.atTime
		}
		if r.atTime.T != 0 && r.atTime != at {
			t.Abort()
			return nil, nil, mongoerr.New(mongoerr.SnapshotTooOld, "Read timestamp %v is older than the oldest available timestamp.", r.atTime)
		}
		one = r.snapshots.add(at, t, r.at)
	}
	r.sawAt = one.at
	return one.tx, func() { r.snapshots.release(one) }, nil
}

// timedRead opens a snapshot and returns it with the time of the last commit that it sees.
func (r *request) timedRead() (*engine.Tx, bson.Timestamp) {
	for {
		t := r.engine.Read()
		if at, seq := r.clock.at(t.Seq(), r.at.Unix()); seq == t.Seq() {
			return t, at
		}
		t.Abort()
	}
}

// appendAt tells at which time a read with level "snapshot" read.
func (r *request) appendAt(out *bsonx.DocBuilder) *bsonx.DocBuilder {
	if r.sawAt.T != 0 {
		out.Append("atClusterTime", timestampValue(r.sawAt))
	}
	return out
}
