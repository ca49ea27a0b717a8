package engine

import (
	"bytes"
	"crypto/rand"
	"errors"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// Errors of changes to the catalogue. Callers turn them into MongoDB's codes.
var (
	ErrNotFound = errors.New("docstore engine: no such collection")
	ErrExists   = errors.New("docstore engine: the collection exists")
)

// Create makes an empty collection with the given options. Where one exists it returns that and ErrExists.
func (e *Engine) Create(ns Namespace, options bson.Raw, specs []bson.Raw) (*Collection, error) {
	e.catalog.ddl.Lock()
	defer e.catalog.ddl.Unlock()
	if c := e.Collection(ns); c != nil {
		return c, ErrExists
	}
	c, err := e.newCollection(ns, options, specs)
	if err != nil {
		return nil, err
	}
	return c, e.put(e.db.NewBatch(), c)
}

// newCollection returns a collection that nobody sees yet. The caller holds catalog.ddl.
func (e *Engine) newCollection(ns Namespace, options bson.Raw, specs []bson.Raw) (*Collection, error) {
	if options == nil {
		options = bsonx.NewDoc(0).Raw()
	}
	var random [16]byte
	if _, err := rand.Read(random[:]); err != nil {
		return nil, err
	}
	c := &Collection{Namespace: ns, ID: e.newID(), UUID: NewUUID(random), Options: options, state: &collState{size: size{known: true}}}
	for _, spec := range specs {
		x, err := newIndex(c.ID, e.newID(), spec)
		if err != nil {
			return nil, err
		}
		c.Indexes = append(c.Indexes, x)
	}
	return c, nil
}

// newID returns an id that no collection or index ever had. The caller holds catalog.ddl and stores the change.
func (e *Engine) newID() uint32 {
	id := e.catalog.nextID
	e.catalog.nextID++
	return id
}

// put stores a new version of c together with what b holds, then shows it. The caller holds catalog.ddl.
func (e *Engine) put(b *pebble.Batch, c *Collection) error {
	if err := e.enterCatalog(b, c); err != nil {
		return errors.Join(err, b.Close())
	}
	if _, err := e.write(b); err != nil {
		return err
	}
	e.show(c)
	return nil
}

// enterCatalog adds a version of c, and the ids used so far, to b. The caller holds catalog.ddl.
func (e *Engine) enterCatalog(b *pebble.Batch, c *Collection) error {
	value, err := c.encode()
	if err != nil {
		return err
	}
	return errors.Join(b.Set(catalogKey(c.DB, c.Name), value, nil), b.Set(systemKey(kindNextID), uint32Bytes(e.catalog.nextID), nil))
}

// exclusive runs f while no transaction that has written to the collection is open and none can begin to. It waits for
// open ones, which a caller bounds by ending old transactions.
func (e *Engine) exclusive(ns Namespace, f func(c *Collection) error) error {
	for {
		c := e.Collection(ns)
		if c == nil {
			return ErrNotFound
		}
		again, err := func() (bool, error) {
			c.state.ddl.Lock()
			defer c.state.ddl.Unlock()
			now := e.Collection(ns)
			if now == nil || now.state != c.state {
				return true, nil
			}
			return false, f(now)
		}()
		if !again {
			return err
		}
	}
}

// Drop removes a collection and its indexes and returns what was there.
func (e *Engine) Drop(ns Namespace) (dropped *Collection, err error) {
	err = e.exclusive(ns, func(c *Collection) error {
		e.catalog.ddl.Lock()
		defer e.catalog.ddl.Unlock()
		dropped = c
		return e.remove(e.db.NewBatch(), c)
	})
	return dropped, err
}

// remove deletes c with its data, together with what b holds. The caller holds catalog.ddl.
func (e *Engine) remove(b *pebble.Batch, c *Collection) error {
	err := errors.Join(b.Delete(catalogKey(c.DB, c.Name), nil), dropRanges(b, c, c.Indexes, true))
	if err != nil {
		return errors.Join(err, b.Close())
	}
	e.hide(c.Namespace)
	_, err = e.write(b)
	return err
}

// show and hide change what transactions that begin from now on see. What shrinks is hidden before its data goes, and what
// grows is shown after its data is there. The caller holds catalog.ddl.
func (e *Engine) show(more ...*Collection) {
	all := maps.Clone(*e.catalog.byName.Load())
	for _, c := range more {
		all[c.Namespace] = c
	}
	e.catalog.byName.Store(&all)
}

func (e *Engine) hide(ns Namespace) {
	all := maps.Clone(*e.catalog.byName.Load())
	delete(all, ns)
	e.catalog.byName.Store(&all)
}

func dropRanges(b *pebble.Batch, c *Collection, indexes []*Index, docs bool) error {
	var err error
	for _, x := range indexes {
		p := dataPrefix(c.ID, x.ID, 0)
		err = errors.Join(err, b.DeleteRange(p, after(p), nil), b.Delete(indexStateKey(kindMulti, c.ID, x.ID), nil))
	}
	if docs {
		p := dataPrefix(c.ID, documents, 0)
		err = errors.Join(err, b.DeleteRange(p, after(p), nil))
	}
	return err
}

// Rename gives a collection another name. Where the target exists it is dropped if dropTarget, else ErrExists.
func (e *Engine) Rename(from, to Namespace, dropTarget bool) error {
	if dropTarget {
		if _, err := e.Drop(to); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return e.exclusive(from, func(c *Collection) error {
		e.catalog.ddl.Lock()
		defer e.catalog.ddl.Unlock()
		if e.Collection(to) != nil {
			return ErrExists
		}
		moved := c.version()
		moved.Namespace = to
		b := e.db.NewBatch()
		if err := b.Delete(catalogKey(from.DB, from.Name), nil); err != nil {
			return errors.Join(err, b.Close())
		}
		if err := e.put(b, moved); err != nil {
			return err
		}
		e.hide(from)
		return nil
	})
}

// version returns a copy to change before it is put.
func (c *Collection) version() *Collection {
	n := *c
	n.Indexes = slices.Clone(c.Indexes)
	return &n
}

// SetOptions replaces a collection's options.
func (e *Engine) SetOptions(ns Namespace, options bson.Raw) error {
	return e.exclusive(ns, func(c *Collection) error {
		e.catalog.ddl.Lock()
		defer e.catalog.ddl.Unlock()
		next := c.version()
		next.Options = options
		return e.put(e.db.NewBatch(), next)
	})
}

// SetIndexSpec replaces the specification of one index; key, uniqueness, sparseness and filter must stay the same.
func (e *Engine) SetIndexSpec(ns Namespace, name string, spec bson.Raw) error {
	return e.exclusive(ns, func(c *Collection) error {
		e.catalog.ddl.Lock()
		defer e.catalog.ddl.Unlock()
		next := c.version()
		for i, x := range next.Indexes {
			if x.Name != name {
				continue
			}
			y, err := newIndex(c.ID, x.ID, spec)
			if err != nil {
				return err
			}
			y.ReadySeq = x.ReadySeq
			y.multikey.Store(x.Multikey())
			next.Indexes[i] = y
		}
		return e.put(e.db.NewBatch(), next)
	})
}

// DropIndexes removes the named indexes; names that do not exist are ignored.
func (e *Engine) DropIndexes(ns Namespace, names []string) error {
	return e.exclusive(ns, func(c *Collection) error {
		e.catalog.ddl.Lock()
		defer e.catalog.ddl.Unlock()
		next, gone := c.version(), []*Index(nil)
		next.Indexes = slices.DeleteFunc(next.Indexes, func(x *Index) bool {
			if slices.Contains(names, x.Name) {
				gone = append(gone, x)
				return true
			}
			return false
		})
		b := e.db.NewBatch()
		if err := dropRanges(b, c, gone, false); err != nil {
			return errors.Join(err, b.Close())
		}
		e.show(next)
		return e.put(b, next)
	})
}

// CreateIndexes builds indexes by the given specifications, all or none. It returns *DuplicateKey where a unique one
// cannot be built.
func (e *Engine) CreateIndexes(ns Namespace, specs []bson.Raw) error {
	return e.exclusive(ns, func(c *Collection) error {
		var built []*Index
		var err error
		for _, spec := range specs {
			var x *Index
			if x, err = e.announce(c, spec); err != nil {
				break
			}
			built = append(built, x)
			if err = e.build(c, x); err != nil {
				break
			}
		}
		if err != nil {
			return errors.Join(err, e.forgetBuild(c, built))
		}
		return e.publish(ns, c, built)
	})
}

// announce allocates an index and notes that it is being built, so that a crash leaves nothing behind for ever.
func (e *Engine) announce(c *Collection, spec bson.Raw) (*Index, error) {
	e.catalog.ddl.Lock()
	defer e.catalog.ddl.Unlock()
	x, err := newIndex(c.ID, e.newID(), spec)
	if err != nil {
		return nil, err
	}
	b := e.db.NewBatch()
	err = errors.Join(b.Set(systemKey(kindNextID), uint32Bytes(e.catalog.nextID), nil),
		b.Set(indexStateKey(kindBuilding, c.ID, x.ID), nil, nil))
	if err != nil {
		return nil, errors.Join(err, b.Close())
	}
	_, err = e.write(b)
	return x, err
}

func (e *Engine) publish(ns Namespace, c *Collection, built []*Index) error {
	e.catalog.ddl.Lock()
	defer e.catalog.ddl.Unlock()
	next := c.version()
	next.Indexes = append(next.Indexes, built...)
	b := e.db.NewBatch()
	var err error
	for _, x := range built {
		err = errors.Join(err, b.Delete(indexStateKey(kindBuilding, c.ID, x.ID), nil))
		if x.Multikey() {
			err = errors.Join(err, b.Set(indexStateKey(kindMulti, c.ID, x.ID), nil, nil))
		}
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	e.commit.Lock()
	ready := e.seq
	e.commit.Unlock()
	for _, x := range built {
		x.ReadySeq = ready
	}
	return e.put(b, next)
}

func (e *Engine) forgetBuild(c *Collection, built []*Index) error {
	b := e.db.NewBatch()
	err := dropRanges(b, c, built, false)
	for _, x := range built {
		err = errors.Join(err, b.Delete(indexStateKey(kindBuilding, c.ID, x.ID), nil))
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	_, err = e.write(b)
	return err
}

// buildChunk bounds the entries that one batch of an index build holds.
const buildChunk = 32 << 10

// build writes the entries of all documents. Nobody else writes to the collection meanwhile.
func (e *Engine) build(c *Collection, x *Index) error {
	t := e.Read()
	defer t.Abort()
	docs, err := t.ScanDocs(c, nil, nil, false)
	if err != nil {
		return err
	}
	w := &builder{e: e, c: c, x: x, chunk: map[string][]byte{}}
	for err == nil {
		id, doc, ok, e := docs.Next()
		if err = e; err != nil || !ok {
			break
		}
		err = w.add(id, doc)
	}
	if err == nil {
		err = w.flush()
	}
	return errors.Join(err, docs.Close())
}

type builder struct {
	e     *Engine
	c     *Collection
	x     *Index
	chunk map[string][]byte
}

func (w *builder) add(id []byte, doc bson.Raw) error {
	keys, multikey, err := w.x.keys(doc)
	if err != nil {
		return err
	}
	if multikey {
		w.x.multikey.Store(true)
	}
	for _, k := range keys {
		key, value := w.x.entry(k, id)
		if w.x.Unique {
			if err := w.unique(k, id, doc); err != nil {
				return err
			}
		}
		w.chunk[key] = value
	}
	if len(w.chunk) < buildChunk {
		return nil
	}
	return w.flush()
}

func (w *builder) unique(k, id []byte, doc bson.Raw) error {
	holder := w.chunk[string(k)]
	if holder == nil {
		v, closer, err := w.e.db.Get(k)
		if errors.Is(err, pebble.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		holder = bytes.Clone(v)
		if err := closer.Close(); err != nil {
			return err
		}
	}
	if bytes.Equal(holder, id) {
		return nil
	}
	return w.x.duplicate(w.c, doc, k)
}

func (w *builder) flush() error {
	b := w.e.db.NewBatch()
	for key, value := range w.chunk {
		if err := b.Set([]byte(key), value, nil); err != nil {
			return errors.Join(err, b.Close())
		}
	}
	clear(w.chunk)
	_, err := w.e.write(b)
	return err
}

func sessionKey(digest []byte) []byte { return systemKey(kindSession, digest) }
