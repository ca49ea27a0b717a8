package engine

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// ErrStale says that the catalogue changed under a transaction; it must begin again.
var ErrStale = &Conflict{}

// IDKey returns the key under which a document with this _id is stored.
func IDKey(id bson.RawValue) []byte { return bsonx.AppendKey(make([]byte, 0, 32), id, false) }

// Writable returns the current version of a collection, which then stays current until the transaction ends; nil where
// the transaction sees none. It returns a *Conflict while the collection's definition is being changed, and where it was
// changed after the transaction's snapshot in a way that its snapshot cannot follow.
func (t *Tx) Writable(ns Namespace) (*Collection, error) {
	seen := t.Collection(ns)
	if seen == nil || t.held[seen.state] {
		return seen, nil
	}
	c := t.e.Collection(ns)
	if c == nil || c.state != seen.state { // dropped, renamed or replaced since
		return nil, ErrStale
	}
	if !c.state.ddl.TryRLock() {
		return nil, &Conflict{Wait: c.state.idle()}
	}
	t.noteHeld(c.state)
	c = t.e.Collection(ns)
	if c == nil || !t.held[c.state] { // dropped or replaced between the two looks
		return nil, ErrStale
	}
	for _, x := range c.Indexes {
		if x.ReadySeq > t.seq {
			return nil, ErrStale
		}
	}
	return c, nil
}

// idle returns a channel that is closed when a change of the definition is over.
func (s *collState) idle() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		s.ddl.RLock()
		defer s.ddl.RUnlock()
		close(done)
	}()
	return done
}

// Get returns the document with that id key, or nil.
func (t *Tx) Get(c *Collection, id []byte) (bson.Raw, error) { return t.get(docKey(c.ID, id)) }

// Insert stores a document, which must have an _id. It returns *DuplicateKey or *Conflict, and then has changed nothing.
func (t *Tx) Insert(c *Collection, doc bson.Raw) error {
	idValue := bsonx.Lookup(doc, "_id")
	id := IDKey(idValue)
	key := string(docKey(c.ID, id))
	if err := t.lock(key); err != nil {
		return err
	}
	if taken, err := t.has([]byte(key)); err != nil {
		return err
	} else if taken {
		return duplicateID(c, idValue)
	}
	return t.replace(c, id, key, nil, doc)
}

func duplicateID(c *Collection, id bson.RawValue) error {
	pattern := bsonx.NewDoc(16).Append("_id", bsonx.Int32(1)).Raw()
	return newDuplicate(c, "_id_", pattern, bsonx.NewDoc(32).Append("_id", id).Raw())
}

// Update replaces the document old, as read in this transaction, by new, which has the same _id.
func (t *Tx) Update(c *Collection, id []byte, old, new bson.Raw) error {
	key := string(docKey(c.ID, id))
	if err := t.lock(key); err != nil {
		return err
	}
	return t.replace(c, id, key, old, new)
}

// Delete removes the document old, as read in this transaction.
func (t *Tx) Delete(c *Collection, id []byte, old bson.Raw) error {
	key := string(docKey(c.ID, id))
	if err := t.lock(key); err != nil {
		return err
	}
	return t.replace(c, id, key, old, nil)
}

// change is what one index gains and loses by one write.
type change struct {
	index      *Index
	add, drop  [][]byte // full keys without the id
	isMultikey bool
}

// replace checks everything first and writes then, so that a failure leaves no half of a document behind.
func (t *Tx) replace(c *Collection, id []byte, key string, old, new bson.Raw) error {
	var room [8]change
	changes := room[:0]
	for _, x := range c.Indexes {
		ch, err := x.change(old, new)
		if err != nil {
			return err
		}
		if x.Unique {
			if err := t.checkUnique(c, ch, id, new); err != nil {
				return err
			}
		}
		changes = append(changes, ch)
	}
	for _, ch := range changes {
		t.writeEntries(ch, id)
	}
	t.set(key, new) // nil deletes
	switch {
	case old == nil:
		t.grow(c.state, 1)
	case new == nil:
		t.grow(c.state, -1)
	}
	return nil
}

func (x *Index) change(old, new bson.Raw) (ch change, err error) {
	ch.index = x
	if old != nil && new != nil && x.sameKey(old, new) {
		return ch, nil
	}
	if old != nil {
		if ch.drop, _, err = x.keys(old); err != nil {
			return ch, err
		}
	}
	if new != nil {
		if ch.add, ch.isMultikey, err = x.keys(new); err != nil {
			return ch, err
		}
	}
	if len(ch.drop) > 0 && len(ch.add) > 0 {
		ch.drop, ch.add = difference(ch.drop, ch.add), difference(ch.add, ch.drop)
	}
	return ch, nil
}

// sameKey reports whether the index surely has the same one key for both documents, as it has where an update leaves its
// fields alone.
func (x *Index) sameKey(old, new bson.Raw) bool {
	if x.Partial != nil {
		return false
	}
	var roomA, roomB [plainRoom]byte
	a, presentA, plainA := bsonx.AppendPlainKey(roomA[:0], old, x.Fields)
	if !plainA {
		return false
	}
	b, presentB, plainB := bsonx.AppendPlainKey(roomB[:0], new, x.Fields)
	return plainB && presentA == presentB && bytes.Equal(a, b)
}

// difference returns the members of the sorted a that the sorted b lacks.
func difference(a, b [][]byte) [][]byte {
	var out [][]byte
	for _, k := range a {
		if _, found := slices.BinarySearchFunc(b, k, bytes.Compare); !found {
			out = append(out, k)
		}
	}
	return out
}

// keys returns the sorted distinct keys of doc in the index, without the id; none where the index leaves doc out.
func (x *Index) keys(doc bson.Raw) (keys [][]byte, multikey bool, err error) {
	if x.Partial != nil {
		if in, err := x.Partial.Match(doc); err != nil || !in {
			return nil, false, err
		}
	}
	if key, present, ok := bsonx.AppendPlainKey(dataPrefix(x.coll, x.ID, plainRoom), doc, x.Fields); ok {
		if x.Sparse && !present {
			return nil, false, nil
		}
		return [][]byte{key}, false, nil
	}
	fields, multikey, err := bsonx.IndexKeys(doc, x.Fields, x.Sparse)
	if err != nil {
		return nil, false, err
	}
	for i, f := range fields {
		fields[i] = append(dataPrefix(x.coll, x.ID, len(f)), f...)
	}
	return fields, multikey, nil
}

// plainRoom is the room in bytes for the fields and the id in most index keys.
const plainRoom = 80

func (t *Tx) checkUnique(c *Collection, ch change, id []byte, doc bson.Raw) error {
	for _, keys := range [2][][]byte{ch.drop, ch.add} {
		for _, k := range keys {
			if err := t.lock(string(k)); err != nil {
				return err
			}
		}
	}
	for _, k := range ch.add {
		if err := t.vacant(c, ch.index, k, id, doc); err != nil {
			return err
		}
	}
	return nil
}

// vacant returns a *DuplicateKey where another document holds the unique entry k.
func (t *Tx) vacant(c *Collection, x *Index, k, id []byte, doc bson.Raw) error {
	holder, err := t.get(k)
	if err != nil {
		return err
	}
	if holder != nil && !bytes.Equal(holder, id) {
		return x.duplicate(c, doc, k)
	}
	return nil
}

func (t *Tx) writeEntries(ch change, id []byte) {
	x := ch.index
	if ch.isMultikey && !x.multikey.Load() {
		// Before any reader can see the document; an abort leaves it set, which costs plans but no answers.
		x.multikey.Store(true)
		if t.multi == nil {
			t.multi = map[*Index]bool{}
		}
		t.multi[x] = true
	}
	for _, k := range ch.drop {
		switch key, _ := x.entry(k, id); {
		case !x.Unique:
			t.enter(x, key, nil)
		case t.owns(key, id):
			t.set(key, nil)
		}
	}
	for _, k := range ch.add {
		if key, value := x.entry(k, id); x.Unique {
			t.set(key, value)
		} else {
			t.enter(x, key, value)
		}
	}
}

// owns reports whether a unique entry belongs to the document: an index that was built over duplicates cannot exist,
// but a swap of two documents' values inside one transaction moves entries between owners.
func (t *Tx) owns(key string, id []byte) bool {
	holder, err := t.get([]byte(key))
	return err == nil && bytes.Equal(holder, id)
}

// entry returns the key and the value stored for one index key of a document.
func (x *Index) entry(k, id []byte) (key string, value []byte) {
	if x.Unique {
		return string(k), id
	}
	// The bytes behind k belong to nobody else: keys makes each key apart.
	return string(append(k, id...)), idLength(len(id))
}

// idLength returns what an entry of an index that is not unique stores: the length of the id key that its key ends with.
// The bytes must not be changed.
func idLength(n int) []byte {
	if n < len(shortLengths) {
		return shortLengths[n : n+1 : n+1]
	}
	return binary.AppendUvarint(nil, uint64(n))
}

// shortLengths holds the numbers that take one byte, each at its place.
var shortLengths = func() []byte {
	b := make([]byte, 128)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}()

// splitEntry returns the id of the document that an index entry leads to.
func (x *Index) splitEntry(key, value []byte) (id []byte, err error) {
	if x.Unique {
		return value, nil
	}
	n, size := binary.Uvarint(value)
	if size <= 0 || n > uint64(len(key)) {
		return nil, errors.New("docstore engine: broken index entry")
	}
	return key[uint64(len(key))-n:], nil
}

// NewUUID returns a random UUID as BSON stores it.
func NewUUID(random [16]byte) bson.Binary {
	random[6], random[8] = random[6]&0x0F|0x40, random[8]&0x3F|0x80
	return bson.Binary{Subtype: bson.TypeBinaryUUID, Data: random[:]}
}
