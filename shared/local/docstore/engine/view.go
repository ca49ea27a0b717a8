package engine

import (
	"errors"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// view is a Pebble snapshot, shared by the transactions that begin between the same two commits: taking one and giving
// it back costs more than reading a document.
type view struct {
	*pebble.Snapshot
	seq  uint64 // the last commit that it shows
	refs int    // transactions, and one for the engine while it is the latest; guarded by Engine.commit

	mu      sync.Mutex
	idle    []*pebble.Iterator // for whoever scans next
	seekers []*pebble.Iterator // without bounds, for whoever looks for one key next
	looks   int                // at one key each, up to fewLooks
	past    bool               // it is not the latest any more, and keeps no iterators
}

// mostIdle is how many iterators of each kind a view keeps for later.
const mostIdle = 4

// fewLooks is how many looks at one key it takes until an iterator pays for them: most views that a write ends see no more.
const fewLooks = 4

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
	idle := append(v.idle, v.seekers...)
	v.idle, v.seekers, v.past = nil, nil, v.past || past
	v.mu.Unlock()
	for _, it := range idle {
		if err := it.Close(); err != nil {
			e.log.Error("closing an iterator", "err", err)
		}
	}
}

// iterator returns an iterator over the keys in [lower, upper), which is to be given back.
func (v *view) iterator(lower, upper []byte) (*pebble.Iterator, error) {
	it := v.take(&v.idle)
	if it == nil {
		return v.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	}
	it.SetBounds(lower, upper)
	return it, nil
}

// giveBack takes an iterator that nobody uses any more. It returns the error that the iterator has met.
func (v *view) giveBack(it *pebble.Iterator) error { return v.put(&v.idle, it) }

// take returns an iterator of that kind, or nil where none is idle.
func (v *view) take(kind *[]*pebble.Iterator) *pebble.Iterator {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := len(*kind) - 1
	if n < 0 {
		return nil
	}
	it := (*kind)[n]
	*kind = (*kind)[:n]
	return it
}

func (v *view) put(kind *[]*pebble.Iterator, it *pebble.Iterator) error {
	if err := it.Error(); err != nil {
		return errors.Join(err, it.Close())
	}
	v.mu.Lock()
	keep := !v.past && len(*kind) < mostIdle
	if keep {
		*kind = append(*kind, it)
	}
	v.mu.Unlock()
	if keep {
		return nil
	}
	return it.Close()
}

// found is what a view has under one key. It must be closed, and its value dies with that.
type found struct {
	value []byte // nil where there is nothing
	view  *view
	it    *pebble.Iterator
	get   io.Closer
}

// look returns what is under key. A view that is asked often keeps an iterator for it, which goes from key to key for half
// of what Pebble's own Get costs: that opens the tables, and closes them, for each.
func (v *view) look(key []byte) (found, error) {
	it := v.take(&v.seekers)
	if it == nil {
		if !v.often() {
			return v.lookOnce(key)
		}
		var err error
		if it, err = v.NewIter(nil); err != nil {
			return found{}, err
		}
	}
	f := found{view: v, it: it}
	if !it.SeekPrefixGE(key) { // the whole key is its prefix
		return f, nil
	}
	var err error
	if f.value, err = it.ValueAndErr(); err != nil {
		return found{}, errors.Join(err, it.Close())
	}
	f.value = present(f.value)
	return f, nil
}

// often reports whether the view has been asked for single keys several times, this time included.
func (v *view) often() bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.looks < fewLooks && !v.past {
		v.looks++
	}
	return v.looks >= fewLooks && !v.past
}

func (v *view) lookOnce(key []byte) (found, error) {
	value, closer, err := v.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return found{}, nil
	}
	if err != nil {
		return found{}, err
	}
	return found{value: present(value), get: closer}, nil
}

// present tells an empty value from none.
func present(value []byte) []byte {
	if value == nil {
		return []byte{}
	}
	return value
}

func (f found) close() error {
	switch {
	case f.it != nil:
		return f.view.put(&f.view.seekers, f.it)
	case f.get != nil:
		return f.get.Close()
	}
	return nil
}
