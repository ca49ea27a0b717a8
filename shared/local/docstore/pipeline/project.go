package pipeline

import (
	"context"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
)

// mode is what a projection does with fields that it does not name.
type mode int

const (
	undecided mode = iota
	keepOthers
	dropOthers
)

// field is a node of a projection: a name that is kept, dropped or computed, or an object with fields of its own.
type field struct {
	names    []string
	children map[string]*field
	// exactly one of leaf and value is set where the node has no children
	leaf, drop bool
	value      expr.Expr
}

func (f *field) isEnd() bool { return f.leaf || f.value != nil }

func (f *field) child(name string) *field {
	if f.children == nil {
		f.children = map[string]*field{}
	}
	k, ok := f.children[name]
	if !ok {
		k = &field{}
		f.children[name] = k
		f.names = append(f.names, name)
	}
	return k
}

// projectStage is $project, $addFields, $set and $unset.
type projectStage struct {
	root *field
	rest mode
}

func (s *projectStage) run(_ context.Context, env *expr.Env, in Iterator) (Iterator, error) {
	return mapDocs(in, func(d bson.Raw) (bson.Raw, error) { return s.apply(env, d) }), nil
}

func (s *projectStage) apply(env *expr.Env, d bson.Raw) (bson.Raw, error) {
	p := projector{env: env, root: d, rest: s.rest}
	return p.object(s.root, d, s.rest == dropOthers)
}

// projector applies a projection to one document.
type projector struct {
	env  *expr.Env
	root bson.Raw
	rest mode
}

// object projects a document; idFirst puts _id in front.
func (p *projector) object(f *field, d bson.Raw, idFirst bool) (bson.Raw, error) {
	b := bsonx.NewDoc(len(d))
	var done [16]string
	placed := done[:0]
	if idFirst {
		if k := f.children["_id"]; k != nil && !k.drop {
			if v, err := p.value(k, bsonx.Lookup(d, "_id")); err != nil {
				return nil, err
			} else if !bsonx.IsMissing(v) {
				b.Append("_id", v)
			}
			placed = append(placed, "_id")
		}
	}
	for it := bsonx.Elements(d); it.Next(); {
		k := f.children[string(it.Key())]
		switch {
		case k == nil:
			if p.rest == keepOthers {
				b.AppendBytes(it.Key(), it.Value())
			}
			continue
		case slices.Contains(placed, string(it.Key())):
			continue
		case k.value != nil && p.rest == dropOthers:
			continue
		}
		v, err := p.value(k, it.Value())
		if err != nil {
			return nil, err
		}
		placed = append(placed, string(it.Key()))
		if !bsonx.IsMissing(v) {
			b.AppendBytes(it.Key(), v)
		}
	}
	for _, name := range f.names {
		k := f.children[name]
		if slices.Contains(placed, name) || !k.computes() {
			continue
		}
		v, err := p.value(k, bson.RawValue{})
		if err != nil {
			return nil, err
		}
		if !bsonx.IsMissing(v) {
			b.Append(name, v)
		}
	}
	return b.Raw(), nil
}

// computes tells whether a computed field lies below.
func (f *field) computes() bool {
	if f.value != nil {
		return true
	}
	for _, k := range f.children {
		if k.computes() {
			return true
		}
	}
	return false
}

// value projects one field's value; missing removes it.
func (p *projector) value(f *field, v bson.RawValue) (bson.RawValue, error) {
	switch {
	case f.value != nil:
		return f.value.Eval(p.env, p.root)
	case f.drop:
		return bson.RawValue{}, nil
	case f.leaf:
		return v, nil
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		d, err := p.object(f, v.Value, false)
		return bsonx.Document(d), err
	case bson.TypeArray:
		return p.array(f, v)
	}
	if f.computes() {
		d, err := p.object(f, nil, false)
		return bsonx.Document(d), err
	}
	if p.rest == dropOthers {
		return bson.RawValue{}, nil
	}
	return v, nil
}

func (p *projector) array(f *field, v bson.RawValue) (bson.RawValue, error) {
	b := bsonx.NewArray(len(v.Value))
	for it := bsonx.Items(v); it.Next(); {
		item, err := p.value(f, it.Value())
		if err != nil {
			return item, err
		}
		if !bsonx.IsMissing(item) {
			b.Append(item)
		}
	}
	return b.Value(), nil
}
