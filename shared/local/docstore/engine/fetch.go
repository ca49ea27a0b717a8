package engine

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Fewer documents than parallelFetch are fetched by one goroutine, and fewer than manyFetch each by itself.
const (
	manyFetch     = 4
	parallelFetch = 64
)

// GetMany returns the documents with the given id keys, nil for one that is not there. It is faster than as many calls
// of Get: it reads in the order of the keys, and with all processors where there are many.
func (t *Tx) GetMany(c *Collection, ids [][]byte) ([]bson.Raw, error) {
	out := make([]bson.Raw, len(ids))
	if len(ids) < manyFetch {
		for i, id := range ids {
			var err error
			if out[i], err = t.Get(c, id); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	var wanted []fetch
	for i, key := range docKeys(c.ID, ids) {
		if v, known := t.own.find(key); known {
			out[i] = v
			continue
		}
		wanted = append(wanted, fetch{key, i})
	}
	return out, t.fetchAll(c, wanted, out)
}

// fetch is one document to read and where to put it.
type fetch struct {
	key   []byte
	index int
}

func docKeys(coll uint32, ids [][]byte) [][]byte {
	size := 0
	for _, id := range ids {
		size += len(id) + 9
	}
	prefix := dataPrefix(coll, documents, 0)
	room, keys := make([]byte, 0, size), make([][]byte, len(ids))
	for i, id := range ids {
		start := len(room)
		room = append(append(room, prefix...), id...)
		keys[i] = room[start:len(room):len(room)]
	}
	return keys
}

// fetchAll reads from the snapshot, not from the transaction's own writes.
func (t *Tx) fetchAll(c *Collection, wanted []fetch, out []bson.Raw) error {
	slices.SortFunc(wanted, func(a, b fetch) int { return bytes.Compare(a.key, b.key) })
	if len(wanted) < parallelFetch {
		return t.fetchSome(c, wanted, out)
	}
	var wg sync.WaitGroup
	parts := slices.Collect(slices.Chunk(wanted, (len(wanted)-1)/min(runtime.GOMAXPROCS(0), 8)+1))
	errs := make([]error, len(parts))
	for i, part := range parts[1:] {
		wg.Go(func() { errs[i+1] = t.fetchSome(c, part, out) })
	}
	errs[0] = t.fetchSome(c, parts[0], out)
	wg.Wait()
	return errors.Join(errs...)
}

func (t *Tx) fetchSome(c *Collection, wanted []fetch, out []bson.Raw) error {
	prefix := dataPrefix(c.ID, documents, 0)
	it, err := t.snap.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	var copies room
	for _, w := range wanted {
		if !it.SeekPrefixGE(w.key) || !bytes.Equal(it.Key(), w.key) {
			if it.Error() != nil {
				break
			}
			continue
		}
		v, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(err, it.Close())
		}
		out[w.index] = copies.copy(v)
	}
	return errors.Join(it.Error(), it.Close())
}
