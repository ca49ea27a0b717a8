package engine

import "go.mongodb.org/mongo-driver/v2/bson"

// Docs walks documents in the order of their _id. It must be closed.
type Docs struct {
	s    scan
	skip int
}

// ScanDocs walks the documents whose id keys lie in [lower, upper); nil means open.
func (t *Tx) ScanDocs(c *Collection, lower, upper []byte, reverse bool) (*Docs, error) {
	d := &Docs{skip: prefixLength}
	return d, d.s.open(t, dataPrefix(c.ID, documents, 0), lower, upper, reverse)
}

// open begins a scan of the keys that begin with prefix and go on from lower to upper; nil means open.
func (s *scan) open(t *Tx, prefix, lower, upper []byte, reverse bool) error {
	room := make([]byte, 0, 2*len(prefix)+len(lower)+len(upper)) // for both ends
	room = append(append(room, prefix...), lower...)
	from := room[:len(room):len(room)]
	if upper == nil {
		return s.start(t, from, after(prefix), reverse)
	}
	to := append(append(room[len(room):], prefix...), upper...)
	return s.start(t, from, to, reverse)
}

// Next returns the next document and its id key; both stay valid. ok is false at the end.
func (d *Docs) Next() (id []byte, doc bson.Raw, ok bool, err error) {
	if d.s.base == nil {
		return nil, nil, false, errClosed
	}
	key, value, ok, err := d.s.next()
	if !ok {
		return nil, nil, false, err
	}
	return key[d.skip:], value, true, nil
}

// Lend makes Next return what is valid only until it is called again, which saves copying every document.
func (d *Docs) Lend() { d.s.lend = true }

// Close releases the iterator; it may be repeated.
func (d *Docs) Close() error { return d.s.close() }

// Entries walks the entries of an index in its order. It must be closed.
type Entries struct {
	s    scan
	x    *Index
	skip int
}

// ScanIndex walks the entries whose field keys lie in [lower, upper); nil means open.
func (t *Tx) ScanIndex(x *Index, lower, upper []byte, reverse bool) (*Entries, error) {
	n := &Entries{x: x, skip: prefixLength}
	return n, n.s.open(t, dataPrefix(x.coll, x.ID, 0), lower, upper, reverse)
}

// Next returns the next entry's key, which begins with the fields, and the id key of its document; both stay valid.
func (n *Entries) Next() (fields, id []byte, ok bool, err error) {
	if n.s.base == nil {
		return nil, nil, false, errClosed
	}
	key, value, ok, err := n.s.next()
	if !ok {
		return nil, nil, false, err
	}
	id, err = n.x.splitEntry(key, value)
	return key[n.skip:], id, err == nil, err
}

// Seek moves on to the first entry at or after (in reverse: before) the given field key.
func (n *Entries) Seek(fields []byte) {
	n.s.seek(append(dataPrefix(n.x.coll, n.x.ID, len(fields)), fields...))
}

// Close releases the iterator; it may be repeated.
func (n *Entries) Close() error { return n.s.close() }
