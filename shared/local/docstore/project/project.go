// Package project compiles find projections and applies them to raw BSON: inclusion, exclusion, expressions, $slice, $elemMatch
// and the positional operator. It owns their rules of combination; it does not own expressions, which are package expr's, nor
// the $project stage, which is package pipeline's.
package project

import (
	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// Options are what a projection may refer to.
type Options struct {
	// Scope and Env name and hold the variables of expressions; nil means none.
	Scope *expr.Scope
	Env   *expr.Env
	// Filter is the find's filter, which decides what the positional operator may do; nil means none.
	Filter *query.Matcher
}

// Projection is a compiled projection. It does not change; its Env serves one goroutine.
type Projection struct {
	root       *node
	exclude    bool
	env        *expr.Env
	positional string // the path before .$, "" for none
}

// Compile parses a projection; nil and {} keep whole documents. Errors are *mongoerr.Error with MongoDB's codes. The
// spec's bytes must stay unchanged while the Projection is in use.
func Compile(spec bson.Raw, opts Options) (*Projection, error) {
	if opts.Env == nil {
		opts.Env = &expr.Env{}
	}
	p := &parser{opts: opts, root: &node{}}
	if err := p.document(spec, ""); err != nil {
		return nil, err
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	out := &Projection{root: p.root, exclude: p.excludes(), env: opts.Env, positional: p.positional}
	if !out.exclude && p.root.kid("_id") == nil {
		p.root.add("_id").kind = include
	}
	return out, nil
}

// NeedsIndex reports whether Apply needs the array index from query.Matcher.MatchArray.
func (p *Projection) NeedsIndex() bool { return p.positional != "" }

// Apply returns the projected document; index is the array position that the filter matched, -1 for none.
func (p *Projection) Apply(doc bson.Raw, index int) (bson.Raw, error) {
	r := run{p: p, root: doc}
	v, err := r.object(doc, p.root)
	if err != nil {
		return nil, err
	}
	out := bsonx.IDFirst(v.Value)
	if p.positional == "" {
		return out, nil
	}
	one, err := pick(bsonx.Document(out), p.positional, index)
	return one.Value, err
}

// pick replaces the first array on the path by its one element at index.
func pick(v bson.RawValue, path string, index int) (bson.RawValue, error) {
	if v.Type == bson.TypeArray {
		if index < 0 {
			return v, mongoerr.New(51246, "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array")
		}
		el := bsonx.At(v.Value, index)
		if bsonx.IsMissing(el) {
			return v, mongoerr.New(51247, "Executor error during find command :: caused by :: positional operator '.$' element mismatch")
		}
		return bsonx.ArrayOf(el), nil
	}
	if v.Type != bson.TypeEmbeddedDocument || path == "" {
		return v, nil
	}
	head, rest, _ := bsonx.CutPath(path)
	inner, err := pick(bsonx.Lookup(v.Value, head), rest, index)
	if err != nil || bsonx.IsMissing(inner) {
		return v, err
	}
	return bsonx.Document(bsonx.With(v.Value, head, inner)), nil
}
