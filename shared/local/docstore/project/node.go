package project

import (
	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
)

type kind uint8

const (
	inner   kind = iota // has kids
	include             // keep as it is
	exclude             // take away
	compute             // an expression
	slice               // part of an array
	element             // the first element that matches
)

// node is one component of the projection's paths, with its kids in the order of the spec.
type node struct {
	kind  kind
	names []string
	kids  []*node

	expr        expr.Expr
	skip, limit int // of slice; skip < 0 counts from the end
	matcher     *query.Matcher
}

func (n *node) kid(name string) *node {
	for i, k := range n.names {
		if k == name {
			return n.kids[i]
		}
	}
	return nil
}

func (n *node) kidBytes(name []byte) *node {
	for i, k := range n.names {
		if k == string(name) {
			return n.kids[i]
		}
	}
	return nil
}

func (n *node) add(name string) *node {
	k := &node{}
	n.names, n.kids = append(n.names, name), append(n.kids, k)
	return k
}

// computes reports whether something below makes values that the document does not have.
func (n *node) computes() bool {
	if n.kind == compute {
		return true
	}
	for _, k := range n.kids {
		if k.computes() {
			return true
		}
	}
	return false
}

// run is one application of a projection.
type run struct {
	p    *Projection
	root bson.Raw
}

// object projects a document by the node's kids. What expressions and $elemMatch make comes last, in the order of the spec,
// unless the field stays in its place.
func (r *run) object(doc bson.Raw, n *node) (bson.RawValue, error) {
	b := bsonx.NewDoc(len(doc))
	var placed []*node
	for it := bsonx.Elements(doc); it.Next(); {
		k := n.kidBytes(it.Key())
		switch {
		case k == nil && !r.p.exclude:
			continue
		case k == nil:
			b.AppendBytes(it.Key(), it.Value())
			continue
		case !r.p.exclude && (k.kind == compute || k.kind == element):
			continue
		}
		v, err := r.value(it.Value(), k)
		if err != nil {
			return v, err
		}
		b.AppendBytes(it.Key(), v)
		placed = append(placed, k)
	}
	for i, k := range n.kids {
		if k.kind != element && !k.computes() || contains(placed, k) {
			continue
		}
		v, err := r.value(bsonx.Lookup(doc, n.names[i]), k)
		if err != nil {
			return v, err
		}
		b.Append(n.names[i], v)
	}
	return b.Value(), nil
}

func contains(all []*node, n *node) bool {
	for _, k := range all {
		if k == n {
			return true
		}
	}
	return false
}

// value returns what a field becomes, Missing where it is left out.
func (r *run) value(v bson.RawValue, n *node) (bson.RawValue, error) {
	switch n.kind {
	case include:
		return v, nil
	case exclude:
		return bsonx.Missing, nil
	case compute:
		return n.expr.Eval(r.p.env, r.root)
	case slice:
		return n.cut(v), nil
	case element:
		return n.first(v)
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return r.object(v.Value, n)
	case bson.TypeArray:
		return r.array(v, n)
	}
	switch {
	case n.computes():
		return r.object(bsonx.NewDoc(0).Raw(), n)
	case r.p.exclude:
		return v, nil
	}
	return bsonx.Missing, nil
}

// array projects each element; what is left out of an array leaves no gap.
func (r *run) array(arr bson.RawValue, n *node) (bson.RawValue, error) {
	b := bsonx.NewArray(len(arr.Value))
	for it := bsonx.Elements(arr.Value); it.Next(); {
		v, err := r.value(it.Value(), n)
		if err != nil {
			return v, err
		}
		if !bsonx.IsMissing(v) {
			b.Append(v)
		}
	}
	return b.Value(), nil
}

// cut is $slice: values that are not arrays stay.
func (n *node) cut(v bson.RawValue) bson.RawValue {
	if v.Type != bson.TypeArray {
		return v
	}
	items := bsonx.Values(v)
	from := min(n.skip, len(items))
	if n.skip < 0 {
		from = max(0, len(items)+n.skip)
	}
	return bsonx.ArrayOf(items[from:min(len(items), from+n.limit)]...)
}

// first is $elemMatch: an array of the first element that matches.
func (n *node) first(v bson.RawValue) (bson.RawValue, error) {
	if v.Type != bson.TypeArray {
		return bsonx.Missing, nil
	}
	ok, i, err := n.matcher.MatchArray(bsonx.NewDoc(len(v.Value)).Append("a", v).Raw())
	if err != nil || !ok {
		return bsonx.Missing, err
	}
	return bsonx.ArrayOf(bsonx.At(v.Value, i)), nil
}
