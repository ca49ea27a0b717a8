package metric

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/shared/fault"
)

// Strict decodes YAML into what v points to, which has JSON tags, and refuses unknown fields, so that a misspelt key in a
// file of the user's is an error and not a silent default. What does not fit is answered as [Problems] that name every
// place in the file, such as /2/measures/0/feild, and the item of a list that it is in.
func Strict(file []byte, v any) error {
	var tree any
	if err := yaml.Unmarshal(file, &tree); err != nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "not valid YAML: %v", err)
	}
	b, err := json.Marshal(tree)
	if err != nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "keys must be text: %v", err)
	}
	var f fitting
	f.fit("", tree, reflect.TypeOf(v).Elem())
	if len(f.problems) > 0 {
		return f.problems
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// fitting compares a tree of YAML with the type that it is to be decoded into.
type fitting struct {
	item     string // the id or name of the list's item that is looked at
	problems Problems
}

var decoder = reflect.TypeFor[json.Unmarshaler]()

func (f *fitting) fit(at string, tree any, t reflect.Type) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	object, isObject := tree.(map[string]any)
	items, isList := tree.([]any)
	switch {
	case tree == nil:
	case reflect.PointerTo(t).Implements(decoder):
		f.decode(at, tree, t)
	case t.Kind() == reflect.Struct && isObject:
		f.object(at, object, t)
	case t.Kind() == reflect.Slice && isList:
		for i, item := range items {
			f.name(at, item)
			f.fit(fmt.Sprintf("%s/%d", at, i), item, t.Elem())
		}
	case t.Kind() == reflect.Map && isObject:
		for _, key := range slices.Sorted(maps.Keys(object)) {
			f.fit(at+"/"+key, object[key], t.Elem())
		}
	default:
		f.decode(at, tree, t)
	}
}

// name keeps what an item of the file's own list is called.
func (f *fitting) name(at string, item any) {
	if at != "" {
		return
	}
	f.item = ""
	for _, key := range []string{"name", "id"} {
		if called, ok := item.(map[string]any)[key].(string); ok {
			f.item = called
		}
	}
}

func (f *fitting) object(at string, object map[string]any, t reflect.Type) {
	types := map[string]reflect.Type{}
	for _, field := range reflect.VisibleFields(t) {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			types[name] = field.Type
		}
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		if types[key] == nil {
			f.add(at+"/"+key, fmt.Sprintf("unknown field %q: use %s", key, strings.Join(slices.Sorted(maps.Keys(types)), ", ")))
			continue
		}
		f.fit(at+"/"+key, object[key], types[key])
	}
}

// decode finds out whether a value that is not looked into is what the type takes.
func (f *fitting) decode(at string, tree any, t reflect.Type) {
	b, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(b, reflect.New(t).Interface())
	}
	if err != nil {
		f.add(at, strings.TrimPrefix(err.Error(), "json: "))
	}
}

func (f *fitting) add(at, text string) {
	if f.item != "" {
		text = f.item + ": " + text
	}
	f.problems = append(f.problems, Problem{at, text})
}
