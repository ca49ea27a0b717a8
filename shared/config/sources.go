package config

import (
	"errors"
	"io/fs"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/v2"

	"github.com/strata-crm/strata/shared/fault"
)

// readFile merges the layer's part of the YAML file into k.
func readFile(k *koanf.Koanf, layer, name string, settings []setting, from map[string]string) error {
	if name == "" {
		return nil
	}
	all := koanf.New(".")
	if err := all.Load(file.Provider(name), yaml.Parser()); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return fault.New(fault.Invalid, fault.BadDefinition, "the configuration file %s does not exist: make it, or name another", name)
		}
		return notYAML(name, err)
	}
	tops := slices.Compact(slices.Sorted(slices.Values(append(Layers(), layer))))
	var errs []error
	raw := all.Raw()
	for _, top := range slices.Sorted(maps.Keys(raw)) {
		if !slices.Contains(tops, top) {
			errs = append(errs, unknown("the configuration file "+name+" has the unknown key "+top, top, tops))
		}
	}
	part, ok := raw[layer].(map[string]any)
	if !ok && raw[layer] != nil {
		errs = append(errs, fault.New(fault.Invalid, fault.BadDefinition, "%s in the configuration file %s must hold sections, not a value", layer, name))
	}
	flat := map[string]any{}
	flatten("", part, settings, flat)
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		if !slices.ContainsFunc(settings, func(s setting) bool { return s.key == key }) {
			errs = append(errs, unknown("the configuration file "+name+" has the unknown key "+layer+"."+key, layer+"."+key, paths(settings)))
			continue
		}
		from[key] = layer + "." + key + " in the configuration file " + name
	}
	return errors.Join(append(errs, merge(k, flat, len(errs) > 0))...)
}

var lineNumber = regexp.MustCompile(`line \d+`)

// notYAML names the line and nothing else of the parser's error, which quotes the file: that may be a secret.
func notYAML(name string, err error) error {
	where := name
	if line := lineNumber.FindString(err.Error()); line != "" {
		where += ", " + line + ","
	}
	return fault.New(fault.Invalid, fault.BadDefinition, "the configuration file %s cannot be read as YAML with sections: correct it there", where)
}

func merge(k *koanf.Koanf, flat map[string]any, skip bool) error {
	if skip {
		return nil
	}
	return k.Load(confmap.Provider(flat, "."), nil)
}

// flatten lists the leaves of a part of the file by their keys. A key of a setting is a leaf whatever it holds.
func flatten(prefix string, part map[string]any, settings []setting, out map[string]any) {
	for name, v := range part {
		key := strings.TrimPrefix(prefix+"."+name, ".")
		isSetting := slices.ContainsFunc(settings, func(s setting) bool { return s.key == key })
		if m, ok := v.(map[string]any); ok && !isSetting {
			flatten(key, m, settings, out)
			continue
		}
		if v != nil {
			out[key] = v
		}
	}
}

// readEnviron merges the layer's variables into k.
func readEnviron(k *koanf.Koanf, layer string, environ []string, settings []setting, from map[string]string) error {
	var errs []error
	flat := map[string]any{}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, prefixOf(layer)) {
			if other := misspeltLayer(name, layer); other != "" {
				errs = append(errs, unknown("the variable "+name+" is unknown", name, variables(settings)))
			}
			continue
		}
		i := slices.IndexFunc(settings, func(s setting) bool { return s.variable == name })
		if i < 0 {
			errs = append(errs, unknown("the variable "+name+" is unknown", name, variables(settings)))
			continue
		}
		flat[settings[i].key], from[settings[i].key] = value, name
	}
	return errors.Join(append(errs, merge(k, flat, len(errs) > 0))...)
}

// misspeltLayer returns the second word of a STRATA_ variable if it is nearly, but not quite, the layer's name.
// Variables of the other layers and of tools (STRATA_TEST_…) are none of this layer's business.
func misspeltLayer(name, layer string) string {
	rest, ok := strings.CutPrefix(name, "STRATA_")
	if !ok {
		return ""
	}
	word, _, _ := strings.Cut(rest, "_")
	lower := strings.ToLower(word)
	if lower == layer || slices.Contains(Layers(), lower) || levenshtein.ComputeDistance(lower, layer) > 2 {
		return ""
	}
	return word
}

func unknown(what, name string, known []string) error {
	if len(known) == 0 {
		return fault.New(fault.Invalid, fault.BadDefinition, "%s: remove it", what)
	}
	nearest := slices.MinFunc(known, func(a, b string) int {
		return levenshtein.ComputeDistance(name, a) - levenshtein.ComputeDistance(name, b)
	})
	return fault.New(fault.Invalid, fault.BadDefinition, "%s: did you mean %s? Otherwise remove it", what, nearest)
}

func paths(settings []setting) []string {
	out := make([]string, len(settings))
	for i, s := range settings {
		out[i] = s.path
	}
	return out
}

func variables(settings []setting) []string {
	out := make([]string, len(settings))
	for i, s := range settings {
		out[i] = s.variable
	}
	return out
}
