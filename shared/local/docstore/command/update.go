package command

import (
	"context"
	"errors"

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

	place *engine.Place // where the document with the id is; nil where that has not been looked for
	ready *outcome      // what becomes of what place.Seen returns; nil where that is not known yet
}

// outcome is what a change makes of a document, or of the lack of one.
type outcome struct {
	doc     bson.Raw
	differs bool
	err     error
}

// target is what a statement looks for.
type target struct {
	filter  bson.Raw
	id      []byte         // the key of the only document that can match, where the filter is {_id: value}; else nil
	matcher *query.Matcher // nil where there is an id until somebody asks for it
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

// tally is what the answer to an update tells.
type tally struct {
	n, modified int32
	upserted    *bsonx.ArrayBuilder
	failed      writeErrors
}

func (w *writer) updateAll(ctx context.Context, statements []bson.Raw) (*bsonx.DocBuilder, error) {
	var all tally
	for from := 0; from < len(statements); from += ahead {
		ok, err := w.updateSome(ctx, from, statements[from:min(len(statements), from+ahead)], &all)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
	}
	out := bsonx.NewDoc(128).Append("n", bsonx.Int32(all.n))
	if all.upserted != nil {
		out.Append("upserted", all.upserted.Value())
	}
	out.Append("nModified", bsonx.Int32(all.modified))
	all.failed.appendTo(out)
	return out, nil
}

// updateSome carries out statements of which the first is the command's number from; ok tells that the command goes on.
func (w *writer) updateSome(ctx context.Context, from int, statements []bson.Raw, all *tally) (ok bool, err error) {
	changes, faults := w.compileAll(statements)
	if len(changes) > 1 {
		if err := w.lookAhead(changes); err != nil {
			return false, err
		}
	}
	for i := range changes {
		statement := int32(from + i)
		if reply, done := w.before(statement); done {
			all.repeat(statement, reply)
			continue
		}
		var got changed
		err := faults[i]
		if err == nil {
			got, err = w.apply(ctx, &changes[i])
		}
		if err == nil {
			err = w.done(statement, got.reply())
		}
		if err == nil {
			all.add(statement, got)
			continue
		}
		if err := all.failed.add(w.r, int(statement), err); err != nil {
			return false, err
		}
		if all.failed.stops(w.r, w.r.ordered()) {
			return false, nil
		}
	}
	return true, nil
}

func (a *tally) add(statement int32, got changed) {
	a.n += int32(got.matched)
	a.modified += int32(got.modified)
	if bsonx.IsMissing(got.upserted) {
		return
	}
	if a.upserted == nil {
		a.upserted = bsonx.NewArray(512)
	}
	a.upserted.Append(bsonx.NewDoc(len(got.upserted.Value)+24).Append("index", bsonx.Int32(statement)).Append("_id", got.upserted).Value())
}

// repeat adds the answer that was kept of an earlier attempt.
func (a *tally) repeat(statement int32, reply bson.Raw) {
	a.add(statement, changed{matched: int(bsonx.Lookup(reply, "n").Int32()), modified: int(intOrZero(bsonx.Lookup(reply, "m"))), upserted: bsonx.Lookup(reply, "u")})
}

// compileAll compiles statements, with all processors where there are many; faults says what is wrong with one.
func (w *writer) compileAll(statements []bson.Raw) (changes []change, faults []error) {
	changes, faults = make([]change, len(statements)), make([]error, len(statements))
	engine.Parallel(len(statements), func(from, to int) {
		var updates update.Compiler
		for i := from; i < to; i++ {
			faults[i] = w.compileStatement(&updates, statements[i], &changes[i])
		}
	})
	return changes, faults
}

// lookAhead looks at the documents that changes name by their _id alone, and works out what becomes of them. Where that meets
// an error the statements meet it too, and know what to do.
func (w *writer) lookAhead(changes []change) error {
	named := make([]*change, 0, len(changes))
	ids := make([][]byte, 0, len(changes))
	for i := range changes {
		if c := &changes[i]; c.id != nil && !c.multi {
			named, ids = append(named, c), append(ids, c.id)
		}
	}
	if len(named) < 2 {
		return nil
	}
	var places []engine.Place
	err := w.once(false, func(t *engine.Tx, c *engine.Collection) (err error) {
		if c != nil {
			places, err = t.Places(c, ids)
		}
		return err
	})
	var conflict *engine.Conflict
	if err != nil && !errors.As(err, &conflict) {
		return err
	}
	engine.Parallel(len(places), func(from, to int) {
		for i := from; i < to; i++ {
			if named[i].place = &places[i]; named[i].update.Pure() {
				o := named[i].outcome(places[i].Seen())
				named[i].ready = &o
			}
		}
	})
	return nil
}

// outcome is only asked for a change whose update is pure, or that is alone.
func (c *change) outcome(before bson.Raw) (o outcome) {
	if before == nil {
		if c.upsert {
			o.doc, o.err = c.fresh()
		}
		return o
	}
	index := -1
	if c.update.NeedsIndex() {
		m, err := c.match()
		if err == nil {
			_, index, err = m.MatchArray(before)
		}
		if err != nil {
			return outcome{err: err}
		}
	}
	if o.doc, o.differs, o.err = c.update.Apply(before, index); o.err == nil && o.differs {
		o.err = checkUpdated(before, o.doc)
	}
	return o
}

// fresh returns what an upsert makes of its filter.
func (c *change) fresh() (bson.Raw, error) {
	m, err := c.match()
	if err != nil {
		return nil, err
	}
	doc, err := c.update.Upsert(m)
	if err != nil {
		return nil, err
	}
	return storable(doc)
}

func intOrZero(v bson.RawValue) int32 {
	n, _ := v.Int32OK()
	return n
}

// oneModified is what an update mostly answers.
var oneModified = bsonx.NewDoc(16).Append("n", bsonx.Int32(1)).Append("m", bsonx.Int32(1)).Raw()

// reply is the outcome in the form kept for a repeated write: n, m modified, u upserted.
func (c changed) reply() bson.Raw {
	if c.matched == 1 && bsonx.IsMissing(c.upserted) {
		switch c.modified {
		case 0:
			return oneInserted
		case 1:
			return oneModified
		}
	}
	out := bsonx.NewDoc(len(c.upserted.Value)+24).Append("n", bsonx.Int32(int32(c.matched)))
	if c.modified > 0 {
		out.Append("m", bsonx.Int32(int32(c.modified)))
	}
	return out.Append("u", c.upserted).Raw()
}

func (w *writer) compileStatement(updates *update.Compiler, statement bson.Raw, c *change) error {
	a, err := parseFields("update.updates", statement, updateFields, "q", "u")
	if err != nil {
		return err
	}
	if a.has("collation") {
		return unsupported("collation")
	}
	multi := a.flag("multi")
	if multi && w.r.session != nil && w.r.tx == nil {
		return mongoerr.New(mongoerr.InvalidOptions, "Cannot use retryable writes with multi=true")
	}
	if multi && a.has("sort") {
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify sort with multi=true")
	}
	c.upsert, c.multi = a.flag("upsert"), multi
	return w.compile(updates, a.doc("q"), a, a.get("u"), c)
}

// compile prepares a statement: its filter, its update with array filters and constants, sort and hint.
func (w *writer) compile(updates *update.Compiler, filter bson.Raw, a args, u bson.RawValue, c *change) error {
	let, err := w.aim(&c.target, filter, a)
	if err != nil {
		return err
	}
	if constants := a.doc("c"); constants != nil {
		if u.Type != bson.TypeArray {
			return mongoerr.New(51198, "Constant values may only be specified for pipeline updates")
		}
		let = merge(let, constants)
	}
	c.update, err = updates.Compile(u, update.Options{ArrayFilters: a.docs("arrayFilters"), Multi: c.multi, Env: c.env, Let: let})
	return err
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

// aim fills in what a statement looks for, and returns the command's variables.
func (w *writer) aim(t *target, filter bson.Raw, a args) (let bson.Raw, err error) {
	env, scope, err := w.r.env()
	if err != nil {
		return nil, err
	}
	t.filter, t.hint, t.env = filter, a.get("hint"), env
	if bsonx.IsMissing(t.hint) {
		t.id = onlyID(filter)
	}
	if t.id != nil { // one document needs no order
		return w.r.doc("let"), nil
	}
	if t.sort, err = sortFields(a.doc("sort")); err != nil {
		return nil, err
	}
	t.matcher, err = query.Compile(filter, query.Options{Scope: scope, Env: env})
	return w.r.doc("let"), err
}

// match returns the compiled filter.
func (s *target) match() (m *query.Matcher, err error) {
	if s.matcher == nil {
		s.matcher, err = query.Compile(s.filter, query.Options{Env: s.env})
	}
	return s.matcher, err
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
		if err := w.validate(c, o.doc); err != nil {
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
	if err := w.validate(c, doc); err != nil {
		return err
	}
	if err := store(); err != nil {
		return err
	}
	out.matched, out.after, out.upserted = 1, doc, bsonx.Lookup(doc, "_id")
	return nil
}
