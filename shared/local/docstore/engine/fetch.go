package engine

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"sync"

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
	return out, t.fetchAll(wanted, out)
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
func (t *Tx) fetchAll(wanted []fetch, out []bson.Raw) error {
	slices.SortFunc(wanted, func(a, b fetch) int { return bytes.Compare(a.key, b.key) })
	if len(wanted) < parallelFetch {
		return t.fetchSome(wanted, out)
	}
	var wg sync.WaitGroup
	parts := slices.Collect(slices.Chunk(wanted, (len(wanted)-1)/min(runtime.GOMAXPROCS(0), 8)+1))
	errs := make([]error, len(parts))
	for i, part := range parts[1:] {
		wg.Go(func() { errs[i+1] = t.fetchSome(part, out) })
	}
	errs[0] = t.fetchSome(parts[0], out)
	wg.Wait()
	return errors.Join(errs...)
}

func (t *Tx) fetchSome(wanted []fetch, out []bson.Raw) error {
	if len(wanted) == 0 {
		return nil
	}
	f, err := t.snap.newFinder(wanted[0].key, wanted[len(wanted)-1].key)
	if err != nil {
		return err
	}
	var copies room
	for i, w := range wanted {
		if !f.find(w.key) {
			if f.it.Error() != nil {
				break
			}
			continue
		}
		v, err := f.it.ValueAndErr()
		if err != nil {
			return errors.Join(err, f.close())
		}
		if copies == nil { // the others are about as long
			copies.expect((len(wanted) - i) * (len(v) + len(v)/8))
		}
		out[w.index] = copies.copy(v)
	}
	return f.close()
}
