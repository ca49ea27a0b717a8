package engine

import "github.com/cockroachdb/pebble/v2"

// view is a Pebble snapshot, shared by the transactions that begin between the same two commits: taking one and giving
// it back costs more than reading a document.
type view struct {
	*pebble.Snapshot
	seq  uint64 // the last commit that it shows
	refs int    // transactions, and one for the engine while it is the latest; guarded by Engine.commit
}

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
