// Package engine stores documents and their indexes in Pebble. It owns the key layout, the catalogue of collections,
// transactions with snapshot isolation (the first committer wins), unique, partial, sparse and multikey indexes,
// expiry, and durability. It does not own queries, plans, commands, sessions or the wire.
//
// # Visible and durable
//
// A commit becomes visible to later snapshots before it is durable. Whoever tells somebody else about a commit, its
// own writer or a reader with majority guarantees, first waits until the log is synced that far: see [Tx.Commit] and
// [Engine.WaitDurable].
package engine
