package httpxtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

const document = `
openapi: 3.0.3
info: {title: t, version: "1"}
paths:
  /things/{id}:
    put:
      operationId: putThing
      parameters:
        - {name: id, in: path, required: true, schema: {type: string}}
        - {name: depth, in: query, schema: {type: integer}}
      requestBody: {required: true, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
      responses:
        "200": {description: ok, content: {application/json: {schema: {$ref: "#/components/schemas/Thing"}}}}
components:
  schemas:
    Thing:
      type: object
      required: [name]
      properties:
        name: {type: string}
        size: {type: integer}
        parts: {type: array, items: {$ref: "#/components/schemas/Thing"}}
`

func TestBroken(t *testing.T) {
	t.Parallel()
	load := func(text string) *openapi3.T {
		d, err := openapi3.NewLoader().LoadFromData([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	old := load(document)
	for _, c := range []struct{ from, to, want string }{
		{"", "", ""},
		{"size: {type: integer}", "size: {type: integer}, more: {type: string}", ""},
		{"/things/{id}:", "/objects/{id}:", "/things/{id} is gone"},
		{"    put:", "    post:", "PUT /things/{id} is gone"},
		{"putThing", "setThing", "the operation is called setThing"},
		{"{name: depth, in: query, schema", "{name: level, in: query, schema", "the query parameter depth is gone"},
		{"{name: depth, in: query, schema", "{name: depth, in: query, required: true, schema", "the query parameter depth is required"},
		{`"200"`, `"201"`, "the answer 200 is gone"},
		{"size: {type: integer}", "size: {type: string}", "the type is [string], was [integer]"},
		{"size: {type: integer}", "width: {type: integer}", "the field size is gone"},
		{"required: [name]", "required: [name, size]", "request: the field size is required"},
		{"required: [name]", "required: []", "answer 200: the field name may be absent"},
	} {
		text := document
		if c.from != "" {
			text = strings.Replace(document, c.from, strings.ReplaceAll(c.to, ", more", "\n        more"), 1)
		}
		got := Broken(old, load(text))
		if c.want == "" && len(got) > 0 || c.want != "" && !slices.ContainsFunc(got, func(l string) bool { return strings.Contains(l, c.want) }) {
			t.Errorf("%q → %q: %q; want %q", c.from, c.to, got, c.want)
		}
	}
}
