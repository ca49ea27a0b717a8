package engine

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// ErrInMemory says that a store in memory cannot be backed up.
var ErrInMemory = errors.New("docstore: a store in memory has nothing to back up")

// Backup makes a copy of the running store in dir, which must not exist: everything that was committed before the call,
// whole transactions only. Files that never change are linked where the file system allows it, so it is quick. The copy
// is synced, and can be opened as it is.
func (e *Engine) Backup(dir string) error {
	if e.disk == nil {
		return ErrInMemory
	}
	if t := e.Trouble(); t != nil && t.Final {
		return t
	}
	if err := e.db.Checkpoint(dir, pebble.WithFlushedWAL()); err != nil {
		return fmt.Errorf("backing the document store up to %s: %w", dir, Explain(err))
	}
	return nil
}
