package engine

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// view is a Pebble snapshot, shared by the transactions that begin between the same two commits: taking one and giving
// it back costs more than reading a document.
type view struct {
	*pebble.Snapshot
	seq  uint64 // the last commit that it shows
	refs int    // transactions, and one for the engine while it is the latest; guarded by Engine.commit

	mu   sync.Mutex
	idle []*pebble.Iterator // for whoever looks for something next
	past bool               // it is not the latest any more, and keeps no iterators
}

// mostIdle is how many iterators a view keeps for later.
const mostIdle = 4

// look returns the view of now. The caller holds e.commit.
func (e *Engine) look() *view {
	if e.latest == nil {
		e.latest = &view{Snapshot: e.db.NewSnapshot(), seq: e.seq, refs: 1}
	}
	e.latest.refs++
	return e.latest
}

// outdated tells that the latest view no longer shows everything. The caller holds e.commit.
func (e *Engine) outdated() {
	if v := e.latest; v != nil {
		e.latest = nil
		e.rest(v, true)
		e.leave(v)
	}
}

// leave gives a view back. The caller holds e.commit.
func (e *Engine) leave(v *view) {
	if v.refs--; v.refs > 0 {
		return
	}
	if err := v.Close(); err != nil {
		e.log.Error("closing a snapshot", "err", err)
	}
}

// Rest closes the iterators that are kept for later. They keep files and memory in use that Pebble has replaced, so that it
// is to be called about once a second.
func (e *Engine) Rest() {
	e.commit.Lock()
	v := e.latest
	e.commit.Unlock()
	if v != nil {
		e.rest(v, false)
	}
}

// rest closes the view's idle iterators; past tells that it is to keep none from now on.
func (e *Engine) rest(v *view, past bool) {
	v.mu.Lock()
	idle := v.idle
	v.idle, v.past = nil, v.past || past
	v.mu.Unlock()
	for _, it := range idle {
		if err := it.Close(); err != nil {
			e.log.Error("closing an iterator", "err", err)
		}
	}
}

// iterator returns an iterator over the keys in [lower, upper), which is to be given back.
func (v *view) iterator(lower, upper []byte) (*pebble.Iterator, error) {
	v.mu.Lock()
	n := len(v.idle) - 1
	if n < 0 {
		v.mu.Unlock()
		return v.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	}
	it := v.idle[n]
	v.idle = v.idle[:n]
	v.mu.Unlock()
	it.SetBounds(lower, upper)
	return it, nil
}

// giveBack takes an iterator that nobody uses any more. It returns the error that the iterator has met.
func (v *view) giveBack(it *pebble.Iterator) error {
	if err := it.Error(); err != nil {
		return errors.Join(err, it.Close())
	}
	v.mu.Lock()
	keep := !v.past && len(v.idle) < mostIdle
	if keep {
		v.idle = append(v.idle, it)
	}
	v.mu.Unlock()
	if keep {
		return nil
	}
	return it.Close()
}
