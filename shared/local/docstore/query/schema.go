package query

import (
	"math"
	"slices"
	"unicode/utf8"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// schema is $jsonSchema: JSON Schema draft 4 with bsonType, without $ref, integer, dependencies and encrypt.
type schema struct{ checks []predicate }

func (s *schema) test(v bson.RawValue) bool { return (allOf{s.checks}).test(v) }

type schemaNode struct{ s *schema }

func (n schemaNode) match(_ *expr.Env, doc bson.Raw) (bool, error) {
	return n.s.test(bsonx.Document(doc)), nil
}

func (n schemaNode) locate(env *expr.Env, doc bson.Raw) (bool, int, error) {
	ok, err := n.match(env, doc)
	return ok, -1, err
}

// when applies a condition only to values of some types; to all others it holds.
type when struct {
	is   func(bson.Type) bool
	then func(bson.RawValue) bool
}

func (w when) test(v bson.RawValue) bool { return !w.is(v.Type) || w.then(v) }

func isType(t bson.Type) func(bson.Type) bool { return func(u bson.Type) bool { return t == u } }

func isNumberType(t bson.Type) bool { return bsonx.IsNumber(bson.RawValue{Type: t}) }

var (
	isObject = isType(bson.TypeEmbeddedDocument)
	isArray  = isType(bson.TypeArray)
	isString = isType(bson.TypeString)
)

func schemaError(format string, args ...any) error {
	return mongoerr.New(mongoerr.FailedToParse, format, args...)
}

func schemaType(keyword, want string) error {
	return mongoerr.New(mongoerr.TypeMismatch, "$jsonSchema keyword '%s' must be %s", keyword, want)
}

func parseSchema(v bson.RawValue) (*schema, error) {
	if v.Type != bson.TypeEmbeddedDocument {
		return nil, mongoerr.New(mongoerr.TypeMismatch, "$jsonSchema must be an object")
	}
	doc := bson.Raw(v.Value)
	if !bsonx.IsMissing(bsonx.Lookup(doc, "type")) && !bsonx.IsMissing(bsonx.Lookup(doc, "bsonType")) {
		return nil, schemaError("Cannot specify both $jsonSchema keywords 'type' and 'bsonType'")
	}
	s := &schema{}
	for it := bsonx.Elements(doc); it.Next(); {
		p, err := schemaKeyword(string(it.Key()), it.Value(), doc)
		if err != nil {
			return nil, err
		}
		if p != nil {
			s.checks = append(s.checks, p)
		}
	}
	return s, nil
}

func schemaKeyword(name string, v bson.RawValue, doc bson.Raw) (predicate, error) {
	switch name {
	case "title", "description":
		if v.Type != bson.TypeString {
			return nil, schemaType(name, "a string")
		}
		return nil, nil
	case "type", "bsonType":
		return schemaTypes(name, v)
	case "enum":
		return schemaEnum(v)
	case "allOf", "anyOf", "oneOf", "not":
		return schemaLogic(name, v)
	case "properties", "patternProperties", "additionalProperties":
		return schemaProperties(name, v, doc)
	case "required":
		return schemaRequired(v)
	case "items", "additionalItems":
		return schemaItems(name, v, doc)
	case "uniqueItems":
		return schemaUnique(v)
	case "minimum", "maximum", "multipleOf":
		return schemaNumber(name, v, doc)
	case "exclusiveMinimum", "exclusiveMaximum":
		return nil, schemaExclusive(name, v, doc)
	case "pattern":
		return schemaPattern(v)
	case "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties":
		return schemaCount(name, v)
	case "dependencies", "encrypt", "encryptMetadata":
		return nil, unsupported("$jsonSchema keyword " + name)
	}
	return nil, schemaError("Unknown $jsonSchema keyword: %s", name)
}

var jsonTypes = map[string]string{"object": "object", "array": "array", "number": "number", "string": "string", "boolean": "bool", "null": "null"}

func schemaTypes(keyword string, v bson.RawValue) (predicate, error) {
	names := []bson.RawValue{v}
	if v.Type == bson.TypeArray {
		names = bsonx.Values(v)
	}
	t := &typeSet{}
	for _, n := range names {
		if n.Type != bson.TypeString {
			return nil, schemaType(keyword, "a string or an array of strings")
		}
		name := n.StringValue()
		if keyword == "type" {
			if jsonTypes[name] == "" {
				return nil, schemaError("$jsonSchema type '%s' is not currently supported.", name)
			}
			name = jsonTypes[name]
		}
		if err := t.addName(name); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func schemaEnum(v bson.RawValue) (predicate, error) {
	if v.Type != bson.TypeArray || bsonx.IsEmpty(v.Value) {
		return nil, schemaType("enum", "a non-empty array")
	}
	items := bsonx.Values(v)
	return when{func(bson.Type) bool { return true }, func(x bson.RawValue) bool {
		return slices.ContainsFunc(items, func(i bson.RawValue) bool { return bsonx.Equal(i, x) })
	}}, nil
}

func schemaList(name string, v bson.RawValue) ([]*schema, error) {
	if v.Type != bson.TypeArray || bsonx.IsEmpty(v.Value) {
		return nil, schemaType(name, "a non-empty array of objects")
	}
	var out []*schema
	for it := bsonx.Elements(v.Value); it.Next(); {
		s, err := parseSchema(it.Value())
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func schemaLogic(name string, v bson.RawValue) (predicate, error) {
	if name == "not" {
		s, err := parseSchema(v)
		if err != nil {
			return nil, err
		}
		return negated{[]predicate{s}}, nil
	}
	list, err := schemaList(name, v)
	if err != nil {
		return nil, err
	}
	return when{func(bson.Type) bool { return true }, func(x bson.RawValue) bool {
		n := 0
		for _, s := range list {
			if s.test(x) {
				n++
			}
		}
		return name == "allOf" && n == len(list) || name == "anyOf" && n > 0 || name == "oneOf" && n == 1
	}}, nil
}

func schemaRequired(v bson.RawValue) (predicate, error) {
	if v.Type != bson.TypeArray || bsonx.IsEmpty(v.Value) {
		return nil, schemaType("required", "a non-empty array of strings")
	}
	var names []string
	for it := bsonx.Elements(v.Value); it.Next(); {
		if it.Value().Type != bson.TypeString {
			return nil, schemaType("required", "an array of strings")
		}
		name := it.Value().StringValue()
		if slices.Contains(names, name) {
			return nil, schemaError("$jsonSchema keyword 'required' array cannot contain duplicate values")
		}
		names = append(names, name)
	}
	return when{isObject, func(x bson.RawValue) bool {
		return !slices.ContainsFunc(names, func(n string) bool { return bsonx.IsMissing(bsonx.Lookup(x.Value, n)) })
	}}, nil
}

func schemaPattern(v bson.RawValue) (predicate, error) {
	if v.Type != bson.TypeString {
		return nil, schemaType("pattern", "a string")
	}
	re, err := newRegex(v.StringValue(), "")
	if err != nil {
		return nil, err
	}
	return when{isString, re.test}, nil
}

// schemaCount is the six keywords that bound a length.
func schemaCount(name string, v bson.RawValue) (predicate, error) {
	n, ok := bsonx.IntegerOf(v)
	if !ok || n < 0 {
		return nil, schemaError("$jsonSchema keyword '%s' must be a non-negative integer", name)
	}
	is, count := isObject, func(x bson.RawValue) int { return bsonx.Len(x.Value) }
	switch name[3:] {
	case "Length":
		is, count = isString, func(x bson.RawValue) int { return utf8.RuneCount(bsonx.StringBytes(x)) }
	case "Items":
		is = isArray
	}
	if name[:3] == "min" {
		return when{is, func(x bson.RawValue) bool { return int64(count(x)) >= n }}, nil
	}
	return when{is, func(x bson.RawValue) bool { return int64(count(x)) <= n }}, nil
}

func schemaNumber(name string, v bson.RawValue, doc bson.Raw) (predicate, error) {
	if !bsonx.IsNumber(v) {
		return nil, schemaType(name, "a number")
	}
	if name == "multipleOf" {
		return schemaMultiple(v)
	}
	op, exclusive := opGte, "exclusiveMinimum"
	if name == "maximum" {
		op, exclusive = opLte, "exclusiveMaximum"
	}
	if bsonx.Truthy(bsonx.Lookup(doc, exclusive)) {
		op = map[compareOp]compareOp{opGte: opGt, opLte: opLt}[op]
	}
	return when{isNumberType, newComparison(op, v).test}, nil
}

func schemaMultiple(v bson.RawValue) (predicate, error) {
	of, _ := bsonx.FloatOf(v)
	if !(of > 0) {
		return nil, schemaError("$jsonSchema keyword 'multipleOf' must have a positive value")
	}
	return when{isNumberType, func(x bson.RawValue) bool {
		f, _ := bsonx.FloatOf(x)
		return math.Mod(f, of) == 0
	}}, nil
}

func schemaExclusive(name string, v bson.RawValue, doc bson.Raw) error {
	if v.Type != bson.TypeBoolean {
		return schemaType(name, "a boolean")
	}
	bound := map[string]string{"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}[name]
	if bsonx.IsMissing(bsonx.Lookup(doc, bound)) {
		return schemaError("$jsonSchema keyword '%s' must be present if %s is present", bound, name)
	}
	return nil
}
