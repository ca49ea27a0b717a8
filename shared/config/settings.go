package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"time"
)

// setting is one field of the configuration struct.
type setting struct {
	key      string // "mongo.uri"
	path     string // "strategic.mongo.uri", as in the file
	variable string // "STRATA_STRATEGIC_MONGO_URI"
	preset   string
	secret   bool
	required bool
	field    reflect.Value
}

// settingsOf lists the fields of v. It fails on a field that can't be configured or has no name, and on two fields that
// share a variable: those are mistakes in the code.
func settingsOf(layer string, v reflect.Value) ([]setting, error) {
	if layer == "" || v.Kind() != reflect.Struct {
		return nil, fmt.Errorf("configuration needs a layer and a struct, not %q and %s", layer, v.Kind())
	}
	var out []setting
	if err := collect(layer, "", v, &out); err != nil {
		return nil, err
	}
	seen := map[string]string{}
	for _, s := range out {
		if other, ok := seen[s.variable]; ok {
			return nil, fmt.Errorf("the settings %s and %s share the variable %s", other, s.key, s.variable)
		}
		seen[s.variable] = s.key
	}
	return out, nil
}

func collect(layer, prefix string, v reflect.Value, out *[]setting) error {
	for i := range v.NumField() {
		f, t := v.Field(i), v.Type().Field(i)
		if !t.IsExported() {
			continue
		}
		name, tagged := t.Tag.Lookup("config")
		key := strings.Trim(prefix+"."+name, ".")
		switch {
		case isSection(f):
			if err := collect(layer, key, f, out); err != nil {
				return err
			}
		case !tagged || key == "" || strings.ToLower(key) != key:
			return fmt.Errorf(`field %s.%s needs a tag config:"section.key" in lower case`, v.Type(), t.Name)
		case !assignable(f):
			return fmt.Errorf("field %s.%s has the type %s, which cannot be configured", v.Type(), t.Name, f.Type())
		default:
			*out = append(*out, setting{
				key: key, path: layer + "." + key, variable: prefixOf(layer) + strings.ToUpper(strings.ReplaceAll(key, ".", "_")),
				preset: t.Tag.Get("default"), secret: t.Tag.Get("secret") == "true", required: t.Tag.Get("required") == "true", field: f,
			})
		}
	}
	return nil
}

func prefixOf(layer string) string { return "STRATA_" + strings.ToUpper(layer) + "_" }

func isSection(f reflect.Value) bool {
	return f.Kind() == reflect.Struct && !f.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func assignable(f reflect.Value) bool {
	if f.Addr().Type().Implements(reflect.TypeFor[encoding.TextUnmarshaler]()) {
		return true
	}
	switch f.Kind() {
	case reflect.String, reflect.Bool:
		return true
	case reflect.Slice:
		return f.Type().Elem() == reflect.TypeFor[string]()
	}
	return f.CanInt() || f.CanUint() || f.CanFloat()
}

// Setting is one effective setting, to be shown.
type Setting struct {
	Variable string // its environment variable
	Path     string // its place in the file
	Value    string // "(secret)" or "(not set)" for secrets
}

// Describe lists the settings of a loaded configuration in the order of its fields, without the values of secrets.
func Describe[T any](layer string, c T) ([]Setting, error) {
	settings, err := settingsOf(layer, reflect.ValueOf(&c).Elem())
	if err != nil {
		return nil, err
	}
	out := make([]Setting, len(settings))
	for i, s := range settings {
		out[i] = Setting{Variable: s.variable, Path: s.path, Value: s.shown()}
	}
	return out, nil
}

func (s setting) shown() string {
	switch {
	case s.secret && s.field.IsZero():
		return "(not set)"
	case s.secret:
		return "(secret)"
	case s.field.Type() == reflect.TypeFor[time.Duration]():
		return time.Duration(s.field.Int()).String()
	case s.field.Kind() == reflect.Slice:
		return strings.Join(s.field.Convert(reflect.TypeFor[[]string]()).Interface().([]string), ",")
	}
	return fmt.Sprint(s.field.Interface())
}
