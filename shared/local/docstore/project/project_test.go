package project_test

import (
	"testing"

	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/project"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func raw(t testing.TB, json string) bson.Raw {
	t.Helper()
	var d bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return d
}

func TestApply(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ spec, doc, want string }{
		{`{}`, `{"_id":1,"a":1}`, `{"_id":1,"a":1}`},
		{`{"a":1}`, `{"_id":1,"b":2,"a":1}`, `{"_id":1,"a":1}`},
		{`{"a":1,"_id":0}`, `{"_id":1,"b":2,"a":1}`, `{"a":1}`},
		{`{"_id":0}`, `{"_id":1,"b":2}`, `{"b":2}`},
		{`{"_id":1}`, `{"_id":1,"b":2}`, `{"_id":1}`},
		{`{"a":0}`, `{"_id":1,"b":2,"a":1}`, `{"_id":1,"b":2}`},
		{`{"a.b":1,"a.c":1}`, `{"_id":1,"a":{"b":1,"c":2,"d":3}}`, `{"_id":1,"a":{"b":1,"c":2}}`},
		{`{"a":{"b":1}}`, `{"_id":1,"a":[{"b":1,"c":2},5,[{"b":3}]]}`, `{"_id":1,"a":[{"b":1},[{"b":3}]]}`},
		{`{"a.b":0}`, `{"_id":1,"a":[{"b":1,"c":2},5]}`, `{"_id":1,"a":[{"c":2},5]}`},
		{`{"a.b":1}`, `{"_id":1,"a":5}`, `{"_id":1}`},
		{`{"x":"$a.b","y":{"$literal":1}}`, `{"_id":1,"a":{"b":2}}`, `{"_id":1,"x":2,"y":1}`},
		{`{"a.x":{"$literal":1}}`, `{"_id":1,"a":[{"b":2},3]}`, `{"_id":1,"a":[{"x":1},{"x":1}]}`},
		{`{"x":"$missing"}`, `{"_id":1}`, `{"_id":1}`},
		{`{"arr":{"$slice":2}}`, `{"_id":1,"arr":[1,2,3],"b":1}`, `{"_id":1,"arr":[1,2],"b":1}`},
		{`{"arr":{"$slice":[-1.5,2]}}`, `{"_id":1,"arr":[1,2,3,4]}`, `{"_id":1,"arr":[4]}`},
		{`{"arr":{"$elemMatch":{}}}`, `{"_id":1,"arr":[42,"x",{"x":1}]}`, `{"_id":1,"arr":[{"x":1}]}`},
		{`{"arr":{"$elemMatch":{"$gt":1}}}`, `{"_id":1,"arr":5}`, `{"_id":1}`},
	} {
		p, err := project.Compile(raw(t, c.spec), project.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.spec, err)
			continue
		}
		got, err := p.Apply(raw(t, c.doc), -1)
		if err != nil || got.String() != raw(t, c.want).String() {
			t.Errorf("%s on %s = %s, %v, want %s", c.spec, c.doc, got, err, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for spec, code := range map[string]int32{
		`{"a":1,"b":0}`:                       31254,
		`{"a":0,"b":1}`:                       31253,
		`{"a":0,"b":{"$add":[1,2]}}`:          31252,
		`{"a":0,"b":"$a"}`:                    31310,
		`{"arr.$":1,"arr.y":1}`:               31249,
		`{"a.b":1,"a":1}`:                     31250,
		`{"arr":{"$slice":[0,-1]}}`:           28724,
		`{"a.$":1,"b.$":1}`:                   31276,
		`{"grades.$.score":1}`:                31394,
		`{"a":{}}`:                            51270,
		`{"a":{"$inc":1}}`:                    31325,
		`{"a":{"$elemMatch":{"$where":"1"}}}`: mongoerr.BadValue,
	} {
		if _, err := project.Compile(raw(t, spec), project.Options{}); mongoerr.CodeOf(err) != code {
			t.Errorf("%s: %v, want code %d", spec, err, code)
		}
	}
}

func TestPositional(t *testing.T) {
	t.Parallel()
	m, err := query.Compile(raw(t, `{"a.b":{"$gt":1}}`), query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := project.Compile(raw(t, `{"a.$":1}`), project.Options{Filter: m})
	if err != nil || !p.NeedsIndex() {
		t.Fatal(err)
	}
	doc := raw(t, `{"_id":1,"a":[{"b":1},{"b":2},{"b":3}]}`)
	_, index, err := m.MatchArray(doc)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.Apply(doc, index)
	if want := raw(t, `{"_id":1,"a":[{"b":2}]}`); err != nil || got.String() != want.String() {
		t.Fatalf("%s, %v", got, err)
	}
	if _, err := p.Apply(doc, -1); mongoerr.CodeOf(err) != 51246 {
		t.Errorf("without an index: %v", err)
	}
	if _, err := p.Apply(doc, 7); mongoerr.CodeOf(err) != 51247 {
		t.Errorf("beyond the end: %v", err)
	}
}
