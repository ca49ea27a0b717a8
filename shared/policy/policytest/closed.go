package policytest

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/policy"
)

// Layer is all that a layer's engine is made of.
type Layer struct {
	Name     string
	Files    fs.FS
	Inputs   map[string]policy.Input
	Canaries []policy.Canary
}

// Closed proves for every rule of the layer that it allows nothing when it cannot decide. It takes what the rule's canary
// allows, and fails t unless the same is denied when the policy is missing, breaks, is undefined for want of the governance
// directive that the canary needs, or is slow, and when any field that the canary's input has, also within lists and objects,
// is missing, renamed, unknown or of another type.
func Closed(t *testing.T, l Layer) {
	t.Helper()
	for _, rule := range slices.Sorted(maps.Keys(l.Inputs)) {
		i := slices.IndexFunc(l.Canaries, func(c policy.Canary) bool { return c.Rule == rule && c.Allow })
		if i < 0 {
			t.Errorf("policytest: no canary says what rule %s allows", rule)
			continue
		}
		t.Run(rule, func(t *testing.T) { l.closed(t, l.Canaries[i]) })
	}
}

func (l Layer) closed(t *testing.T, c policy.Canary) {
	e := l.engine(t, l.Files, c)
	if d, err := e.Decide(t.Context(), c.Rule, c.Input); err != nil || !d.Allowed {
		t.Fatalf("the canary: %+v, %v; want it allowed", d, err)
	}
	for what, input := range misfits(t, c.Input) {
		if d, err := e.Decide(t.Context(), c.Rule, input); err != nil || d.Allowed || !d.Failed {
			t.Errorf("%s: %+v, %v; want a denial because it cannot decide", what, d, err)
		}
	}
	over, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	// Of an engine of its own: one that remembers its answer has it in time.
	if d, err := l.engine(t, l.Files, c).Decide(over, c.Rule, c.Input); !fault.Is(err, fault.Transient) || d.Allowed {
		t.Errorf("slow: %+v, %v; want to be asked again", d, err)
	}
	broken := l.with(t, c.Rule, "allow if to_number(\"x\") == 1\n")
	if d, err := l.engine(t, broken, c).Decide(t.Context(), c.Rule, c.Input); err != nil || d.Allowed || !d.Failed {
		t.Errorf("breaking: %+v, %v; want a denial because it cannot decide", d, err)
	}
	if d, err := e.Decide(t.Context(), c.Rule+"_of_old", c.Input); err != nil || d.Allowed || !d.Failed {
		t.Errorf("a rule that there is not: %+v, %v; want a denial", d, err)
	}
	if _, err := policy.New(t.Context(), l.options(l.without(t, c.Rule), l.Canaries)); err == nil || !strings.Contains(err.Error(), c.Rule) {
		t.Errorf("missing: %v; want no engine", err)
	}
	if c.Data == nil {
		return
	}
	c.Data = nil
	if d, err := l.engine(t, l.Files, c).Decide(t.Context(), c.Rule, c.Input); err != nil || d.Allowed {
		t.Errorf("without a governance directive: %+v, %v; want a denial", d, err)
	}
}

func (l Layer) options(files fs.FS, canaries []policy.Canary) policy.Options {
	return policy.Options{
		Layer: l.Name, Files: files, Inputs: l.Inputs, Canaries: canaries, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		Record: func(context.Context, policy.Record) error { return nil }, Timeout: 10 * time.Second,
	}
}

// engine returns one with the canary's data, which two of other rules' canaries let start.
func (l Layer) engine(t *testing.T, files fs.FS, c policy.Canary) *policy.Engine {
	t.Helper()
	var others []policy.Canary
	for _, allow := range []bool{true, false} {
		i := slices.IndexFunc(l.Canaries, func(o policy.Canary) bool { return o.Rule != c.Rule && o.Allow == allow })
		others = append(others, l.Canaries[max(i, 0)])
	}
	e, err := policy.New(t.Context(), l.options(files, others))
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != nil {
		if err := e.SetData(t.Context(), 1, c.Data); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

// misfits returns inputs that are not the rule's, by what is wrong with them.
func misfits(t *testing.T, input any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(input)
	fields := map[string]any{}
	if err == nil {
		err = json.Unmarshal(raw, &fields)
	}
	of := reflect.TypeOf(input)
	if err != nil || len(fields) == 0 || of.Kind() != reflect.Struct {
		t.Fatalf("the canary's input %s is a %v: %v; want a struct with fields", raw, of, err)
	}
	out := map[string]any{}
	spoil("input", of, fields, func(what string, misfit any) { out[what] = misfit })
	return out
}

// misfit is of no type that an input may have.
var misfit = []any{[]any{}}

// spoil adds every copy of a value of a type that is wrong in one place.
func spoil(at string, of reflect.Type, value any, add func(what string, misfit any)) {
	switch v := value.(type) {
	case map[string]any:
		spoilObject(at, of, v, add)
	case []any:
		for i, element := range v {
			within := func(what string, wrong any) {
				c := slices.Clone(v)
				c[i] = wrong
				add(what, c)
			}
			place := fmt.Sprintf("%s[%d]", at, i)
			within(place+" of another type", misfit)
			spoil(place, pointed(of).Elem(), element, within)
		}
	}
}

// spoilObject is spoil for a struct or a map, which has any keys.
func spoilObject(at string, of reflect.Type, fields map[string]any, add func(what string, misfit any)) {
	changed := func(what string, change func(map[string]any)) {
		c := maps.Clone(fields)
		change(c)
		add(what, c)
	}
	closed := pointed(of).Kind() == reflect.Struct
	if closed {
		changed(at+" with an unknown field", func(f map[string]any) { f["unknown"] = 1 })
	}
	for name, value := range fields {
		place := at + "." + name
		if closed {
			changed(place+" missing", func(f map[string]any) { delete(f, name) })
			changed(place+" renamed", func(f map[string]any) { delete(f, name); f[name+"_"] = value })
		}
		within := func(what string, wrong any) { changed(what, func(f map[string]any) { f[name] = wrong }) }
		within(place+" of another type", misfit)
		spoil(place, field(of, name), value, within)
	}
}

// field returns the type of what a struct or a map has under a name in JSON.
func field(of reflect.Type, name string) reflect.Type {
	of = pointed(of)
	if of.Kind() == reflect.Map {
		return of.Elem()
	}
	for _, f := range reflect.VisibleFields(of) {
		if tag, _, _ := strings.Cut(f.Tag.Get("json"), ","); tag == name || tag == "" && f.Name == name {
			return f.Type
		}
	}
	panic("policytest: " + of.String() + " has no field " + name + ", though it was written so")
}

func pointed(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t
}

// with returns the layer's files and one more of the rule's package.
func (l Layer) with(t *testing.T, rule, text string) fs.FS {
	t.Helper()
	files := l.copied(t, func(string) bool { return true })
	files[rule+"/added.rego"] = &fstest.MapFile{Data: fmt.Appendf(nil, "package strata.%s.%s\n\n%s", l.Name, rule, text)}
	return files
}

// without returns the layer's files without those of the rule's package.
func (l Layer) without(t *testing.T, rule string) fs.FS {
	t.Helper()
	head := fmt.Sprintf("package strata.%s.%s\n", l.Name, rule)
	return l.copied(t, func(text string) bool { return !strings.Contains(text, head) })
}

func (l Layer) copied(t *testing.T, keep func(text string) bool) fstest.MapFS {
	t.Helper()
	texts, err := read(l.Files)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for path, text := range texts {
		if keep(text) {
			files[path] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return files
}
