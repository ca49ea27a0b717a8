package httpxtest

import (
	"fmt"
	"maps"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"
)

// Broken returns what a client of the released OpenAPI document old would miss or stumble over in next, a line each: an
// operation, response or answered field that is gone or has another type, a request that must now carry more. Additions
// that a client may ignore are no break.
func Broken(old, next *openapi3.T) []string {
	b := &breaks{}
	for _, path := range slices.Sorted(maps.Keys(old.Paths.Map())) {
		now := next.Paths.Value(path)
		if now == nil {
			b.add("%s is gone", path)
			continue
		}
		for method, op := range old.Paths.Value(path).Operations() {
			at := method + " " + path
			if now.GetOperation(method) == nil {
				b.add("%s is gone", at)
				continue
			}
			b.operation(at, op, now.GetOperation(method))
		}
	}
	slices.Sort(b.found)
	return b.found
}

type breaks struct{ found []string }

func (b *breaks) add(format string, args ...any) {
	b.found = append(b.found, fmt.Sprintf(format, args...))
}

func (b *breaks) operation(at string, old, now *openapi3.Operation) {
	if old.OperationID != now.OperationID {
		b.add("%s: the operation is called %s, was %s", at, now.OperationID, old.OperationID)
	}
	b.parameters(at, old.Parameters, now.Parameters)
	if now.RequestBody != nil {
		switch {
		case old.RequestBody == nil && now.RequestBody.Value.Required:
			b.add("%s: a body is required", at)
		case old.RequestBody != nil:
			b.contents(at+": request", old.RequestBody.Value.Content, now.RequestBody.Value.Content, b.accepts)
		}
	}
	for code, r := range old.Responses.Map() {
		n := now.Responses.Value(code)
		if n == nil {
			b.add("%s: the answer %s is gone", at, code)
			continue
		}
		b.contents(at+": answer "+code, r.Value.Content, n.Value.Content, b.answers)
	}
}

func (b *breaks) parameters(at string, old, now openapi3.Parameters) {
	for _, p := range old {
		if now.GetByInAndName(p.Value.In, p.Value.Name) == nil {
			b.add("%s: the %s parameter %s is gone", at, p.Value.In, p.Value.Name)
		}
	}
	for _, p := range now {
		was := old.GetByInAndName(p.Value.In, p.Value.Name)
		if p.Value.Required && (was == nil || !was.Required) {
			b.add("%s: the %s parameter %s is required", at, p.Value.In, p.Value.Name)
		}
	}
}

// pair is two schemas that have been compared, so that recursion ends.
type pair struct{ old, now *openapi3.Schema }

func (b *breaks) contents(at string, old, now openapi3.Content, compare func(string, *openapi3.SchemaRef, *openapi3.SchemaRef, map[pair]bool)) {
	for kind, m := range old {
		n := now.Get(kind)
		if n == nil {
			b.add("%s: %s is gone", at, kind)
			continue
		}
		compare(at, m.Schema, n.Schema, map[pair]bool{})
	}
}

// answers compares what is sent: every field that was sent is still sent, with its type.
func (b *breaks) answers(at string, old, now *openapi3.SchemaRef, seen map[pair]bool) {
	if !b.sameType(at, old, now, seen) {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(old.Value.Properties)) {
		n := now.Value.Properties[name]
		if n == nil {
			b.add("%s: the field %s is gone", at, name)
			continue
		}
		if slices.Contains(old.Value.Required, name) && !slices.Contains(now.Value.Required, name) {
			b.add("%s: the field %s may be absent", at, name)
		}
		b.answers(at+"."+name, old.Value.Properties[name], n, seen)
	}
	b.answers(at+"[]", old.Value.Items, now.Value.Items, seen)
}

// accepts compares what is taken: whatever was taken is still taken.
func (b *breaks) accepts(at string, old, now *openapi3.SchemaRef, seen map[pair]bool) {
	if !b.sameType(at, old, now, seen) {
		return
	}
	for _, name := range now.Value.Required {
		if !slices.Contains(old.Value.Required, name) {
			b.add("%s: the field %s is required", at, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(old.Value.Properties)) {
		n := now.Value.Properties[name]
		if n == nil {
			b.add("%s: the field %s is gone", at, name)
			continue
		}
		b.accepts(at+"."+name, old.Value.Properties[name], n, seen)
	}
	b.accepts(at+"[]", old.Value.Items, now.Value.Items, seen)
}

// sameType reports whether there is anything to compare further.
func (b *breaks) sameType(at string, old, now *openapi3.SchemaRef, seen map[pair]bool) bool {
	if old == nil || old.Value == nil || now == nil || now.Value == nil || seen[pair{old.Value, now.Value}] {
		return false
	}
	seen[pair{old.Value, now.Value}] = true
	if o, n := old.Value.Type.Slice(), now.Value.Type.Slice(); !slices.Equal(o, n) {
		b.add("%s: the type is %v, was %v", at, n, o)
		return false
	}
	return true
}
