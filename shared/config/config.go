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

import "reflect"

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
// unknown variable or key fails and names the nearest known one; each error says which name to change and how.
// All errors are fault.Invalid and all problems are reported at once.
func Load[T any](layer string, environ []string, file string) (T, error) {
	var out T
	err := load(layer, environ, file, reflect.ValueOf(&out).Elem())
	if err != nil {
		var zero T
		return zero, err
	}
	return out, nil
}
