package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/update"
)

func writeCommands() map[string]*command {
	modify := &command{run: findAndModify, fields: modifyFields, nulls: []string{"hint"}, retryable: true, inTransaction: true}
	return map[string]*command{
		"insert": {run: insert, sequence: "documents", required: []string{"documents"}, retryable: true, inTransaction: true,
			fields: fields{"documents": isDocs, "ordered": isBool, "bypassDocumentValidation": isFlag, "stmtIds": isIntegers, "stmtId": isInteger}},
		"update": {run: updateCommand, sequence: "updates", required: []string{"updates"}, retryable: true, inTransaction: true,
			fields: fields{"updates": isDocs, "ordered": isBool, "bypassDocumentValidation": isFlag, "let": isDoc, "stmtIds": isIntegers, "stmtId": isInteger}},
		"delete": {run: deleteCommand, sequence: "deletes", required: []string{"deletes"}, retryable: true, inTransaction: true,
			fields: fields{"deletes": isDocs, "ordered": isBool, "let": isDoc, "stmtIds": isIntegers, "stmtId": isInteger}},
		"findAndModify": modify, "findandmodify": modify,
	}
}

var oneInserted = bsonx.NewDoc(16).Append("n", bsonx.Int32(1)).Raw()

func insert(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.writableNamespace()
	if err != nil {
		return nil, err
	}
	docs := r.documents("documents")
	if err := r.checkBatch(len(docs)); err != nil {
		return nil, err
	}
	w, err := newWriter(r, ns)
	if err != nil {
		return nil, err
	}
	defer w.abandon()
	n, failed, err := w.insertAll(ctx, docs)
	if ferr := w.finish(); err == nil {
		err = ferr
	}
	if err != nil {
		return nil, err
	}
	out := bsonx.NewDoc(64).Append("n", bsonx.Int32(int32(n)))
	failed.appendTo(out)
	w.appendRetried(out)
	return out, nil
}

func (w *writer) insertAll(ctx context.Context, docs []bson.Raw) (n int, failed writeErrors, err error) {
	for from := 0; from < len(docs); from += ahead {
		more, ok, err := w.insertSome(ctx, from, docs[from:min(len(docs), from+ahead)], &failed)
		if n += more; err != nil || !ok {
			return n, failed, err
		}
	}
	return n, failed, nil
}

// insertSome inserts documents of which the first is the command's document number from. It returns how many are there, and ok
// where the command goes on.
func (w *writer) insertSome(ctx context.Context, from int, docs []bson.Raw, failed *writeErrors) (n int, ok bool, err error) {
	var ready []engine.Ready
	fit, faults := allStorable(docs)
	for i, doc := range fit {
		if faults[i] == nil {
			fit[i] = update.Stamped(doc, w.r.stamp)
		}
	}
	if _, done := w.before(w.r.statement(from)); !done && faults[0] == nil {
		ready = w.makeReady(fit)
	}
	for i := range fit {
		statement := w.r.statement(from + i)
		if _, done := w.repeats(statement); done {
			n++
			continue
		}
		err := faults[i]
		switch {
		case err != nil:
		case ready != nil:
			err = w.insertReady(ctx, &ready[i])
		default:
			err = w.insertReady(ctx, &engine.Ready{Doc: fit[i]})
		}
		if err == nil {
			n++
			if err := w.done(statement, oneInserted); err != nil {
				return n, false, err
			}
			continue
		}
		if err := failed.add(w.r, from+i, err); err != nil {
			return n, false, err
		}
		if failed.stops(w.r, w.r.ordered()) {
			return n, false, nil
		}
	}
	return n, true, nil
}

// allStorable is storable for many documents, with all processors; faults says why one cannot be stored. Ids are made in the
// order of the documents.
func allStorable(docs []bson.Raw) (fit []bson.Raw, faults []error) {
	fit, faults = make([]bson.Raw, len(docs)), make([]error, len(docs))
	engine.Parallel(len(docs), func(from, to int) {
		for i := from; i < to; i++ {
			if !bsonx.IsMissing(bsonx.Lookup(docs[i], "_id")) {
				fit[i], faults[i] = storable(docs[i])
			}
		}
	})
	for i := range docs {
		if fit[i] == nil && faults[i] == nil {
			fit[i], faults[i] = storable(docs[i])
		}
	}
	return fit, faults
}

// makeReady builds the documents' keys ahead of the statements, nil where that gains nothing or meets an error, which the
// statements meet again and know what to do about. Where the collection is not there yet it is made.
func (w *writer) makeReady(docs []bson.Raw) (ready []engine.Ready) {
	if len(docs) < 2 {
		return nil
	}
	err := w.once(true, func(t *engine.Tx, c *engine.Collection) error {
		ready = t.MakeReady(c, docs)
		return nil
	})
	if err != nil {
		return nil
	}
	return ready
}

func (w *writer) insertOne(ctx context.Context, doc bson.Raw) error {
	doc, err := storable(doc)
	if err != nil {
		return err
	}
	return w.insertReady(ctx, &engine.Ready{Doc: update.Stamped(doc, w.r.stamp)})
}

func (w *writer) insertReady(ctx context.Context, r *engine.Ready) error {
	return w.attempt(ctx, true, func(t *engine.Tx, c *engine.Collection) error {
		if err := w.validate(c, nil, r.Doc); err != nil {
			return err
		}
		return t.InsertReady(c, r)
	})
}

// storable checks a document that is to be stored and gives it an _id, which comes first.
func storable(doc bson.Raw) (bson.Raw, error) {
	if len(doc) > maxDocument {
		return nil, mongoerr.New(mongoerr.BSONObjectTooLarge, "object to insert too large. size in bytes: %d, max size: %d", len(doc), maxDocument)
	}
	if !bsonx.Sound(doc, maxDepth) {
		if err := doc.Validate(); err != nil {
			return nil, mongoerr.New(22, "invalid BSON: %v", err)
		}
		if depth(doc, maxDepth+1) > maxDepth {
			return nil, mongoerr.New(mongoerr.Overflow, "document exceeds the nesting limit of %d levels", maxDepth)
		}
	}
	id := bsonx.Lookup(doc, "_id")
	switch id.Type {
	case bson.TypeArray, bson.TypeRegex, bson.TypeUndefined:
		return nil, mongoerr.New(mongoerr.InvalidIDField, "The '_id' value cannot be of type %s", bsonx.TypeName(id.Type))
	case bson.TypeEmbeddedDocument:
		if name := bsonx.FirstKey(id.Value); name != "" && name[0] == '$' && name != "$ref" && name != "$id" {
			return nil, mongoerr.New(mongoerr.DollarPrefixedFieldName, "_id fields may not contain '$'-prefixed fields: %s is not valid for storage.", name)
		}
	}
	if bsonx.FirstKey(doc) == "_id" {
		return doc, nil
	}
	return withID(doc, id), nil
}

// withID returns the document with _id in front; a missing one is made.
func withID(doc bson.Raw, id bson.RawValue) bson.Raw {
	if bsonx.IsMissing(id) {
		id = bsonx.ObjectID(bson.NewObjectID())
	}
	out := bsonx.NewDoc(len(doc)+24).Append("_id", id)
	for it := bsonx.Elements(doc); it.Next(); {
		if string(it.Key()) != "_id" {
			out.AppendBytes(it.Key(), it.Value())
		}
	}
	return out.Raw()
}

// maxDepth is how deep documents may nest.
const maxDepth = 180

// depth returns how deep doc nests, but no more than limit.
func depth(doc bson.Raw, limit int) int {
	deepest := 0
	if limit == 0 {
		return 0
	}
	for it := bsonx.Elements(doc); it.Next(); {
		if v := it.Value(); v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray {
			deepest = max(deepest, depth(v.Value, limit-1))
		}
	}
	return deepest + 1
}

// writableNamespace is namespace for commands that store documents.
func (r *request) writableNamespace() (engine.Namespace, error) {
	ns, err := r.namespace()
	if err == nil && len(ns.Name) > 7 && ns.Name[:7] == "system." && ns.Name != "system.js" {
		err = mongoerr.New(mongoerr.InvalidNamespace, "cannot write to '%s'", ns)
	}
	return ns, err
}
