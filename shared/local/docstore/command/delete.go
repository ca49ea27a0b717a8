package command

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
)

var deleteFields = fields{"q": isDoc, "limit": isNumber, "hint": isHint, "collation": isDoc}

func deleteCommand(ctx context.Context, r *request) (*bsonx.DocBuilder, error) {
	ns, err := r.writableNamespace()
	if err != nil {
		return nil, err
	}
	statements := r.documents("deletes")
	if err := r.checkBatch(len(statements)); err != nil {
		return nil, err
	}
	w, err := newWriter(r, ns)
	if err != nil {
		return nil, err
	}
	defer w.abandon()
	out, err := w.deleteAll(ctx, statements)
	if ferr := w.finish(); err == nil {
		err = ferr
	}
	return out, err
}

func (w *writer) deleteAll(ctx context.Context, statements []bson.Raw) (*bsonx.DocBuilder, error) {
	var n int32
	var failed writeErrors
	for i, s := range statements {
		statement := w.r.statement(i)
		reply, done := w.repeats(statement)
		if !done {
			got, err := w.deleteOne(ctx, s)
			if err == nil {
				reply = got.reply()
				err = w.done(statement, reply)
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
	}
	out := bsonx.NewDoc(64).Append("n", bsonx.Int32(n))
	failed.appendTo(out)
	w.appendRetried(out)
	return out, nil
}

func (w *writer) deleteOne(ctx context.Context, statement bson.Raw) (changed, error) {
	a, err := parseFields("delete.deletes", statement, deleteFields, "q", "limit")
	if err != nil {
		return changed{}, err
	}
	if a.has("collation") {
		return changed{}, unsupported("collation")
	}
	limit, ok := bsonx.FloatOf(a.get("limit"))
	if !ok || limit != 0 && limit != 1 {
		return changed{}, mongoerr.New(mongoerr.FailedToParse, "The limit field in delete objects must be 0 or 1. Got %v", limit)
	}
	if limit == 0 && w.r.session != nil && w.r.tx == nil {
		return changed{}, mongoerr.New(mongoerr.InvalidOptions, "Cannot use retryable writes with limit=0")
	}
	var t target
	if _, err := w.aim(&t, a.doc("q"), a); err != nil {
		return changed{}, err
	}
	if limit == 1 {
		return w.deleteFirst(ctx, &t)
	}
	return w.deleteMany(ctx, &t)
}

func (w *writer) deleteFirst(ctx context.Context, s *target) (changed, error) {
	var out changed
	err := w.attempt(ctx, false, func(t *engine.Tx, c *engine.Collection) error {
		out = changed{}
		f, ok, err := s.first(ctx, t, c)
		if err != nil || !ok {
			return err
		}
		out.matched, out.before = 1, f.Doc
		return t.Delete(c, f.ID, f.Doc)
	})
	return out, err
}

func (w *writer) deleteMany(ctx context.Context, s *target) (changed, error) {
	ids, err := w.all(ctx, s)
	var out changed
	for _, id := range ids {
		if err != nil {
			break
		}
		err = w.each(ctx, s, id, func(t *engine.Tx, c *engine.Collection, f plan.Found) error {
			if err := t.Delete(c, f.ID, f.Doc); err != nil {
				return err
			}
			out.matched++
			return nil
		})
	}
	return out, err
}

func unsupported(what string) error {
	return mongoerr.New(mongoerr.NotImplemented, "the local document store does not support %s", what)
}

// sortFields reads a sort specification of 1 and -1.
func sortFields(spec bson.Raw) ([]bsonx.IndexField, error) {
	var out []bsonx.IndexField
	for it := bsonx.Elements(spec); it.Next(); {
		name, v := string(it.Key()), it.Value()
		if v.Type == bson.TypeEmbeddedDocument {
			return nil, unsupported("sorting by $meta")
		}
		f, ok := bsonx.FloatOf(v)
		if !ok {
			return nil, mongoerr.New(15974, "Illegal key in $sort specification: %s: %s", name, v)
		}
		if f != 1 && f != -1 {
			return nil, mongoerr.New(15975, "$sort key ordering must be 1 (for ascending) or -1 (for descending)")
		}
		if name == "" {
			return nil, mongoerr.New(40352, "FieldPath cannot be constructed with empty string")
		}
		if _, err := expr.SplitPath(name); err != nil {
			return nil, err
		}
		out = append(out, bsonx.IndexField{Path: name, Desc: f < 0})
	}
	return out, nil
}
