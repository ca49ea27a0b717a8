package contract

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const shapeFile = goldenDir + "/shape.txt"

// field is one field of a message's struct, as it looks on the wire.
type field struct {
	owner, name, wire string // wire: string, integer, number, boolean, time, any, a struct's name, []x, map of x
	optional          bool   // it may be absent
}

func (f field) String() string {
	need := "required"
	if f.optional {
		need = "optional"
	}
	return fmt.Sprintf("%s.%s %s %s", f.owner, f.name, strings.ReplaceAll(f.wire, " ", "_"), need)
}

// shape returns every field that the payloads reach, by struct and in the order of the code.
func shape() []field {
	var fs []field
	seen := map[reflect.Type]bool{}
	var visit func(reflect.Type)
	visit = func(t reflect.Type) {
		if seen[t] {
			return
		}
		seen[t] = true
		own, next := fieldsOf(t, t.Name())
		fs = append(fs, own...)
		for _, n := range next {
			visit(n)
		}
	}
	for _, x := range examples() {
		visit(reflect.TypeOf(x.payload).Elem())
	}
	return fs
}

func fieldsOf(t reflect.Type, owner string) (fs []field, next []reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous { // its fields are the owner's on the wire
			own, more := fieldsOf(f.Type, owner)
			fs, next = append(fs, own...), append(next, more...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		wire, reached := wireOf(f.Type)
		if f.Type.Kind() == reflect.Pointer && options == "" {
			wire += " or null"
		}
		fs = append(fs, field{owner, name, wire, options == "omitempty"})
		next = append(next, reached...)
	}
	return fs, next
}

func wireOf(t reflect.Type) (string, []reflect.Type) {
	switch t {
	case reflect.TypeFor[time.Time]():
		return "time", nil
	case reflect.TypeFor[json.RawMessage]():
		return "any", nil
	}
	switch t.Kind() {
	case reflect.Pointer:
		return wireOf(t.Elem())
	case reflect.Struct:
		return t.Name(), []reflect.Type{t}
	case reflect.Slice:
		w, next := wireOf(t.Elem())
		return "[]" + w, next
	case reflect.Map:
		w, next := wireOf(t.Elem())
		return "map of " + w, next
	case reflect.String:
		return "string", nil
	case reflect.Bool:
		return "boolean", nil
	case reflect.Float64:
		return "number", nil
	case reflect.Interface:
		return "any", nil
	case reflect.Int, reflect.Int64:
		return "integer", nil
	}
	panic("a message may not have a field of type " + t.String())
}

// breaks returns what of the current shape a reader or writer of the committed one cannot live with, and what was only
// added.
func breaks(committed, current []string) (broken, added []string) {
	owners := map[string]bool{}
	for _, line := range committed {
		owner, _, _ := strings.Cut(line, ".")
		owners[owner] = true
		if !slices.Contains(current, line) {
			broken = append(broken, "gone or changed: "+line)
		}
	}
	for _, line := range current {
		owner, _, _ := strings.Cut(line, ".")
		switch {
		case slices.Contains(committed, line):
		case owners[owner] && strings.HasSuffix(line, " required"):
			broken = append(broken, "older writers do not send it, so it must be optional: "+line)
		default:
			added = append(added, line)
		}
	}
	return broken, added
}

func lines() []string {
	var ls []string
	for _, f := range shape() {
		ls = append(ls, f.String())
	}
	return ls
}

// TestNothingInV1Breaks holds the rule of v1: fields are only added, and only optional ones. A break is a new topic. A
// struct's Go name stands for its wire shape here; renaming one without changing the wire is renamed in the file too.
func TestNothingInV1Breaks(t *testing.T) {
	b, err := os.ReadFile(shapeFile)
	if os.IsNotExist(err) && *update {
		b, err = []byte(strings.Join(lines(), "\n")), nil
	}
	if err != nil {
		t.Fatal(err)
	}
	broken, added := breaks(strings.Split(strings.TrimSpace(string(b)), "\n"), lines())
	if len(broken) > 0 {
		t.Fatalf("v1 may not change like this; a break needs topics and types of v2:\n%s", strings.Join(broken, "\n"))
	}
	if len(added) > 0 && !*update {
		t.Errorf("added to v1; if it is meant, run go test ./contract -update:\n%s", strings.Join(added, "\n"))
	}
	if *update {
		if err := os.WriteFile(shapeFile, []byte(strings.Join(lines(), "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheGuardFindsBreaks(t *testing.T) {
	t.Parallel()
	was := []string{"Goal.id string required", "Goal.scope Condition optional"}
	for name, c := range map[string]struct {
		now           []string
		broken, added int
	}{
		"the same":         {was, 0, 0},
		"gone":             {was[:1], 1, 0},
		"another name":     {[]string{"Goal.key string optional", was[1]}, 1, 1},
		"another type":     {[]string{"Goal.id integer required", was[1]}, 2, 0},
		"no longer needed": {[]string{"Goal.id string optional", was[1]}, 1, 1},
		"now needed":       {[]string{was[0], "Goal.scope Condition required"}, 2, 0},
		"added, optional":  {append(slices.Clone(was), "Goal.mood string optional"), 0, 1},
		"added, required":  {append(slices.Clone(was), "Goal.mood string required"), 1, 0},
		"a new struct":     {append(slices.Clone(was), "Goal.mood Mood optional", "Mood.colour string required"), 0, 2},
	} {
		if broken, added := breaks(was, c.now); len(broken) != c.broken || len(added) != c.added {
			t.Errorf("%s: %q broken, %q added; want %d and %d", name, broken, added, c.broken, c.added)
		}
	}
}

// TestExamplesFillEveryField makes the golden files worth reading: no field is forgotten in all of them.
func TestExamplesFillEveryField(t *testing.T) {
	t.Parallel()
	filled := map[string]bool{}
	for _, x := range examples() {
		fill(reflect.ValueOf(x.payload).Elem(), "", filled)
	}
	for _, f := range shape() {
		if !filled[f.owner+"."+f.name] {
			t.Errorf("no example fills %s.%s", f.owner, f.name)
		}
	}
	if n := len(slices.Collect(maps.Keys(filled))); n < 200 {
		t.Errorf("only %d fields were looked at", n)
	}
}

func fill(v reflect.Value, owner string, filled map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), "", filled)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), "", filled)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			fill(v.MapIndex(k), "", filled)
		}
	case reflect.Struct:
		if owner == "" {
			owner = v.Type().Name()
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Anonymous {
				fill(v.Field(i), owner, filled)
				continue
			}
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && !v.Field(i).IsZero() {
				filled[owner+"."+name] = true
			}
			if f.IsExported() && v.Field(i).Type() != reflect.TypeFor[time.Time]() {
				fill(v.Field(i), "", filled)
			}
		}
	}
}
