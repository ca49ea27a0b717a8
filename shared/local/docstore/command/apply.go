package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
)

// apply carries out a change. Outside of a transaction each document stands alone.
func (w *writer) apply(ctx context.Context, c *change) (changed, error) {
	if c.multi {
		return w.applyMany(ctx, c)
	}
	var out changed
	err := w.attempt(ctx, c.upsert, func(t *engine.Tx, coll *engine.Collection) error {
		out = changed{}
		if c.place != nil && coll != nil {
			return w.applyAt(t, coll, c, &out)
		}
		found, ok, err := c.first(ctx, t, coll)
		if err != nil || !ok {
			if ok || err != nil || !c.upsert {
				return err
			}
			return w.insertNew(t, coll, c, &out)
		}
		return w.modify(t, coll, c, found, &out)
	})
	return out, err
}

// applyAt is apply for a change whose place is known.
func (w *writer) applyAt(t *engine.Tx, coll *engine.Collection, c *change, out *changed) error {
	before, same, err := t.At(coll, c.place)
	if err != nil || before == nil && !c.upsert {
		return err
	}
	var o outcome
	if same && c.ready != nil {
		o = *c.ready
	} else {
		o = c.outcome(before)
	}
	switch {
	case o.err != nil:
		return o.err
	case before == nil:
		return w.insertAs(coll, o.doc, out, func() error { return t.InsertAt(coll, c.place, o.doc) })
	}
	return w.updateAs(coll, before, o, out, func() error { return t.UpdateAt(coll, c.place, before, o.doc) })
}

// first returns the document that a single write is about.
func (s *target) first(ctx context.Context, t *engine.Tx, c *engine.Collection) (plan.Found, bool, error) {
	if c == nil {
		return plan.Found{}, false, nil
	}
	if s.id != nil {
		doc, err := t.Get(c, s.id)
		return plan.Found{ID: s.id, Doc: doc}, doc != nil, err
	}
	cur, err := s.open(ctx, t, c, 1)
	if err != nil {
		return plan.Found{}, false, err
	}
	f, ok, err := cur.Next(ctx)
	if cerr := cur.Close(); err == nil {
		err = cerr
	}
	return f, ok, err
}

func (s *target) open(ctx context.Context, t *engine.Tx, c *engine.Collection, limit int64) (*plan.Cursor, error) {
	m, err := s.match()
	if err != nil {
		return nil, err
	}
	p, err := plan.Choose(t, c, plan.Query{Filter: m, Raw: s.filter, Sort: s.sort, Limit: limit, Hint: s.hint})
	if err != nil {
		return nil, err
	}
	return p.Open(ctx, t, s.env), nil
}

// all returns the keys of all documents that match now.
func (w *writer) all(ctx context.Context, s *target) (ids [][]byte, err error) {
	err = w.attempt(ctx, false, func(t *engine.Tx, c *engine.Collection) error {
		ids = nil
		if c == nil {
			return nil
		}
		cur, err := s.open(ctx, t, c, 0)
		for err == nil {
			f, ok, nerr := cur.Next(ctx)
			if !ok {
				if cerr := cur.Close(); nerr == nil {
					nerr = cerr
				}
				return nerr
			}
			ids = append(ids, f.ID)
		}
		return err
	})
	return ids, err
}

func (w *writer) applyMany(ctx context.Context, c *change) (changed, error) {
	ids, err := w.all(ctx, &c.target)
	if err != nil {
		return changed{}, err
	}
	var out changed
	for _, id := range ids {
		before := out
		err := w.each(ctx, &c.target, id, func(t *engine.Tx, coll *engine.Collection, f plan.Found) error {
			out = before
			return w.modify(t, coll, c, f, &out)
		})
		if err != nil {
			return out, err
		}
	}
	if out.matched == 0 && c.upsert {
		single := *c
		single.multi = false
		return w.apply(ctx, &single)
	}
	return out, nil
}

// each runs op on one of the documents found, where it is still there and still matches.
func (w *writer) each(ctx context.Context, s *target, id []byte, op func(t *engine.Tx, c *engine.Collection, f plan.Found) error) error {
	if w.tx != nil && w.tx.Bytes() > flushBytes {
		if err := w.flush(); err != nil {
			return err
		}
	}
	return w.attempt(ctx, false, func(t *engine.Tx, c *engine.Collection) error {
		if c == nil {
			return nil
		}
		doc, err := t.Get(c, id)
		if doc == nil || err != nil {
			return err
		}
		m, err := s.match()
		if err != nil {
			return err
		}
		if ok, err := m.MatchEnv(s.env, doc); !ok || err != nil {
			return err
		}
		return op(t, c, plan.Found{ID: id, Doc: doc})
	})
}

// modify applies the change to one document.
func (w *writer) modify(t *engine.Tx, c *engine.Collection, ch *change, f plan.Found, out *changed) error {
	o := ch.outcome(f.Doc)
	if o.err != nil {
		return o.err
	}
	return w.updateAs(c, f.Doc, o, out, func() error { return t.Update(c, f.ID, f.Doc, o.doc) })
}

// updateAs notes what becomes of a document and, where it differs, stores it.
func (w *writer) updateAs(c *engine.Collection, before bson.Raw, o outcome, out *changed, store func() error) error {
	out.before, out.after = before, o.doc
	if o.differs {
		if err := w.validate(c, before, o.doc); err != nil {
			return err
		}
		if err := store(); err != nil {
			return err
		}
		out.modified++
	}
	out.matched++
	return nil
}

// leastLevel is how many bytes a level of nesting takes at least.
const leastLevel = 7

func checkUpdated(before, after bson.Raw) error {
	if len(after) > maxDocument {
		return mongoerr.New(17419, "Resulting document after update is larger than %d", maxDocument)
	}
	if !bsonx.Equal(bsonx.Lookup(before, "_id"), bsonx.Lookup(after, "_id")) {
		return mongoerr.New(mongoerr.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	if len(after) > leastLevel*maxDepth && depth(after, maxDepth+1) > maxDepth {
		return mongoerr.New(mongoerr.Overflow, "document exceeds the nesting limit of %d levels", maxDepth)
	}
	return nil
}

// insertNew inserts what an upsert makes of its filter.
func (w *writer) insertNew(t *engine.Tx, c *engine.Collection, ch *change, out *changed) error {
	doc, err := ch.fresh()
	if err != nil {
		return err
	}
	return w.insertAs(c, doc, out, func() error { return t.Insert(c, doc) })
}

func (w *writer) insertAs(c *engine.Collection, doc bson.Raw, out *changed, store func() error) error {
	if err := w.validate(c, nil, doc); err != nil {
		return err
	}
	if err := store(); err != nil {
		return err
	}
	out.matched, out.after, out.upserted = 1, doc, bsonx.Lookup(doc, "_id")
	return nil
}
