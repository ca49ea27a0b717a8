package command

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
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
	doc, err := c.seeded()
	if err != nil {
		return nil, err
	}
	return storable(doc)
}

func (c *change) seeded() (bson.Raw, error) {
	if c.id != nil {
		return c.update.UpsertID(bsonx.Lookup(c.filter, "_id"))
	}
	m, err := c.match()
	if err != nil {
		return nil, err
	}
	return c.update.Upsert(m)
}

// statements compiles one statement of an update after the other. It serves one goroutine.
type statements struct {
	w       *writer
	updates update.Compiler
	fields  args // of the statement; their room is used again
}

func (s *statements) compile(statement bson.Raw, c *change) error {
	w := s.w
	a, err := parseInto(s.fields, "update.updates", statement, updateFields, "q", "u")
	if err != nil {
		return err
	}
	s.fields = a
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
	return w.compile(&s.updates, a.doc("q"), a, a.get("u"), c)
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
	c.update, err = updates.Compile(u, update.Options{ArrayFilters: a.docs("arrayFilters"), Multi: c.multi, Env: c.env, Stamp: w.r.stamp, Let: let})
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
