// Package update compiles and applies MongoDB updates to raw BSON documents: operators, replacement documents and pipelines. It owns
// the operators, array filters, positional paths and what an upsert inserts; it does not own which documents are chosen, nor
// pipeline stages, which it runs through package pipeline.
//
// A pipeline update may use $set, $addFields, $unset, $project, $replaceRoot and $replaceWith.
package update

import (
	"bytes"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Options say how an update is meant.
type Options struct {
	ArrayFilters []bson.Raw
	Multi        bool
	// Env gives the clock: Now for $currentDate. Required for $currentDate and pipelines; nil stands for an empty one.
	Env *expr.Env
	// Stamp gives the timestamps of $currentDate, and of a replacement for those that are Timestamp(0, 0): a later one with every call,
	// from any goroutine. Made from Env's Now where nil.
	Stamp func() bson.Timestamp
	// Let are the variables of a pipeline update.
	Let bson.Raw
}

// Update is a compiled update. It does not change; an Env in its options serves one goroutine.
type Update struct {
	kind  kind
	env   *expr.Env
	stamp func() bson.Timestamp

	flat       []simple // instead of the root, where the update is simple enough
	root       *tree
	filters    map[string]*query.Matcher
	positional bool

	replacement bson.Raw

	pipeline *pipelineUpdate
}

type kind uint8

const (
	byOperators kind = iota
	byReplacement
	byPipeline
)

// Compile parses the u of an update or findAndModify command. Errors are *mongoerr.Error with MongoDB's codes. The bytes
// must stay unchanged while the Update is in use.
func Compile(u bson.RawValue, opts Options) (*Update, error) {
	var c Compiler
	return c.Compile(u, opts)
}

func compileAny(u bson.RawValue, opts Options) (*Update, error) {
	if opts.Env == nil {
		opts.Env = &expr.Env{}
	}
	out := &Update{env: opts.Env, stamp: opts.Stamp}
	if out.stamp == nil {
		out.stamp = func() bson.Timestamp { return bson.Timestamp{T: uint32(opts.Env.Now.Unix()), I: 1} }
	}
	if err := out.compile(u, opts); err != nil {
		return nil, err
	}
	return out, nil
}

func (u *Update) compile(v bson.RawValue, opts Options) error {
	switch v.Type {
	case bson.TypeArray:
		return u.compilePipeline(v, opts)
	case bson.TypeEmbeddedDocument:
	default:
		return mongoerr.New(mongoerr.FailedToParse, "Update argument must be either an object or an array")
	}
	if first := bsonx.FirstKey(v.Value); len(first) == 0 || first[0] != '$' {
		return u.compileReplacement(v.Value, opts)
	}
	return u.compileOperators(v.Value, opts)
}

// IsReplacement reports whether the update replaces the document but for its _id.
func (u *Update) IsReplacement() bool { return u.kind == byReplacement }

// NeedsIndex reports whether the update uses the positional operator $, for which Apply needs the index from
// query.Matcher.MatchArray.
func (u *Update) NeedsIndex() bool { return u.positional }

// Pure reports whether Apply depends on nothing but the document, so that any goroutine may call it.
func (u *Update) Pure() bool { return u.kind != byPipeline && !u.positional }

// Apply returns the updated document and whether it differs. index is the array position that the filter matched, -1 for
// none. The document given is left as it is; where nothing changes it is what is returned.
func (u *Update) Apply(doc bson.Raw, index int) (out bson.Raw, changed bool, err error) {
	switch u.kind {
	case byReplacement:
		out, err = u.replace(doc)
	case byPipeline:
		out, err = u.pipeline.run(doc)
	default:
		out, err = u.applyOperators(doc, index, false)
	}
	if err != nil {
		return nil, false, err
	}
	if u.kind == byReplacement && !bytes.Equal(u.replacement, doc) {
		return out, true, nil // MongoDB counts even a replacement that only lacks the _id as a change
	}
	return out, !bytes.Equal(out, doc), nil
}

// UpsertID is [Update.Upsert] for the filter {_id: id}.
func (u *Update) UpsertID(id bson.RawValue) (bson.Raw, error) {
	return u.insert(bsonx.NewDoc(len(id.Value)+5).Append("_id", id).Raw())
}

// Upsert returns the document to insert where nothing matched the filter: its equalities with the update applied. The
// document may lack an _id, which is then the caller's to make.
func (u *Update) Upsert(filter *query.Matcher) (bson.Raw, error) {
	eqs, err := filter.Equalities()
	if err != nil {
		return nil, err
	}
	if u.kind == byReplacement {
		eqs = onlyID(eqs)
	}
	return u.insert(seed(eqs))
}

// insert applies the update to what the filter of an upsert gives.
func (u *Update) insert(base bson.Raw) (bson.Raw, error) {
	switch u.kind {
	case byReplacement:
		return u.replace(base)
	case byPipeline:
		return u.pipeline.run(base)
	}
	return u.applyOperators(base, -1, true)
}

func onlyID(eqs []query.Equality) []query.Equality {
	for _, e := range eqs {
		if e.Path == "_id" {
			return []query.Equality{e}
		}
	}
	return nil
}

// seed builds a document of equalities, _id first.
func seed(eqs []query.Equality) bson.Raw {
	doc := bsonx.NewDoc(0).Raw()
	for _, first := range []bool{true, false} {
		for _, e := range eqs {
			if (e.Path == "_id") == first {
				doc = putPath(doc, e.Path, e.Value)
			}
		}
	}
	return doc
}

func putPath(doc bson.Raw, path string, v bson.RawValue) bson.Raw {
	head, rest, more := bsonx.CutPath(path)
	if more {
		inner := bsonx.Lookup(doc, head)
		if inner.Type != bson.TypeEmbeddedDocument {
			inner = bsonx.NewDoc(0).Value()
		}
		v = bsonx.Document(putPath(inner.Value, rest, v))
	}
	return bsonx.With(doc, head, v)
}

func (u *Update) compileReplacement(doc bson.Raw, opts Options) error {
	if opts.Multi {
		return mongoerr.New(mongoerr.FailedToParse, "multi update is not supported for replacement-style update")
	}
	if len(opts.ArrayFilters) > 0 {
		return mongoerr.New(mongoerr.FailedToParse, "arrayFilters may not be specified for replacement-style updates")
	}
	for it := bsonx.Elements(doc); it.Next(); {
		if len(it.Key()) > 0 && it.Key()[0] == '$' {
			return mongoerr.New(mongoerr.DollarPrefixedFieldName,
				"The dollar ($) prefixed field '%s' in '%s' is not allowed in the context of an update's replacement document. "+
					"Consider using an aggregation pipeline with $replaceWith.", it.Key(), it.Key())
		}
	}
	u.kind, u.replacement = byReplacement, doc
	return nil
}

func (u *Update) replace(doc bson.Raw) (bson.Raw, error) {
	id, given := bsonx.Lookup(doc, "_id"), bsonx.Lookup(u.replacement, "_id")
	if bsonx.IsMissing(id) {
		id = given
	} else if !bsonx.IsMissing(given) && !bsonx.Equal(id, given) {
		return nil, mongoerr.New(mongoerr.ImmutableField,
			"After applying the update, the (immutable) field '_id' was found to have been altered to _id: %s", given)
	}
	b := bsonx.NewDoc(len(u.replacement)+len(id.Value)+8).Append("_id", id)
	for it := bsonx.Elements(u.replacement); it.Next(); {
		if string(it.Key()) != "_id" {
			b.AppendBytes(it.Key(), stamped(it.Value(), u.stamp))
		}
	}
	return b.Raw(), nil
}

// Stamped returns an inserted document with the times that stamp gives in place of the fields that are Timestamp(0, 0), _id excepted,
// as MongoDB stores it.
func Stamped(doc bson.Raw, stamp func() bson.Timestamp) bson.Raw {
	for it := bsonx.Elements(doc); it.Next(); {
		if !isZeroTimestamp(it.Value()) || string(it.Key()) == "_id" {
			continue
		}
		out := bsonx.NewDoc(len(doc))
		for it := bsonx.Elements(doc); it.Next(); {
			v := it.Value()
			if string(it.Key()) != "_id" {
				v = stamped(v, stamp)
			}
			out.AppendBytes(it.Key(), v)
		}
		return out.Raw()
	}
	return doc
}

func stamped(v bson.RawValue, stamp func() bson.Timestamp) bson.RawValue {
	if !isZeroTimestamp(v) {
		return v
	}
	t := stamp()
	return bsonx.Timestamp(t.T, t.I)
}

func isZeroTimestamp(v bson.RawValue) bool {
	return v.Type == bson.TypeTimestamp && bsonx.Equal(v, bsonx.Timestamp(0, 0))
}
