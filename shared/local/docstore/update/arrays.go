package update

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// push is $push with its modifiers.
type push struct {
	each     []bson.RawValue
	position int  // math.MaxInt for the end
	slice    *int // nil for all
	sort     *elementSort
}

func parsePush(v bson.RawValue) (modifier, error) {
	p := &push{position: math.MaxInt}
	if v.Type != bson.TypeEmbeddedDocument || bsonx.IsMissing(bsonx.Lookup(v.Value, "$each")) {
		p.each = []bson.RawValue{v}
		return p, nil
	}
	for it := bsonx.Elements(v.Value); it.Next(); {
		if err := p.clause(string(it.Key()), it.Value()); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *push) clause(name string, v bson.RawValue) (err error) {
	switch name {
	case "$each":
		if v.Type != bson.TypeArray {
			return badValue("The argument to $each in $push must be an array but it was of type: %s", bsonx.TypeName(v.Type))
		}
		p.each = bsonx.Values(v)
	case "$slice":
		n, ok := bsonx.IntegerOf(v)
		if !ok {
			return badValue("The value for $slice must be an integer value but was given type: %s", bsonx.TypeName(v.Type))
		}
		s := clampInt(n)
		p.slice = &s
	case "$position":
		n, ok := bsonx.IntegerOf(v)
		if !ok {
			return badValue("The value for $position must be an integer value, not of type: %s", bsonx.TypeName(v.Type))
		}
		p.position = clampInt(n)
	case "$sort":
		p.sort, err = parseElementSort(v)
	default:
		return badValue("Unrecognized clause in $push: %s", name)
	}
	return err
}

func clampInt(n int64) int { return int(max(math.MinInt32, min(math.MaxInt32, n))) }

func (*push) creates(*state) bool { return true }

func (p *push) apply(_ *state, v bson.RawValue, path string) (bson.RawValue, error) {
	if v.Type != bson.TypeArray && v.Type != 0 {
		return v, badValue("The field '%s' must be an array but is of type %s", path, bsonx.TypeName(v.Type))
	}
	items := bsonx.Values(v)
	items = slices.Insert(items, p.offset(len(items)), p.each...)
	if p.sort != nil {
		slices.SortStableFunc(items, p.sort.compare)
	}
	return bsonx.ArrayOf(p.cut(items)...), nil
}

func (p *push) offset(n int) int {
	if p.position < 0 {
		return max(0, n+p.position)
	}
	return min(n, p.position)
}

func (p *push) cut(items []bson.RawValue) []bson.RawValue {
	switch {
	case p.slice == nil:
		return items
	case *p.slice < 0:
		return items[max(0, len(items)+*p.slice):]
	}
	return items[:min(len(items), *p.slice)]
}

// elementSort orders array elements, by fields of theirs or, without, by themselves.
type elementSort struct {
	fields []bsonx.IndexField
	desc   bool
}

func parseElementSort(v bson.RawValue) (*elementSort, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		desc, ok := direction(v)
		if !ok {
			return nil, badValue("The $sort is invalid: use 1/-1 to sort the whole element, or {field:1/-1} to sort embedded fields")
		}
		return &elementSort{desc: desc}, nil
	}
	s := &elementSort{}
	for it := bsonx.Elements(v.Value); it.Next(); {
		desc, ok := direction(it.Value())
		if !ok {
			return nil, badValue("The $sort element value must be either 1 or -1")
		}
		if err := sortPath(string(it.Key())); err != nil {
			return nil, err
		}
		s.fields = append(s.fields, bsonx.IndexField{Path: string(it.Key()), Desc: desc})
	}
	if s.fields == nil {
		return nil, badValue("The $sort pattern is empty when it should be a set of fields.")
	}
	return s, nil
}

func sortPath(path string) error {
	for rest, more := path, true; more; {
		var head string
		if head, rest, more = bsonx.CutPath(rest); head == "" {
			return badValue("The $sort field is a dotted field but has an empty part: %s", path)
		}
	}
	return nil
}

func direction(v bson.RawValue) (desc, ok bool) {
	n, isInt := bsonx.IntegerOf(v)
	return n == -1, isInt && (n == 1 || n == -1)
}

func (s *elementSort) compare(a, b bson.RawValue) int {
	if s.fields == nil {
		if s.desc {
			a, b = b, a
		}
		return bsonx.Compare(a, b)
	}
	for _, f := range s.fields {
		c := bsonx.Compare(elementField(a, f.Path), elementField(b, f.Path))
		if f.Desc {
			c = -c
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

func elementField(v bson.RawValue, path string) bson.RawValue {
	if v.Type != bson.TypeEmbeddedDocument {
		return bsonx.Null
	}
	if f := bsonx.LookupPath(v.Value, path); !bsonx.IsMissing(f) {
		return f
	}
	return bsonx.Null
}

type addToSet struct{ values []bson.RawValue }

func parseAddToSet(v bson.RawValue) (modifier, error) {
	if v.Type != bson.TypeEmbeddedDocument || bsonx.FirstKey(v.Value) != "$each" {
		return addToSet{[]bson.RawValue{v}}, nil
	}
	each := bsonx.Lookup(v.Value, "$each")
	if each.Type != bson.TypeArray {
		return nil, mismatch("The argument to $each in $addToSet must be an array but it was of type %s", bsonx.TypeName(each.Type))
	}
	if bsonx.Len(v.Value) > 1 {
		return nil, badValue("Found unexpected fields after $each in $addToSet: %s", v)
	}
	return addToSet{bsonx.Values(each)}, nil
}

func (addToSet) creates(*state) bool { return true }

func (a addToSet) apply(_ *state, v bson.RawValue, path string) (bson.RawValue, error) {
	if v.Type != bson.TypeArray && v.Type != 0 {
		return v, badValue("Cannot apply $addToSet to non-array field. Field named '%s' has non-array type %s", path, bsonx.TypeName(v.Type))
	}
	items := bsonx.Values(v)
	for _, add := range a.values {
		if !slices.ContainsFunc(items, func(have bson.RawValue) bool { return bsonx.Equal(have, add) }) {
			items = append(items, add)
		}
	}
	return bsonx.ArrayOf(items...), nil
}

// pull removes the elements for which drop is true.
type pull struct {
	op   string
	drop func(bson.RawValue) (bool, error)
}

func (*pull) creates(*state) bool { return false }

func (p *pull) apply(_ *state, v bson.RawValue, _ string) (bson.RawValue, error) {
	switch v.Type {
	case 0:
		return v, nil
	case bson.TypeArray:
	default:
		return v, badValue("Cannot apply %s to a non-array value", p.op)
	}
	b := bsonx.NewArray(len(v.Value))
	for it := bsonx.Elements(v.Value); it.Next(); {
		drop, err := p.drop(it.Value())
		if err != nil {
			return v, err
		}
		if !drop {
			b.Append(it.Value())
		}
	}
	return b.Value(), nil
}

// parsePull takes a filter on elements that are documents, operators or a regular expression on any element, or a value
// to equal.
func parsePull(v bson.RawValue) (modifier, error) {
	operators := v.Type == bson.TypeRegex || v.Type == bson.TypeEmbeddedDocument && query.IsOperators(v.Value) && !isLogical(v.Value)
	switch {
	case operators:
		m, err := query.Compile(bsonx.NewDoc(0).Append("", v).Raw(), query.Options{})
		return &pull{"$pull", func(el bson.RawValue) (bool, error) {
			return m.Match(bsonx.NewDoc(len(el.Value)+8).Append("", el).Raw())
		}}, err
	case v.Type == bson.TypeEmbeddedDocument:
		m, err := query.Compile(v.Value, query.Options{})
		return &pull{"$pull", func(el bson.RawValue) (bool, error) {
			if el.Type != bson.TypeEmbeddedDocument {
				return false, nil
			}
			return m.Match(el.Value)
		}}, err
	}
	return &pull{"$pull", func(el bson.RawValue) (bool, error) { return bsonx.Equal(el, v), nil }}, nil
}

func isLogical(doc bson.Raw) bool {
	switch bsonx.FirstKey(doc) {
	case "$and", "$or", "$nor", "$expr":
		return true
	}
	return false
}

func parsePullAll(v bson.RawValue) (modifier, error) {
	if v.Type != bson.TypeArray {
		return nil, badValue("$pullAll requires an array argument but was given a %s", bsonx.TypeName(v.Type))
	}
	values := bsonx.Values(v)
	return &pull{"$pullAll", func(el bson.RawValue) (bool, error) {
		return slices.ContainsFunc(values, func(x bson.RawValue) bool { return bsonx.Equal(x, el) }), nil
	}}, nil
}

type pop struct{ first bool }

func parsePop(v bson.RawValue) (modifier, error) {
	n, ok := bsonx.IntegerOf(v)
	if !ok {
		return nil, parseFail("Expected a number in $pop, found %s", v)
	}
	if n != 1 && n != -1 {
		return nil, parseFail("$pop expects 1 or -1, found: %s", v)
	}
	return pop{n == -1}, nil
}

func (pop) creates(*state) bool { return false }

func (p pop) apply(_ *state, v bson.RawValue, path string) (bson.RawValue, error) {
	switch v.Type {
	case 0:
		return v, nil
	case bson.TypeArray:
	default:
		return v, mismatch("Path '%s' contains an element of non-array type '%s'", path, bsonx.TypeName(v.Type))
	}
	items := bsonx.Values(v)
	switch {
	case len(items) == 0:
		return v, nil
	case p.first:
		return bsonx.ArrayOf(items[1:]...), nil
	}
	return bsonx.ArrayOf(items[:len(items)-1]...), nil
}
