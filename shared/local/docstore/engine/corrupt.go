package engine

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Corruption says that a file of the store does not hold what was written to it. What it held is not served.
type Corruption struct {
	File string // empty where Pebble does not tell
	Err  error  // says which part of the file, as far as it is known
}

// Error says what to do.
func (e *Corruption) Error() string {
	file := "a file of the store"
	if e.File != "" {
		file = e.File
	}
	return fmt.Sprintf("%s is damaged, and nothing of the damaged part is served: restore the folder from a back-up (%v)", file, e.Err)
}

// Unwrap returns what Pebble said.
func (e *Corruption) Unwrap() error { return e.Err }

// Explain turns Pebble's errors of damaged files into *Corruption; others stay as they are.
func Explain(err error) error {
	var already *Corruption
	if err == nil || !pebble.IsCorruptionError(err) || errors.As(err, &already) {
		return err
	}
	c := &Corruption{Err: err}
	if info := pebble.ExtractDataCorruptionInfo(err); info != nil {
		c.File = info.Path
	}
	return c
}
