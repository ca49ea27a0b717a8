package query

import (
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func (p *parser) inArg(op string, v bson.RawValue) (predicate, error) {
	if v.Type != bson.TypeArray {
		return nil, bad("%s needs an array", op)
	}
	s := &inSet{}
	for it := bsonx.Elements(v.Value); it.Next(); {
		item := it.Value()
		switch {
		case item.Type == bson.TypeEmbeddedDocument && isOperators(item.Value):
			return nil, bad("cannot nest $ under %s", op)
		case item.Type == bson.TypeUndefined:
			return nil, bad("%s cannot contain undefined", op)
		case item.Type == bson.TypeRegex:
			r, err := newRegex(bsonx.RegexParts(item))
			if err != nil {
				return nil, err
			}
			s.regexes = append(s.regexes, r)
		default:
			s.null = s.null || item.Type == bson.TypeNull
			s.values = append(s.values, item)
		}
	}
	if len(s.values) == 1 && len(s.regexes) == 0 {
		return newComparison(opEq, s.values[0]), nil
	}
	slices.SortFunc(s.values, bsonx.Compare)
	return s, nil
}

func (p *parser) notArg(name string, v bson.RawValue) (predicate, error) {
	switch {
	case v.Type == bson.TypeRegex:
		return negate(equality(v))
	case v.Type != bson.TypeEmbeddedDocument:
		return nil, bad("$not needs a regex or a document")
	case bsonx.IsEmpty(v.Value):
		return nil, bad("$not cannot be empty")
	}
	preds, err := p.operators(name, v.Value)
	if err != nil {
		return nil, err
	}
	return negated{preds}, nil
}

func (p *parser) elemMatchArg(v bson.RawValue) (predicate, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, bad("$elemMatch needs an Object")
	}
	if first := bsonx.FirstKey(v.Value); isOperators(v.Value) && !isLogical(first) {
		preds, err := p.operators("", v.Value)
		return &elemValue{preds}, err
	}
	n, err := p.document(v.Value, level{})
	if err != nil {
		return nil, err
	}
	return &elemObject{simplify(n)}, nil
}

func isLogical(name string) bool {
	switch name {
	case "$and", "$or", "$nor", "$where", "$expr", "$comment", "$jsonSchema", "$text":
		return true
	}
	return false
}

func (p *parser) allArg(v bson.RawValue) (predicate, error) {
	if v.Type != bson.TypeArray {
		return nil, bad("$all needs an array")
	}
	items := bsonx.Values(v)
	if len(items) == 0 {
		return nothing{}, nil
	}
	elem := isElemMatch(items[0])
	var out []predicate
	for _, item := range items {
		pred, err := p.allItem(item, elem)
		if err != nil {
			return nil, err
		}
		out = append(out, pred)
	}
	return allOf{out}, nil
}

func isElemMatch(v bson.RawValue) bool {
	return v.Type == bson.TypeEmbeddedDocument && bsonx.FirstKey(v.Value) == "$elemMatch"
}

func (p *parser) allItem(v bson.RawValue, elem bool) (predicate, error) {
	if elem {
		if !isElemMatch(v) {
			return nil, bad("$all/$elemMatch has to be consistent")
		}
		return p.elemMatchArg(bsonx.Lookup(v.Value, "$elemMatch"))
	}
	if v.Type == bson.TypeEmbeddedDocument && isOperators(v.Value) {
		return nil, bad("no $ expressions in $all")
	}
	return equality(v)
}
