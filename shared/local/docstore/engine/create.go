package engine

import (
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// ErrNotFresh says that a collection can have no new index inside a transaction: it was there before, or it holds documents.
var ErrNotFresh = errors.New("docstore engine: the collection is not new and empty")

// Create makes an empty collection that only the transaction sees until it commits. Where it sees one of that name already it
// returns that and ErrExists. That somebody else makes one meanwhile is found out at the commit.
func (t *Tx) Create(ns Namespace, options bson.Raw) (*Collection, error) {
	if c := t.Collection(ns); c != nil {
		return c, ErrExists
	}
	t.e.catalog.ddl.Lock()
	defer t.e.catalog.ddl.Unlock()
	c, err := t.e.newCollection(ns, options, nil)
	if err != nil {
		return nil, err
	}
	t.hold(c.state)
	t.keep(c)
	return c, nil
}

// CreateIndexes adds indexes to a collection that the transaction has made and written nothing to; it returns ErrNotFresh for
// any other.
func (t *Tx) CreateIndexes(ns Namespace, specs []bson.Raw) error {
	c := t.created[ns]
	if c == nil {
		return ErrNotFresh
	}
	if empty, err := t.empty(c); err != nil || !empty {
		return errors.Join(err, ErrNotFresh)
	}
	t.e.catalog.ddl.Lock()
	defer t.e.catalog.ddl.Unlock()
	next := c.version()
	for _, spec := range specs {
		x, err := newIndex(c.ID, t.e.newID(), spec)
		if err != nil {
			return err
		}
		next.Indexes = append(next.Indexes, x)
	}
	t.keep(next)
	return nil
}

func (t *Tx) empty(c *Collection) (bool, error) {
	docs, err := t.ScanDocs(c, nil, nil, false)
	if err != nil {
		return false, err
	}
	_, _, any, err := docs.Next()
	return !any, errors.Join(err, docs.Close())
}

func (t *Tx) keep(c *Collection) {
	if t.created == nil {
		t.created = map[Namespace]*Collection{}
	}
	t.created[c.Namespace] = c
}

// hold keeps the definition of a collection that nobody else can see yet.
func (t *Tx) hold(s *collState) {
	s.ddl.RLock()
	t.noteHeld(s)
}

func (t *Tx) noteHeld(s *collState) {
	if t.held == nil {
		t.held = map[*collState]bool{}
	}
	t.held[s] = true
}
