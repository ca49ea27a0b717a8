package command

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
	"github.com/strata-crm/strata/shared/local/docstore/plan"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

// sink writes what $out and $merge produce.
type sink struct{ r *request }

// Out implements pipeline.Sink: it fills a new collection with the old one's indexes and puts it in the old one's place.
func (s *sink) Out(ctx context.Context, ns pipeline.Namespace, docs pipeline.Iterator) error {
	target := engine.Namespace{DB: ns.DB, Name: ns.Coll}
	if err := checkNamespace(target); err != nil {
		return err
	}
	temp := engine.Namespace{DB: ns.DB, Name: "tmp.agg_out." + bson.NewObjectID().Hex()}
	var options bson.Raw
	var specs []bson.Raw
	if c := s.r.engine.Collection(target); c != nil {
		options = c.Options
		for _, x := range c.Indexes {
			specs = append(specs, x.Spec)
		}
	}
	if _, err := s.r.engine.Create(temp, options, specs); err != nil {
		return err
	}
	w := &writer{r: s.r, ns: temp}
	err := s.fill(ctx, w, docs)
	err = errors.Join(err, w.finish())
	if err == nil {
		err = s.r.engine.Rename(temp, target, true)
	}
	if err != nil {
		_, derr := s.r.engine.Drop(temp)
		return errors.Join(err, derr)
	}
	return nil
}

func (s *sink) fill(ctx context.Context, w *writer, docs pipeline.Iterator) error {
	defer docs.Close()
	for i := int32(0); ; i++ {
		doc, ok, err := docs.Next(ctx)
		if err != nil || !ok {
			return err
		}
		if err := w.insertOne(ctx, doc); err != nil {
			return err
		}
		if err := w.done(i, nil); err != nil {
			return err
		}
	}
}

// badOn is the code of a $merge whose "on" fields no unique index covers.
const badOn = 51183

// CheckMerge implements pipeline.Sink.
func (s *sink) CheckMerge(_ context.Context, spec pipeline.MergeSpec) error {
	target := engine.Namespace{DB: spec.Into.DB, Name: spec.Into.Coll}
	if err := checkNamespace(target); err != nil {
		return err
	}
	if len(spec.On) == 0 || len(spec.On) == 1 && spec.On[0] == "_id" {
		return nil
	}
	on := slices.Sorted(slices.Values(spec.On))
	if c := s.r.engine.Collection(target); c != nil {
		for _, x := range c.Indexes {
			var paths []string
			for _, f := range x.Fields {
				paths = append(paths, f.Path)
			}
			slices.Sort(paths)
			if x.Unique && x.Partial == nil && slices.Equal(paths, on) {
				return nil
			}
		}
	}
	return mongoerr.New(badOn, "Cannot find index to verify that join fields will be unique")
}

// Merge implements pipeline.Sink.
func (s *sink) Merge(ctx context.Context, spec pipeline.MergeSpec, m pipeline.Merged) error {
	filter, err := mergeFilter(spec, m.Doc)
	if err != nil {
		return err
	}
	matcher, err := query.Compile(filter, query.Options{})
	if err != nil {
		return err
	}
	w := &writer{r: s.r, ns: engine.Namespace{DB: spec.Into.DB, Name: spec.Into.Coll}}
	t := &target{filter: filter, id: onlyID(filter), matcher: matcher}
	err = w.attempt(ctx, spec.WhenNotMatched == "insert", func(tx *engine.Tx, c *engine.Collection) error {
		return w.merge(ctx, tx, c, t, spec, m)
	})
	return errors.Join(err, w.finish())
}

func mergeFilter(spec pipeline.MergeSpec, doc bson.Raw) (bson.Raw, error) {
	on := spec.On
	if len(on) == 0 {
		on = []string{"_id"}
	}
	out := bsonx.NewDoc(64)
	for _, path := range on {
		v := bsonx.LookupPath(doc, path)
		if path != "_id" && (bsonx.IsNullish(v) || v.Type == bson.TypeArray) {
			return nil, mongoerr.New(51132, "$merge write error: 'on' field '%s' cannot be missing, null, undefined or an array", path)
		}
		if bsonx.IsMissing(v) {
			v = bsonx.ObjectID(bson.NewObjectID())
		}
		out.Append(path, bsonx.NewDoc(32).Append("$eq", v).Value())
	}
	if filter := out.Raw(); len(on) > 1 || on[0] != "_id" {
		return filter, nil
	}
	id := bsonx.Lookup(doc, "_id")
	if bsonx.IsMissing(id) {
		id = bsonx.ObjectID(bson.NewObjectID())
	}
	if d, ok := id.DocumentOK(); ok && query.IsOperators(d) {
		return out.Raw(), nil
	}
	return bsonx.NewDoc(32).Append("_id", id).Raw(), nil
}

func (w *writer) merge(ctx context.Context, tx *engine.Tx, c *engine.Collection, t *target, spec pipeline.MergeSpec, m pipeline.Merged) error {
	f, ok, err := t.first(ctx, tx, c)
	if err != nil {
		return err
	}
	if !ok {
		return w.mergeNew(tx, c, spec, m)
	}
	after := withID(m.Doc, bsonx.Lookup(f.Doc, "_id"))
	switch spec.WhenMatched {
	case "fail":
		return duplicateOf(c, spec.On, f.Doc)
	case "keepExisting":
		return nil
	case "replace":
		if id := bsonx.Lookup(m.Doc, "_id"); !bsonx.IsMissing(id) && !bsonx.Equal(id, bsonx.Lookup(f.Doc, "_id")) {
			return mongoerr.New(mongoerr.ImmutableField, "$merge failed to update the matching document, did you attempt to modify the _id or the shard key?")
		}
	default:
		if after, err = m.Update(f.Doc); err != nil {
			return err
		}
	}
	return w.store(tx, c, f, after)
}

// duplicateOf says that a document with these "on" fields is there already.
func duplicateOf(c *engine.Collection, on []string, doc bson.Raw) error {
	if len(on) == 0 {
		on = []string{"_id"}
	}
	d := &engine.DuplicateKey{Namespace: c.Namespace}
	pattern, value, name := bsonx.NewDoc(32), bsonx.NewDoc(32), make([]string, 0, len(on))
	for _, path := range on {
		pattern.Append(path, bsonx.Int32(1))
		value.Append(path, bsonx.LookupPath(doc, path))
		name = append(name, path+"_1")
	}
	d.KeyPattern, d.KeyValue, d.Index = pattern.Raw(), value.Raw(), strings.Join(name, "_")
	if len(on) == 1 && on[0] == "_id" {
		d.Index = "_id_"
	}
	return d
}

func (w *writer) store(tx *engine.Tx, c *engine.Collection, f plan.Found, after bson.Raw) error {
	if bytes.Equal(f.Doc, after) {
		return nil
	}
	if err := checkUpdated(f.Doc, after); err != nil {
		return err
	}
	if err := w.validate(c, f.Doc, after); err != nil {
		return err
	}
	return tx.Update(c, f.ID, f.Doc, after)
}

func (w *writer) mergeNew(tx *engine.Tx, c *engine.Collection, spec pipeline.MergeSpec, m pipeline.Merged) error {
	switch spec.WhenNotMatched {
	case "discard":
		return nil
	case "fail":
		return mongoerr.New(13113, "$merge could not find a matching document in the target collection for at least one document in the source collection")
	}
	doc, err := storable(m.Doc)
	if err != nil {
		return err
	}
	if err := w.validate(c, nil, doc); err != nil {
		return err
	}
	return tx.Insert(c, doc)
}
