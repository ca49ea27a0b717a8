package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
	"github.com/strata-crm/strata/shared/local/docstore/project"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

func queryCommands() map[string]*command {
	return map[string]*command{
		"find": {run: find, snapshots: true, inTransaction: true, nulls: []string{"filter"}, fields: fields{"filter": isDoc, "sort": isDoc, "projection": isDoc, "hint": isHint, "skip": isAmount, "limit": isAmount,
			"batchSize": isCount, "singleBatch": isFlag, "max": isDoc, "min": isDoc, "returnKey": isFlag, "showRecordId": isFlag, "tailable": isFlag, "oplogReplay": isFlag,
			"noCursorTimeout": isFlag, "awaitData": isFlag, "allowPartialResults": isFlag, "allowDiskUse": isFlag, "collation": isDoc, "let": isDoc, "term": isNumber}},
		"getMore":     {run: getMore, inTransaction: true, required: []string{"collection"}, fields: fields{"collection": isString, "batchSize": isCount, "term": isNumber, "lastKnownCommittedOpTime": anything}},
		"killCursors": {run: killCursors, localReads: true, inTransaction: true, required: []string{"cursors"}, fields: fields{"cursors": isArray}},
		"count":       {run: count, onlyReads: true, nulls: []string{"limit", "hint"}, fields: fields{"query": isDoc, "limit": isLimit, "skip": isSkip, "hint": isParsedHint, "fields": anything, "collation": isDoc}},
		"distinct":    {run: distinct, snapshots: true, onlyReads: true, inTransaction: true, required: []string{"key"}, fields: fields{"key": isString, "query": isDoc, "hint": isHint, "collation": isDoc}},
		"aggregate": {run: aggregate, snapshots: true, inTransaction: true, nulls: []string{"cursor", "explain"}, required: []string{"pipeline"}, fields: fields{"pipeline": isDocs, "cursor": isDoc, "explain": isBool, "allowDiskUse": isFlag,
			"bypassDocumentValidation": isFlag, "hint": isParsedHint, "collation": isDoc, "let": isDoc, "needsMerge": anything, "fromRouter": anything}},
		"explain": {run: explain, fields: fields{"verbosity": isString}},
	}
}

// checkFind refuses what find accepts in MongoDB and the store does not do, and what contradicts itself.
func checkFind(a args) error {
	switch {
	case !bsonx.IsEmpty(a.doc("collation")):
		return unsupported("collation")
	case a.flag("showRecordId"):
		return unsupported("showRecordId")
	case a.flag("awaitData") && !a.flag("tailable"):
		return mongoerr.New(mongoerr.FailedToParse, "Cannot set 'awaitData' without also setting 'tailable'")
	case !a.flag("tailable"):
		return nil
	case a.flag("singleBatch"):
		return mongoerr.New(mongoerr.BadValue, "cannot use tailable option with the 'singleBatch' option")
	case !bsonx.IsEmpty(a.doc("sort")) && bsonx.FirstKey(a.doc("sort")) != "$natural":
		return mongoerr.New(mongoerr.BadValue, "cannot use tailable option with a sort other than {$natural: 1}")
	}
	return nil
}

func find(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.namespace()
	if err != nil {
		return nil, err
	}
	if id := r.soleID(); id != nil {
		return r.findByID(ctx, ns, id)
	}
	q, err := r.findQuery(r.args)
	if err != nil {
		return nil, err
	}
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	c := t.Collection(ns)
	if c != nil && r.flag("tailable") { // the store has no capped collections
		done()
		return nil, mongoerr.New(mongoerr.BadValue, "error processing query: tailable cursor requested on non capped collection")
	}
	p, err := plan.Choose(t, c, q.Query)
	if err != nil {
		done()
		return nil, err
	}
	s := &findStream{cur: p.Open(ctx, t, q.env), project: q.projection, matcher: q.Filter, keys: q.ReturnKey}
	return r.firstBatch(ctx, ns, s, t, done)
}

// soleID returns the key of the _id that a find is about, where it asks for one document by its _id, whole and at once, as
// most finds by _id do; nil for any other.
func (r *request) soleID() []byte {
	for i := range r.args {
		switch a := &r.args[i]; a.name {
		case "find", "filter", "singleBatch":
		case "limit": // one document is all there is
		default:
			return nil
		}
	}
	return onlyID(r.doc("filter"))
}

// findByID answers what [plan.Choose] would lead to: the one document that the key of its _id leads to, or none.
func (r *request) findByID(ctx context.Context, ns engine.Namespace, id []byte) (*bsonx.DocBuilder, error) {
	t, done, err := r.reader()
	if err != nil {
		return nil, err
	}
	defer done()
	var out *bsonx.DocBuilder
	reply := func(doc bson.Raw) { out = r.soleReply(ns, doc) }
	if c := t.Collection(ns); c == nil {
		reply(nil)
	} else if err := t.View(c, id, reply); err != nil {
		return nil, err
	}
	return out, r.durable(ctx, t)
}

// soleReply is batchReply for a first batch that is all and holds one document, or none.
func (r *request) soleReply(ns engine.Namespace, doc bson.Raw) *bsonx.DocBuilder {
	out := bsonx.NewDoc(320 + len(ns.DB) + len(ns.Name) + len(doc))
	cursor := out.Open("cursor", bson.TypeEmbeddedDocument)
	batch := out.Open("firstBatch", bson.TypeArray)
	if doc != nil {
		out.Append("0", bsonx.Document(doc))
	}
	out.Close(batch)
	r.appendAt(out.AppendInt64("id", 0).AppendString("ns", ns.DB, ".", ns.Name))
	out.Close(cursor)
	return out
}

// findQuery is a parsed find.
type findQuery struct {
	plan.Query
	projection *project.Projection
	env        *expr.Env
}

func (r *request) findQuery(a args) (*findQuery, error) {
	if err := checkFind(a); err != nil {
		return nil, err
	}
	env, scope, err := r.env()
	if err != nil {
		return nil, err
	}
	q := &findQuery{env: env}
	if q.ReturnKey = a.flag("returnKey"); !q.ReturnKey { // what spills has lost its key
		q.Spill = r.spill()
	}
	q.Min, q.Max = bound(a, "min"), bound(a, "max")
	if err := q.CheckBetween(); err != nil {
		return nil, err
	}
	q.Raw, q.Hint, q.Skip, q.Limit = a.doc("filter"), a.get("hint"), a.number("skip", 0), a.number("limit", 0)
	if q.Filter, err = query.Compile(q.Raw, query.Options{Scope: scope, Env: env}); err != nil {
		return nil, err
	}
	if q.Sort, q.Hint, err = naturalSort(a.doc("sort"), q.Hint); err != nil {
		return nil, err
	}
	if p := a.doc("projection"); !bsonx.IsEmpty(p) && !q.ReturnKey {
		q.projection, err = project.Compile(p, project.Options{Filter: q.Filter, Scope: scope, Env: env})
	}
	return q, err
}

// bound returns the key that min or max names; an empty one is none.
func bound(a args, name string) bson.Raw {
	if doc := a.doc(name); !bsonx.IsEmpty(doc) {
		return doc
	}
	return nil
}

// naturalSort reads a sort; {$natural: ±1} is a way to read the collection and not an order of values.
func naturalSort(spec bson.Raw, hint bson.RawValue) ([]bsonx.IndexField, bson.RawValue, error) {
	if v := bsonx.Lookup(spec, "$natural"); !bsonx.IsMissing(v) {
		if f, ok := bsonx.FloatOf(v); !ok || f != 1 && f != -1 || bsonx.Len(spec) > 1 {
			return nil, hint, mongoerr.New(mongoerr.BadValue, "$natural sort must be 1 or -1 and alone")
		}
		return nil, bsonx.Document(spec), nil
	}
	sort, err := sortFields(spec)
	return sort, hint, err
}

// reader returns the transaction to read in and a function that frees it: the open one, a snapshot that the client asks
// for, or one of now.
func (r *request) reader() (*engine.Tx, func(), error) {
	if r.tx != nil {
		return r.tx, func() {}, nil
	}
	if r.readConcern == "snapshot" {
		return r.snapshotReader()
	}
	t := r.engine.Read()
	return t, t.Abort, nil
}

// findStream projects what a plan finds.
type findStream struct {
	cur     *plan.Cursor
	project *project.Projection
	matcher *query.Matcher
	keys    bool // instead of the documents the index keys that led to them are wanted
}

// Next returns the next document.
func (s *findStream) Next(ctx context.Context) (bson.Raw, bool, error) {
	f, ok, err := s.cur.Next(ctx)
	if s.keys {
		return f.IndexKey, ok, err
	}
	if err != nil || !ok || s.project == nil {
		return f.Doc, ok, err
	}
	index := -1
	if s.project.NeedsIndex() {
		if _, index, err = s.matcher.MatchArray(f.Doc); err != nil {
			return nil, false, err
		}
	}
	doc, err := s.project.Apply(f.Doc, index)
	return doc, err == nil, err
}

// Lend implements pipeline.Lender.
func (s *findStream) Lend() {
	if s.project == nil {
		s.cur.Lend()
	}
}

// Close frees the plan's iterators.
func (s *findStream) Close() { _ = s.cur.Close() }
