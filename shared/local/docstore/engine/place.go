package engine

import (
	"bytes"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// Place is where a document with a certain _id is, or would be, and what the transaction's snapshot has there. It serves
// the transaction and the version of the collection that it was made for; for any other it only names the document.
type Place struct {
	ID []byte // the id key

	tx   *Tx
	coll *Collection
	key  string
	doc  bson.Raw
}

// Places looks at many documents of c at once, in the order of their keys and with all processors where there are many.
func (t *Tx) Places(c *Collection, ids [][]byte) ([]Place, error) {
	out := make([]Place, len(ids))
	for i, id := range ids {
		out[i].ID = id
	}
	if len(ids) < manyFetch {
		return out, nil
	}
	t.expect(len(ids))
	found, wanted := make([]bson.Raw, len(ids)), make([]fetch, len(ids))
	size, keys := 0, docKeys(c.ID, ids)
	for i, key := range keys {
		wanted[i] = fetch{key, i}
		size += len(key)
	}
	if err := t.fetchAll(wanted, found); err != nil {
		return nil, err
	}
	for i, text := range texts(keys, size) {
		out[i].tx, out[i].coll, out[i].key, out[i].doc = t, c, text, found[i]
	}
	return out, nil
}

// texts returns the keys, of that size together, as strings that share their memory.
func texts(keys [][]byte, size int) []string {
	all := make([]byte, 0, size)
	for _, k := range keys {
		all = append(all, k...)
	}
	text, out, at := string(all), make([]string, len(keys)), 0
	for i, k := range keys {
		out[i] = text[at : at+len(k)]
		at += len(k)
	}
	return out
}

// Seen returns what the snapshot has there, or nil.
func (p *Place) Seen() bson.Raw { return p.doc }

// At returns the document that is there for the transaction, or nil; same tells that it is what [Place.Seen] returns.
func (t *Tx) At(c *Collection, p *Place) (doc bson.Raw, same bool, err error) {
	if p.tx != t || p.coll != c {
		doc, err = t.Get(c, p.ID)
		return doc, false, err
	}
	if t.own != nil {
		if n := t.own.byKey[p.key]; n != nil {
			return n.value, false, nil
		}
	}
	return p.doc, true, nil
}

// UpdateAt is [Tx.Update] for the document that [Tx.At] returned.
func (t *Tx) UpdateAt(c *Collection, p *Place, old, new bson.Raw) error {
	if p.tx != t || p.coll != c {
		return t.Update(c, p.ID, old, new)
	}
	if err := t.lock(p.key); err != nil {
		return err
	}
	return t.replace(c, p.ID, p.key, old, new)
}

// InsertAt is [Tx.Insert] where [Tx.At] returned nothing.
func (t *Tx) InsertAt(c *Collection, p *Place, doc bson.Raw) error {
	if p.tx != t || p.coll != c || !bytes.Equal(IDKey(bsonx.Lookup(doc, "_id")), p.ID) {
		return t.Insert(c, doc)
	}
	if err := t.lock(p.key); err != nil {
		return err
	}
	return t.replace(c, p.ID, p.key, nil, doc)
}
