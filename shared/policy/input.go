package policy

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/open-policy-agent/opa/v1/ast"
)

const masked = "***"

// Input is what a rule reads: a closed set of named, typed fields. Make it with [InputOf].
type Input struct {
	root     *node
	err      error // why the type cannot be one; New returns it
	perEvent bool
}

// InputOf returns the fields of the struct T under their json names. A field is required unless its json tag has
// omitempty or omitzero. Allowed are structs, slices, maps with string keys, strings, numbers, booleans, time.Time and
// types that marshal to text, and pointers to these; no interfaces, because nobody could say what is in them. A field
// tagged mask:"true" is not written into records.
func InputOf[T any]() Input {
	root, err := describe(reflect.TypeFor[T](), nil)
	if err == nil && root.kind != object {
		err = errors.New("is not a struct")
	}
	if err != nil {
		err = fmt.Errorf("policy: input type %s: %w", reflect.TypeFor[T](), err)
	}
	return Input{root: root, err: err}
}

// PerEvent returns the input of a rule that is asked very often, as once per collected event or per call that only reads:
// its decisions are counted by rule, and of the denials one a second is recorded. What it answered to an input is remembered
// for as long as the rules and their data are the same.
func (i Input) PerEvent() Input {
	i.perEvent = true
	return i
}

// kind is a JSON type; dictionary is an object with any keys and values of one type.
type kind string

const (
	object     kind = "object"
	dictionary kind = "dictionary"
	array      kind = "array"
	text       kind = "string"
	number     kind = "number"
	integer    kind = "integer"
	boolean    kind = "boolean"
)

// node is one place in an input.
type node struct {
	kind     kind
	fields   map[string]*node // object
	element  *node            // array, dictionary
	optional bool
	masked   bool
}

var (
	timeType = reflect.TypeFor[time.Time]()
	textType = reflect.TypeFor[encoding.TextMarshaler]()
	jsonType = reflect.TypeFor[json.Marshaler]()
)

// describe reads a type; above are the structs that it is part of.
func describe(t reflect.Type, above []reflect.Type) (*node, error) {
	switch {
	case t == timeType || t.Implements(textType) && !t.Implements(jsonType):
		return &node{kind: text}, nil
	case t.Implements(jsonType) && t.Kind() != reflect.Pointer:
		return nil, fmt.Errorf("%s marshals itself: use plain fields", t)
	}
	switch t.Kind() {
	case reflect.Pointer:
		return describe(t.Elem(), above)
	case reflect.Struct:
		return describeStruct(t, above)
	case reflect.String:
		return &node{kind: text}, nil
	case reflect.Bool:
		return &node{kind: boolean}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return &node{kind: integer}, nil
	case reflect.Float32, reflect.Float64:
		return &node{kind: number}, nil
	case reflect.Slice, reflect.Array, reflect.Map:
		return describeMany(t, above)
	default:
		return nil, fmt.Errorf("%s is not a type that an input may have: use structs, slices, maps, strings, numbers, booleans and times", t)
	}
}

func describeMany(t reflect.Type, above []reflect.Type) (*node, error) {
	k := array
	if t.Kind() == reflect.Map {
		k = dictionary
		if t.Key().Kind() != reflect.String {
			return nil, fmt.Errorf("%s needs strings as keys", t)
		}
	} else if t.Elem().Kind() == reflect.Uint8 {
		return &node{kind: text}, nil
	}
	element, err := describe(t.Elem(), above)
	if err != nil {
		return nil, err
	}
	return &node{kind: k, element: element}, nil
}

func describeStruct(t reflect.Type, above []reflect.Type) (*node, error) {
	if slices.Contains(above, t) {
		return nil, fmt.Errorf("%s contains itself", t)
	}
	above = append(slices.Clone(above), t)
	n := &node{kind: object, fields: map[string]*node{}}
	for i := range t.NumField() {
		f := t.Field(i)
		name, flags, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" && flags == "" || !f.IsExported() && !f.Anonymous {
			continue
		}
		field, err := describe(f.Type, above)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		if f.Anonymous && name == "" && field.kind == object {
			maps.Copy(n.fields, field.fields)
			continue
		}
		if name == "" {
			name = f.Name
		}
		options := strings.Split(flags, ",")
		field.optional = slices.Contains(options, "omitempty") || slices.Contains(options, "omitzero")
		field.masked = f.Tag.Get("mask") == "true"
		n.fields[name] = field
	}
	return n, nil
}

// schema is the node as JSON Schema, by which the compiler refuses rules that read what is not there.
func (n *node) schema() map[string]any {
	switch n.kind {
	case object:
		properties, required := map[string]any{}, []any{}
		for _, name := range slices.Sorted(maps.Keys(n.fields)) {
			properties[name] = n.fields[name].schema()
			if !n.fields[name].optional {
				required = append(required, name)
			}
		}
		return map[string]any{"type": "object", "properties": properties, "required": required, "additionalProperties": false}
	case dictionary:
		return map[string]any{"type": "object", "additionalProperties": n.element.schema()}
	case array:
		return map[string]any{"type": "array", "items": n.element.schema()}
	default:
		return map[string]any{"type": string(n.kind)}
	}
}

// read checks an input in JSON against the fields and returns it as OPA has it, and as records have it. The error names
// every wrong place and never a value.
func (n *node) read(raw []byte) (ast.Value, map[string]any, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, nil, errors.New("input: cannot be read as JSON")
	}
	term, kept, err := n.check("input", v)
	if err != nil {
		return nil, nil, err
	}
	return term.Value, kept.(map[string]any), nil
}

// check returns the value as a term and with masks.
func (n *node) check(at string, v any) (*ast.Term, any, error) {
	term, kept, err := n.convert(at, v)
	if n.masked {
		kept = masked
	}
	return term, kept, err
}

func (n *node) convert(at string, v any) (*ast.Term, any, error) {
	switch n.kind {
	case object:
		return n.convertObject(at, v)
	case dictionary:
		return n.convertDictionary(at, v)
	case array:
		return n.convertArray(at, v)
	case text:
		if s, ok := v.(string); ok {
			return ast.StringTerm(s), s, nil
		}
	case boolean:
		if b, ok := v.(bool); ok {
			return ast.BooleanTerm(b), b, nil
		}
	case number, integer:
		if x, ok := v.(json.Number); ok {
			return n.convertNumber(at, x)
		}
	}
	return nil, nil, n.mismatch(at, v)
}

func (n *node) mismatch(at string, v any) error {
	if v == nil {
		return fmt.Errorf("%s: missing", at)
	}
	return fmt.Errorf("%s: want %s", at, n.kind)
}

func (n *node) convertNumber(at string, x json.Number) (*ast.Term, any, error) {
	if i, err := strconv.ParseInt(x.String(), 10, 64); err == nil {
		return ast.NumberTerm(x), i, nil
	}
	f, err := x.Float64()
	if n.kind == integer || err != nil {
		return nil, nil, n.mismatch(at, x)
	}
	return ast.NumberTerm(x), f, nil
}

func (n *node) convertObject(at string, v any) (*ast.Term, any, error) {
	values, ok := v.(map[string]any)
	if !ok {
		return nil, nil, n.mismatch(at, v)
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if n.fields[name] == nil {
			errs = append(errs, fmt.Errorf("%s: has a field that the rule does not know", at))
		}
	}
	pairs, kept := make([][2]*ast.Term, 0, len(n.fields)), make(map[string]any, len(n.fields))
	for _, name := range slices.Sorted(maps.Keys(n.fields)) {
		field := n.fields[name]
		value, there := values[name]
		if field.optional && (!there || value == nil) {
			continue
		}
		if !there {
			errs = append(errs, fmt.Errorf("%s.%s: missing", at, name))
			continue
		}
		term, masked, err := field.check(at+"."+name, value)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		pairs, kept[name] = append(pairs, [2]*ast.Term{ast.InternedTerm(name), term}), masked
	}
	return ast.ObjectTerm(pairs...), kept, errors.Join(errs...)
}

// convertDictionary takes null, which is how Go writes a nil map, for empty. Keys stay out of errors: they are data.
func (n *node) convertDictionary(at string, v any) (*ast.Term, any, error) {
	values, ok := v.(map[string]any)
	if !ok && v != nil {
		return nil, nil, n.mismatch(at, v)
	}
	pairs, kept := make([][2]*ast.Term, 0, len(values)), make(map[string]any, len(values))
	for _, key := range slices.Sorted(maps.Keys(values)) {
		term, masked, err := n.element.check(at+"[*]", values[key])
		if err != nil {
			return nil, nil, err
		}
		pairs, kept[key] = append(pairs, [2]*ast.Term{ast.StringTerm(key), term}), masked
	}
	return ast.ObjectTerm(pairs...), kept, nil
}

func (n *node) convertArray(at string, v any) (*ast.Term, any, error) {
	values, ok := v.([]any)
	if !ok && v != nil {
		return nil, nil, n.mismatch(at, v)
	}
	terms, kept := make([]*ast.Term, len(values)), make([]any, len(values))
	for i, value := range values {
		var err error
		if terms[i], kept[i], err = n.element.check(fmt.Sprintf("%s[%d]", at, i), value); err != nil {
			return nil, nil, err
		}
	}
	return ast.ArrayTerm(terms...), kept, nil
}
