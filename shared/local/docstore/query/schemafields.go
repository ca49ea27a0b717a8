package query

import (
	"slices"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// fieldRules are the three keywords that say something of an object's fields.
type fieldRules struct {
	named    map[string]*schema
	patterns []patternRule
	others   predicate // nil allows all
}

type patternRule struct {
	re *regexPredicate
	s  *schema
}

// schemaProperties makes one predicate of the keywords of fields, at the first of them that stands in the schema.
func schemaProperties(name string, v bson.RawValue, doc bson.Raw) (predicate, error) {
	if name == "additionalProperties" {
		if v.Type != bson.TypeBoolean && v.Type != bson.TypeEmbeddedDocument {
			return nil, schemaType(name, "an object or a boolean")
		}
	} else if v.Type != bson.TypeEmbeddedDocument {
		return nil, schemaType(name, "an object")
	}
	if name != firstOf(doc, "properties", "patternProperties", "additionalProperties") {
		return nil, nil
	}
	rules, err := parseFieldRules(doc)
	if err != nil {
		return nil, err
	}
	return when{isObject, rules.hold}, nil
}

func firstOf(doc bson.Raw, names ...string) string {
	for it := bsonx.Elements(doc); it.Next(); {
		if slices.Contains(names, string(it.Key())) {
			return string(it.Key())
		}
	}
	return ""
}

func parseFieldRules(doc bson.Raw) (*fieldRules, error) {
	r := &fieldRules{named: map[string]*schema{}}
	for it := bsonx.Items(bsonx.Lookup(doc, "properties")); it.Next(); {
		s, err := parseSchema(it.Value())
		if err != nil {
			return nil, err
		}
		r.named[string(it.Key())] = s
	}
	for it := bsonx.Items(bsonx.Lookup(doc, "patternProperties")); it.Next(); {
		re, err := newRegex(string(it.Key()), "")
		if err != nil {
			return nil, err
		}
		s, err := parseSchema(it.Value())
		if err != nil {
			return nil, err
		}
		r.patterns = append(r.patterns, patternRule{re, s})
	}
	var err error
	r.others, err = parseOthers(bsonx.Lookup(doc, "additionalProperties"))
	return r, err
}

// parseOthers reads additionalProperties and additionalItems: nil where they allow everything.
func parseOthers(v bson.RawValue) (predicate, error) {
	switch {
	case v.Type == bson.TypeEmbeddedDocument:
		return parseSchema(v)
	case v.Type == bson.TypeBoolean && !v.Boolean():
		return nothing{}, nil
	}
	return nil, nil
}

func (r *fieldRules) hold(obj bson.RawValue) bool {
	for it := bsonx.Elements(obj.Value); it.Next(); {
		s, known := r.named[string(it.Key())]
		if known && !s.test(it.Value()) {
			return false
		}
		for _, p := range r.patterns {
			if !p.re.re.Match(it.Key()) {
				continue
			}
			known = true
			if !p.s.test(it.Value()) {
				return false
			}
		}
		if !known && r.others != nil && !r.others.test(it.Value()) {
			return false
		}
	}
	return true
}

func schemaItems(name string, v bson.RawValue, doc bson.Raw) (predicate, error) {
	if name == "additionalItems" {
		if v.Type != bson.TypeBoolean && v.Type != bson.TypeEmbeddedDocument {
			return nil, schemaType(name, "an object or a boolean")
		}
		_, err := parseOthers(v)
		return nil, err
	}
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		s, err := parseSchema(v)
		if err != nil {
			return nil, err
		}
		return when{isArray, func(arr bson.RawValue) bool { return itemsHold(arr, nil, s) }}, nil
	case bson.TypeArray:
	default:
		return nil, schemaType(name, "an object or an array of objects")
	}
	list, err := schemaList(name, v)
	if err != nil {
		return nil, err
	}
	others, err := parseOthers(bsonx.Lookup(doc, "additionalItems"))
	if err != nil {
		return nil, err
	}
	return when{isArray, func(arr bson.RawValue) bool { return itemsHold(arr, list, others) }}, nil
}

// itemsHold tests the first elements by list and all further ones by others, nil for no condition.
func itemsHold(arr bson.RawValue, list []*schema, others predicate) bool {
	i := 0
	for it := bsonx.Elements(arr.Value); it.Next(); i++ {
		if i < len(list) {
			if !list[i].test(it.Value()) {
				return false
			}
		} else if others != nil && !others.test(it.Value()) {
			return false
		}
	}
	return true
}

func schemaUnique(v bson.RawValue) (predicate, error) {
	if v.Type != bson.TypeBoolean {
		return nil, schemaType("uniqueItems", "a boolean")
	}
	if !v.Boolean() {
		return nil, nil
	}
	return when{isArray, func(arr bson.RawValue) bool {
		items := bsonx.Values(arr)
		slices.SortFunc(items, bsonx.Compare)
		return len(slices.CompactFunc(items, bsonx.Equal)) == bsonx.Len(arr.Value)
	}}, nil
}
