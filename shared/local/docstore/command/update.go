package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"github.com/strata-crm/strata/shared/local/docstore/update"
)

var updateFields = fields{"q": isDoc, "u": anything, "c": isDoc, "upsert": isFlag, "multi": isFlag, "arrayFilters": isDocs, "hint": isHint, "collation": isDoc, "sort": isDoc}

// change is a compiled update statement or findAndModify.
type change struct {
	target
	update *update.Update
	upsert bool
	multi  bool
}

// target is what a statement looks for.
type target struct {
	filter  bson.Raw
	id      []byte // the key of the only document that can match, where the filter is {_id: value}; else nil
	matcher *query.Matcher
	sort    []bsonx.IndexField
	hint    bson.RawValue
	env     *expr.Env
}

// changed is the outcome of one statement.
type changed struct {
	matched, modified int
	upserted          bson.RawValue // the _id of the inserted document, Missing where none was
	before, after     bson.Raw      // of the last document
}

func updateCommand(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.writableNamespace()
	if err != nil {
		return nil, err
	}
	statements := r.documents("updates")
	if err := checkBatch("update", len(statements)); err != nil {
		return nil, err
	}
	w, err := newWriter(r, ns)
	if err != nil {
		return nil, err
	}
	out, err := w.updateAll(ctx, statements)
	if ferr := w.finish(); err == nil {
		err = ferr
	}
	return out, err
}

func (w *writer) updateAll(ctx context.Context, statements []bson.Raw) (*bsonx.DocBuilder, error) {
	var n, modified int32
	var failed writeErrors
	var upserted *bsonx.ArrayBuilder
	for i, s := range statements {
		if i%ahead == 0 {
			if err := w.readAhead(idsIn(statements[i:min(len(statements), i+ahead)])); err != nil {
				return nil, err
			}
		}
		reply, done := w.before(int32(i))
		if !done {
			got, err := w.updateOne(ctx, s)
			if err == nil {
				reply = got.reply()
				err = w.done(int32(i), reply)
			}
			if err != nil {
				if err := failed.add(w.r, i, err); err != nil {
					return nil, err
				}
				if failed.stops(w.r, w.r.ordered()) {
					break
				}
				continue
			}
		}
		n += bsonx.Lookup(reply, "n").Int32()
		modified += intOrZero(bsonx.Lookup(reply, "m"))
		if id := bsonx.Lookup(reply, "u"); !bsonx.IsMissing(id) {
			if upserted == nil {
				upserted = bsonx.NewArray(128)
			}
			upserted.Append(bsonx.NewDoc(32).Append("index", bsonx.Int32(int32(i))).Append("_id", id).Value())
		}
	}
	out := bsonx.NewDoc(128).Append("n", bsonx.Int32(n))
	if upserted != nil {
		out.Append("upserted", upserted.Value())
	}
	out.Append("nModified", bsonx.Int32(modified))
	failed.appendTo(out)
	return out, nil
}

// idsIn returns the keys of the documents that statements name by their _id alone.
func idsIn(statements []bson.Raw) [][]byte {
	ids := make([][]byte, 0, len(statements))
	for _, s := range statements {
		filter, _ := bsonx.Lookup(s, "q").DocumentOK()
		if id := onlyID(filter); id != nil {
			ids = append(ids, id)
		}
	}
	return ids
}

func intOrZero(v bson.RawValue) int32 {
	n, _ := v.Int32OK()
	return n
}

// reply is the outcome in the form kept for a repeated write: n, m modified, u upserted.
func (c changed) reply() bson.Raw {
	out := bsonx.NewDoc(32).Append("n", bsonx.Int32(int32(c.matched)))
	if c.modified > 0 {
		out.Append("m", bsonx.Int32(int32(c.modified)))
	}
	return out.Append("u", c.upserted).Raw()
}

func (w *writer) updateOne(ctx context.Context, statement bson.Raw) (changed, error) {
	a, err := parseFields("update.updates", statement, updateFields, "q", "u")
	if err != nil {
		return changed{}, err
	}
	if a.has("collation") {
		return changed{}, unsupported("collation")
	}
	multi := a.flag("multi")
	if multi && w.r.session != nil && w.r.tx == nil {
		return changed{}, mongoerr.New(mongoerr.InvalidOptions, "Cannot use retryable writes with multi=true")
	}
	if multi && a.has("sort") {
		return changed{}, mongoerr.New(mongoerr.FailedToParse, "Cannot specify sort with multi=true")
	}
	c, err := w.compile(a.doc("q"), a, a.get("u"), multi)
	if err != nil {
		return changed{}, err
	}
	c.upsert = a.flag("upsert")
	return w.apply(ctx, c)
}

// compile prepares a statement: its filter, its update with array filters and constants, sort and hint.
func (w *writer) compile(filter bson.Raw, a args, u bson.RawValue, multi bool) (*change, error) {
	t, let, err := w.target(filter, a)
	if err != nil {
		return nil, err
	}
	c := &change{target: *t, multi: multi}
	if constants := a.doc("c"); constants != nil {
		if u.Type != bson.TypeArray {
			return nil, mongoerr.New(51198, "Constant values may only be specified for pipeline updates")
		}
		let = merge(let, constants)
	}
	c.update, err = update.Compile(u, update.Options{ArrayFilters: a.docs("arrayFilters"), Multi: multi, Env: t.env, Let: let})
	return c, err
}

func merge(a, b bson.Raw) bson.Raw {
	out := bsonx.NewDoc(len(a) + len(b))
	for _, d := range []bson.Raw{a, b} {
		for it := bsonx.Elements(d); it.Next(); {
			out.AppendBytes(it.Key(), it.Value())
		}
	}
	return out.Raw()
}

func (w *writer) target(filter bson.Raw, a args) (*target, bson.Raw, error) {
	env, scope, err := w.r.env()
	if err != nil {
		return nil, nil, err
	}
	t := &target{filter: filter, hint: a.get("hint"), env: env}
	if bsonx.IsMissing(t.hint) {
		t.id = onlyID(filter)
	}
	if t.id == nil { // one document needs no order
		if t.sort, err = sortFields(a.doc("sort")); err != nil {
			return nil, nil, err
		}
	}
	t.matcher, err = query.Compile(filter, query.Options{Scope: scope, Env: env})
	return t, w.r.doc("let"), err
}

// onlyID returns the key of the _id that the filter asks for, where it asks for nothing else.
func onlyID(filter bson.Raw) []byte {
	it := bsonx.Elements(filter)
	if !it.Next() || string(it.Key()) != "_id" {
		return nil
	}
	v := it.Value()
	switch v.Type {
	case bson.TypeRegex, bson.TypeArray, bson.TypeNull, bson.TypeUndefined:
		return nil
	case bson.TypeEmbeddedDocument:
		if query.IsOperators(v.Value) {
			return nil
		}
	}
	if it.Next() {
		return nil
	}
	return engine.IDKey(v)
}

// apply carries out a change. Outside of a transaction each document stands alone.
func (w *writer) apply(ctx context.Context, c *change) (changed, error) {
	if c.multi {
		return w.applyMany(ctx, c)
	}
	var out changed
	err := w.attempt(ctx, c.upsert, func(t *engine.Tx, coll *engine.Collection) error {
		out = changed{}
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
	p, err := plan.Choose(t, c, plan.Query{Filter: s.matcher, Raw: s.filter, Sort: s.sort, Limit: limit, Hint: s.hint})
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
		if ok, err := s.matcher.MatchEnv(s.env, doc); !ok || err != nil {
			return err
		}
		return op(t, c, plan.Found{ID: id, Doc: doc})
	})
}

// modify applies the change to one document.
func (w *writer) modify(t *engine.Tx, c *engine.Collection, ch *change, f plan.Found, out *changed) error {
	index := -1
	if ch.update.NeedsIndex() {
		var err error
		if _, index, err = ch.matcher.MatchArray(f.Doc); err != nil {
			return err
		}
	}
	doc, differs, err := ch.update.Apply(f.Doc, index)
	if err != nil {
		return err
	}
	out.before, out.after = f.Doc, doc
	if differs {
		if err := checkUpdated(f.Doc, doc); err != nil {
			return err
		}
		if err := w.validate(c, doc); err != nil {
			return err
		}
		if err := t.Update(c, f.ID, f.Doc, doc); err != nil {
			return err
		}
		out.modified++
	}
	out.matched++
	return nil
}

func checkUpdated(before, after bson.Raw) error {
	if len(after) > maxDocument {
		return mongoerr.New(17419, "Resulting document after update is larger than %d", maxDocument)
	}
	if !bsonx.Equal(bsonx.Lookup(before, "_id"), bsonx.Lookup(after, "_id")) {
		return mongoerr.New(mongoerr.ImmutableField, "Performing an update on the path '_id' would modify the immutable field '_id'")
	}
	if depth(after, maxDepth+1) > maxDepth {
		return mongoerr.New(mongoerr.Overflow, "document exceeds the nesting limit of %d levels", maxDepth)
	}
	return nil
}

// insertNew inserts what an upsert makes of its filter.
func (w *writer) insertNew(t *engine.Tx, c *engine.Collection, ch *change, out *changed) error {
	doc, err := ch.update.Upsert(ch.matcher)
	if err != nil {
		return err
	}
	if doc, err = storable(doc); err != nil {
		return err
	}
	if err := w.validate(c, doc); err != nil {
		return err
	}
	if err := t.Insert(c, doc); err != nil {
		return err
	}
	out.matched, out.after, out.upserted = 1, doc, bsonx.Lookup(doc, "_id")
	return nil
}
