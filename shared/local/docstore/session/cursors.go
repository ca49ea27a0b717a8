package session

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// CursorTimeout ends a cursor that nobody reads.
const CursorTimeout = 10 * time.Minute

// Stream is what a cursor reads from.
type Stream interface {
	Next(ctx context.Context) (bson.Raw, bool, error)
	Close()
}

// Cursor is an open cursor. Between Take and Put or Drop it belongs to the taker alone.
type Cursor struct {
	ID         int64
	Namespace  string
	Stream     Stream
	Pending    bson.Raw // read from the stream but not sent, because the batch was full
	Session    *ID      // getMore must come from the same session
	TxnNumber  int64    // and transaction, where it is not negative
	Collection uint32   // the collection's id; another one means that it was dropped
	Done       func()   // frees what the cursor holds besides its stream; may be nil
	Patient    bool     // it lives as long as an idle session, which is longer than other cursors that nobody reads

	used time.Time
	busy bool
	dead bool
}

// Close frees everything.
func (c *Cursor) Close() {
	c.Stream.Close()
	if c.Done != nil {
		c.Done()
		c.Done = nil
	}
}

// Cursors is the registry of open cursors.
type Cursors struct {
	now  func() time.Time
	mu   sync.Mutex
	byID map[int64]*Cursor
}

// NewCursors returns an empty registry.
func NewCursors(now func() time.Time) *Cursors {
	return &Cursors{now: now, byID: map[int64]*Cursor{}}
}

// Add gives the cursor an id and keeps it.
func (cs *Cursors) Add(c *Cursor) int64 {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c.ID == 0 || cs.byID[c.ID] != nil {
		c.ID = rand.Int64()
	}
	c.used = cs.now()
	cs.byID[c.ID] = c
	return c.ID
}

// Take hands the cursor to one reader. It returns nil where there is none, and busy where another reader has it.
func (cs *Cursors) Take(id int64) (c *Cursor, busy bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	c = cs.byID[id]
	if c == nil || c.busy {
		return nil, c != nil
	}
	c.busy = true
	return c, false
}

// Put gives the cursor back; where it was killed meanwhile it is closed.
func (cs *Cursors) Put(c *Cursor) {
	cs.mu.Lock()
	c.busy, c.used = false, cs.now()
	dead := c.dead
	cs.mu.Unlock()
	if dead {
		c.Close()
	}
}

// Drop closes a cursor that its reader has taken.
func (cs *Cursors) Drop(c *Cursor) {
	cs.mu.Lock()
	delete(cs.byID, c.ID)
	cs.mu.Unlock()
	c.Close()
}

// Kill closes the cursor, at the latest when its reader gives it back, and reports whether there was one.
func (cs *Cursors) Kill(id int64) bool { return cs.killIf(id, func(*Cursor) bool { return true }) }

func (cs *Cursors) killIf(id int64, doomed func(*Cursor) bool) bool {
	cs.mu.Lock()
	c := cs.byID[id]
	if c == nil || !doomed(c) {
		cs.mu.Unlock()
		return false
	}
	delete(cs.byID, id)
	c.dead = true
	busy := c.busy
	cs.mu.Unlock()
	if !busy {
		c.Close()
	}
	return true
}

// KillWhere closes all cursors for which doomed says so.
func (cs *Cursors) KillWhere(doomed func(*Cursor) bool) {
	cs.mu.Lock()
	ids := make([]int64, 0, len(cs.byID))
	for id := range cs.byID {
		ids = append(ids, id)
	}
	cs.mu.Unlock()
	for _, id := range ids {
		cs.killIf(id, doomed)
	}
}

// Reap closes cursors that nobody read for [CursorTimeout], or for [Timeout] where they are patient.
func (cs *Cursors) Reap() {
	now := cs.now()
	cs.KillWhere(func(c *Cursor) bool {
		if c.Patient {
			return !c.busy && now.Sub(c.used) > Timeout
		}
		return !c.busy && now.Sub(c.used) > CursorTimeout
	})
}

// Len returns the number of open cursors.
func (cs *Cursors) Len() int {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.byID)
}
