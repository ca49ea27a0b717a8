package engine

import (
	"bytes"

	"github.com/cockroachdb/pebble/v2"
)

// finder looks for keys, each greater than or equal to the one before. Keys that follow each other in the store, or for which
// there is nothing up to the next one that is there, cost a step or none; scattered ones a look each, which the filters of
// the tables answer.
type finder struct {
	view         *view
	it           *pebble.Iterator
	at           bool // the iterator stands on the first key from the last one looked for on, or on that of an earlier look
	seeks, saved int
}

// newFinder returns a finder of keys from first to last. It looks at nothing beyond them, where there may be much that was
// deleted.
func (v *view) newFinder(first, last []byte) (*finder, error) {
	it, err := v.iterator(first, append(last[:len(last):len(last)], 0))
	return &finder{view: v, it: it}, err
}

// fewSeeks is how many looks it takes to learn that keys are scattered.
const fewSeeks = 4

// find moves to key and reports whether it is there. Errors are the iterator's.
func (f *finder) find(key []byte) bool {
	if f.at {
		order := f.compare(key)
		if order < 0 {
			f.it.Next()
			order = f.compare(key)
		}
		if order >= 0 {
			f.saved++
			return order == 0
		}
	}
	if f.at = f.seeks <= max(f.saved, fewSeeks); f.at {
		f.seeks++
		f.it.SeekGE(key)
	} else {
		f.it.SeekPrefixGE(key)
	}
	return f.it.Valid() && bytes.Equal(f.it.Key(), key)
}

// compare compares the key that the iterator stands on; the end comes after every key.
func (f *finder) compare(key []byte) int {
	if !f.it.Valid() {
		return 1
	}
	return bytes.Compare(f.it.Key(), key)
}

// close returns the error that the finder has met. It must be called once.
func (f *finder) close() error { return f.view.giveBack(f.it) }
