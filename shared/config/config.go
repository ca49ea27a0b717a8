// Package config reads a service's configuration from its environment and an optional YAML file. It owns names,
// defaults, types and the refusal of unknown keys. It doesn't own any setting: each service declares its own struct.
//
// The variable STRATA_STRATEGIC_MONGO_URI and the file
//
//	strategic:
//	  mongo:
//	    uri: mongodb://…
//
// set the same field, tagged `config:"mongo.uri"`, of layer "strategic". The environment wins over the file, the file
// over the default. One file may serve several layers: each reads its own part.
package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"github.com/strata-crm/strata/shared/fault"
)

// Layers returns the names that may stand at the top of a file: those of the three services and of local mode.
func Layers() []string { return []string{"strategic", "functional", "operational", "local"} }

// Load fills a T from its defaults, then the file (none if file is empty), then environ (lines NAME=value, as from
// os.Environ). T is a struct whose fields carry tags:
//
//	config:"section.key"  the name; on a struct field, a prefix for the names inside it
//	default:"…"           the value where none is given, written as in the environment
//	secret:"true"         the value never appears in an error or in [Describe]
//	required:"true"       an empty value is refused
//
// Fields are string, bool, integers, floats, time.Duration ("30s"), []string (commas in the environment, a list in the
// file) and whatever implements encoding.TextUnmarshaler. If *T has a method Validate() error, it is called last. An
// unknown variable or key fails and names the nearest known one; each error says which name to change and how. All
// problems of a source are reported at once, as fault.Invalid. A wrong tag in T is a defect and so fault.Internal.
func Load[T any](layer string, environ []string, file string) (T, error) {
	var out, zero T
	if err := load(layer, environ, file, reflect.ValueOf(&out).Elem()); err != nil {
		return zero, err
	}
	if v, ok := any(&out).(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return zero, err
		}
	}
	return out, nil
}

func load(layer string, environ []string, file string, v reflect.Value) error {
	settings, err := settingsOf(layer, v)
	if err != nil {
		return err
	}
	k := koanf.New(".")
	for _, s := range settings {
		if s.preset != "" {
			if err := k.Load(confmap.Provider(map[string]any{s.key: s.preset}, "."), nil); err != nil {
				return fmt.Errorf("take the default of %s: %w", s.key, err)
			}
		}
	}
	from := map[string]string{}
	if err := errors.Join(readFile(k, layer, file, settings, from), readEnviron(k, layer, environ, settings, from)); err != nil {
		return err
	}
	var errs []error
	for _, s := range settings {
		errs = append(errs, s.fill(k.Get(s.key), from[s.key]))
	}
	return errors.Join(errs...)
}

// fill puts the raw value into the field. Errors name its source, and its text only where it is no secret.
func (s setting) fill(raw any, from string) error {
	if raw == nil || raw == "" {
		if s.required {
			return fault.New(fault.Invalid, fault.BadDefinition, "%s is not set: set it, or %s in the configuration file", s.variable, s.path)
		}
		if raw == nil {
			return nil
		}
	}
	if from == "" {
		from = s.variable
	}
	if err := assign(s.field, raw); err != nil {
		shown := fmt.Sprintf("%q", fmt.Sprint(raw))
		if s.secret {
			shown = "(secret)"
		}
		return fault.New(fault.Invalid, fault.BadDefinition, "%s is %s, which isn't %s", from, shown, wanted(s.field))
	}
	return nil
}

func assign(f reflect.Value, raw any) error {
	if t, ok := f.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return t.UnmarshalText([]byte(fmt.Sprint(raw)))
	}
	if f.Kind() == reflect.Slice {
		list, err := texts(raw)
		if err == nil {
			f.Set(reflect.ValueOf(list).Convert(f.Type()))
		}
		return err
	}
	text, err := scalar(raw)
	if err != nil {
		return err
	}
	return parse(f, text)
}

func parse(f reflect.Value, text string) error {
	if f.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		f.SetInt(int64(d))
		return err
	}
	switch {
	case f.Kind() == reflect.String:
		f.SetString(text)
	case f.Kind() == reflect.Bool:
		b, err := strconv.ParseBool(text)
		f.SetBool(b)
		return err
	case f.CanInt():
		n, err := strconv.ParseInt(text, 10, f.Type().Bits())
		f.SetInt(n)
		return err
	case f.CanUint():
		n, err := strconv.ParseUint(text, 10, f.Type().Bits())
		f.SetUint(n)
		return err
	default:
		x, err := strconv.ParseFloat(text, f.Type().Bits())
		f.SetFloat(x)
		return err
	}
	return nil
}

func scalar(raw any) (string, error) {
	switch raw.(type) {
	case map[string]any, []any:
		return "", errors.New("not a single value")
	}
	return fmt.Sprint(raw), nil
}

func texts(raw any) ([]string, error) {
	var out []string
	switch x := raw.(type) {
	case []any:
		for _, e := range x {
			s, err := scalar(e)
			if err != nil {
				return nil, err
			}
			out = append(out, s)
		}
	case map[string]any:
		return nil, errors.New("not a list")
	default:
		for s := range strings.SplitSeq(fmt.Sprint(x), ",") {
			if s = strings.TrimSpace(s); s != "" {
				out = append(out, s)
			}
		}
	}
	return out, nil
}

// wanted names what a field takes, for error texts.
func wanted(f reflect.Value) string {
	_, own := f.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case own:
		return "a valid " + strings.ToLower(f.Type().Name())
	case f.Type() == reflect.TypeFor[time.Duration]():
		return "a duration such as 30s or 5m"
	case f.Kind() == reflect.Bool:
		return "true or false"
	case f.Kind() == reflect.Slice:
		return "a list of texts"
	case f.CanInt(), f.CanUint():
		return "a whole number in range"
	case f.CanFloat():
		return "a number"
	}
	return "a valid " + strings.ToLower(f.Type().Name())
}
