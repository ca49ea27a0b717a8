package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/project"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"github.com/strata-crm/strata/shared/local/docstore/update"
)

var modifyFields = fields{"query": isDoc, "sort": isDoc, "remove": isFlag, "update": isUpdateSpec, "new": isFlag, "fields": isDoc,
	"upsert": isFlag, "bypassDocumentValidation": isFlag, "arrayFilters": isDocs, "hint": isParsedHint, "let": isDoc, "collation": isDoc, "stmtId": isInteger}

func findAndModify(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.writableNamespace()
	if err != nil {
		return nil, err
	}
	if err := r.checkModify(); err != nil {
		return nil, err
	}
	w, err := newWriter(r, ns)
	if err != nil {
		return nil, err
	}
	defer w.abandon()
	statement := r.statement(0)
	reply, done := w.before(statement)
	if !done {
		if reply, err = w.findAndModify(ctx); err == nil {
			err = w.done(statement, reply)
		}
	}
	if ferr := w.finish(); err == nil {
		err = ferr
	}
	if err != nil {
		return nil, err
	}
	out := bsonx.NewDoc(len(reply) + 16)
	for it := bsonx.Elements(reply); it.Next(); {
		out.AppendBytes(it.Key(), it.Value())
	}
	if done {
		out.Append("retriedStmtId", bsonx.Int32(statement))
	}
	return out, nil
}

func (r *request) checkModify() error {
	remove, hasUpdate := r.flag("remove"), r.has("update")
	switch {
	case !bsonx.IsEmpty(r.doc("collation")):
		return unsupported("collation")
	case remove && hasUpdate:
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both an update and remove=true")
	case !remove && !hasUpdate:
		return mongoerr.New(mongoerr.FailedToParse, "Either an update or remove=true must be specified")
	case remove && r.flag("upsert"):
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both upsert=true and remove=true")
	case remove && r.flag("new"):
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify both new=true and remove=true; 'remove' always returns the deleted document")
	case remove && r.has("arrayFilters"):
		return mongoerr.New(mongoerr.FailedToParse, "Cannot specify arrayFilters and remove=true")
	}
	return nil
}

// findAndModify returns the reply without ok.
func (w *writer) findAndModify(ctx context.Context) (bson.Raw, error) {
	a := w.r.args
	filter := a.doc("query")
	if filter == nil {
		filter = bsonx.NewDoc(0).Raw()
	}
	var got changed
	var value bson.Raw
	last := bsonx.NewDoc(64)
	if a.flag("remove") {
		var t target
		if _, err := w.aim(&t, filter, a); err != nil {
			return nil, err
		}
		var err error
		if got, err = w.deleteFirst(ctx, &t); err != nil {
			return nil, err
		}
		value = got.before
		last.Append("n", bsonx.Int32(int32(got.matched)))
	} else {
		c := &change{upsert: a.flag("upsert")}
		err := w.compile(&update.Compiler{}, filter, a, a.get("update"), c)
		if err != nil {
			return nil, err
		}
		if got, err = w.apply(ctx, c); err != nil {
			return nil, err
		}
		if value = got.before; a.flag("new") {
			value = got.after
		}
		last.Append("n", bsonx.Int32(int32(got.matched))).Append("updatedExisting", bsonx.Bool(got.matched > 0 && bsonx.IsMissing(got.upserted))).
			Append("upserted", got.upserted)
	}
	shown, err := w.shown(value, filter)
	if err != nil {
		return nil, err
	}
	return bsonx.NewDoc(256).Append("lastErrorObject", last.Value()).Append("value", shown).Raw(), nil
}

// shown projects the document that the reply carries.
func (w *writer) shown(doc, filter bson.Raw) (bson.RawValue, error) {
	if doc == nil {
		return bson.RawValue{Type: bson.TypeNull}, nil
	}
	spec := w.r.doc("fields")
	if bsonx.IsEmpty(spec) {
		return bsonx.Document(doc), nil
	}
	env, scope, err := w.r.env()
	if err != nil {
		return bson.RawValue{}, err
	}
	m, err := query.Compile(filter, query.Options{Scope: scope, Env: env})
	if err != nil {
		return bson.RawValue{}, err
	}
	p, err := project.Compile(spec, project.Options{Filter: m, Scope: scope, Env: env})
	if err != nil {
		return bson.RawValue{}, err
	}
	index := -1
	if p.NeedsIndex() {
		if _, index, err = m.MatchArray(doc); err != nil {
			return bson.RawValue{}, err
		}
	}
	doc, err = p.Apply(doc, index)
	return bsonx.Document(doc), err
}
