package engine

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// Namespace names a collection.
type Namespace struct{ DB, Name string }

// String returns db.collection.
func (n Namespace) String() string { return n.DB + "." + n.Name }

// Collection is one version of a catalogue entry. It never changes; a change makes a new version.
type Collection struct {
	Namespace
	ID      uint32
	UUID    bson.Binary
	Options bson.Raw // as given to create, without the command's own fields
	Indexes []*Index // without the one on _id

	state *collState
}

// collState is shared by all versions of one collection. Writing transactions hold ddl for reading until they end.
type collState struct {
	ddl  sync.RWMutex
	size size // guarded by Engine.commit
}

// Index is one secondary index. Only Multikey changes, from false to true.
type Index struct {
	ID          uint32
	Name        string
	Spec        bson.Raw // as listIndexes shows it
	Fields      []bsonx.IndexField
	Unique      bool
	Sparse      bool
	Hidden      bool
	Partial     *query.Matcher // nil means all documents
	PartialSpec bson.Raw
	ExpireAfter *int64 // seconds
	ReadySeq    uint64 // snapshots before this commit must not use the index

	coll     uint32
	multikey atomic.Bool
}

// Multikey reports whether any document ever gave the index more than one key. A true answer lasts for ever.
func (x *Index) Multikey() bool { return x.multikey.Load() }

// Index returns the index of that name, or nil.
func (c *Collection) Index(name string) *Index {
	for _, x := range c.Indexes {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// catalog is the set of collections in memory; every change goes to disk first.
type catalog struct {
	ddl    sync.Mutex // one change at a time
	byName atomic.Pointer[names]
	nextID uint32 // guarded by ddl
}

// names is the set of collections at one time. It is replaced, never changed, so that a transaction keeps the one it began
// with.
type names map[Namespace]*Collection

// stored is the form of a catalogue entry on disk. Fields may be added; none may change its meaning.
type stored struct {
	ID      int64         `bson:"id"`
	UUID    bson.Binary   `bson:"uuid"`
	Options bson.Raw      `bson:"options"`
	Indexes []storedIndex `bson:"indexes"`
}

type storedIndex struct {
	ID   int64    `bson:"id"`
	Spec bson.Raw `bson:"spec"`
}

func loadCatalog(db *pebble.DB) (*catalog, error) {
	c, all := &catalog{nextID: 1}, names{}
	c.byName.Store(&all)
	err := eachPrefix(db, systemKey(kindCatalog), func(key, value []byte) error {
		dbName, name, _ := strings.Cut(string(key[2:]), "\x00")
		coll, err := decodeCollection(Namespace{dbName, name}, value)
		if err == nil {
			all[coll.Namespace] = coll
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	v, closer, err := db.Get(systemKey(kindNextID))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
	case err != nil:
		return nil, err
	default:
		c.nextID = binary.BigEndian.Uint32(v)
		err = closer.Close()
	}
	return c, errors.Join(ignoreMissing(err), c.loadMultikey(db), removeHalfBuilt(db))
}

func ignoreMissing(err error) error {
	if errors.Is(err, pebble.ErrNotFound) {
		return nil
	}
	return err
}

func (c *catalog) loadMultikey(db *pebble.DB) error {
	byID := map[uint32]*Index{}
	for _, coll := range *c.byName.Load() {
		for _, x := range coll.Indexes {
			byID[x.ID] = x
		}
	}
	return eachPrefix(db, systemKey(kindMulti), func(key, _ []byte) error {
		if x := byID[binary.BigEndian.Uint32(key[6:])]; x != nil {
			x.multikey.Store(true)
		}
		return nil
	})
}

func removeHalfBuilt(db *pebble.DB) error {
	b := db.NewBatch()
	err := eachPrefix(db, systemKey(kindBuilding), func(key, _ []byte) error {
		p := dataPrefix(binary.BigEndian.Uint32(key[2:]), binary.BigEndian.Uint32(key[6:]), 0)
		return errors.Join(b.DeleteRange(p, after(p), nil), b.Delete(key, nil))
	})
	if err != nil || b.Empty() {
		return errors.Join(err, b.Close())
	}
	opts := pebble.Sync
	return errors.Join(b.Commit(opts), b.Close())
}

func eachPrefix(db *pebble.DB, prefix []byte, f func(key, value []byte) error) error {
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		err = f(it.Key(), slices.Clone(it.Value()))
	}
	return errors.Join(err, it.Close())
}

func decodeCollection(ns Namespace, value []byte) (*Collection, error) {
	var s stored
	if err := bson.Unmarshal(value, &s); err != nil {
		return nil, fmt.Errorf("catalogue entry of %s: %w", ns, err)
	}
	c := &Collection{Namespace: ns, ID: uint32(s.ID), UUID: s.UUID, Options: s.Options, state: &collState{}}
	for _, x := range s.Indexes {
		index, err := newIndex(c.ID, uint32(x.ID), x.Spec)
		if err != nil {
			return nil, fmt.Errorf("catalogue entry of %s: %w", ns, err)
		}
		c.Indexes = append(c.Indexes, index)
	}
	return c, nil
}

func (c *Collection) encode() ([]byte, error) {
	s := stored{ID: int64(c.ID), UUID: c.UUID, Options: c.Options}
	for _, x := range c.Indexes {
		s.Indexes = append(s.Indexes, storedIndex{ID: int64(x.ID), Spec: x.Spec})
	}
	return bson.Marshal(s)
}

// newIndex builds an index from its specification: {v, key, name, unique, sparse, partialFilterExpression,
// expireAfterSeconds, hidden}. The specification was checked by whoever created it.
func newIndex(coll, id uint32, spec bson.Raw) (*Index, error) {
	x := &Index{ID: id, Spec: spec, coll: coll}
	elems, err := spec.Elements()
	if err != nil {
		return nil, err
	}
	for _, el := range elems {
		if err := x.setOption(el.Key(), el.Value()); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func (x *Index) setOption(name string, v bson.RawValue) (err error) {
	switch name {
	case "key":
		x.Fields, err = indexFields(v)
	case "name":
		x.Name, _ = v.StringValueOK()
	case "unique":
		x.Unique = bsonx.Truthy(v)
	case "sparse":
		x.Sparse = bsonx.Truthy(v)
	case "hidden":
		x.Hidden = bsonx.Truthy(v)
	case "expireAfterSeconds":
		if f, ok := bsonx.FloatOf(v); ok {
			n := int64(f)
			x.ExpireAfter = &n
		}
	case "partialFilterExpression":
		x.PartialSpec, _ = v.DocumentOK()
		x.Partial, err = query.Compile(x.PartialSpec, query.Options{})
	}
	return err
}

func indexFields(key bson.RawValue) ([]bsonx.IndexField, error) {
	d, ok := key.DocumentOK()
	if !ok {
		return nil, errors.New("index key is not a document")
	}
	elems, err := d.Elements()
	if err != nil {
		return nil, err
	}
	fields := make([]bsonx.IndexField, len(elems))
	for i, el := range elems {
		f, _ := bsonx.FloatOf(el.Value())
		fields[i] = bsonx.IndexField{Path: el.Key(), Desc: f < 0}
	}
	return fields, nil
}

// Collection returns the current version of the named collection, or nil.
func (e *Engine) Collection(ns Namespace) *Collection { return (*e.catalog.byName.Load())[ns] }

// Collection returns the named collection as the transaction sees it, or nil: the one that it has made itself, the version
// that it writes to, or else the one that was there when it began.
func (t *Tx) Collection(ns Namespace) *Collection {
	if c := t.created[ns]; c != nil {
		return c
	}
	c := t.names[ns]
	if c != nil && t.held[c.state] {
		return t.e.Collection(ns)
	}
	return c
}

// Collections returns the collections of a database by name; of all databases where db is empty.
func (e *Engine) Collections(db string) []*Collection {
	var all []*Collection
	for ns, c := range *e.catalog.byName.Load() {
		if db == "" || ns.DB == db {
			all = append(all, c)
		}
	}
	slices.SortFunc(all, func(a, b *Collection) int {
		return cmp.Or(cmp.Compare(a.DB, b.DB), cmp.Compare(a.Name, b.Name))
	})
	return all
}
