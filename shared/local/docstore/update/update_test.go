package update_test

import (
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"github.com/strata-crm/strata/shared/local/docstore/update"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

func raw(t testing.TB, json string) bson.Raw {
	t.Helper()
	var d bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(json), false, &d); err != nil {
		t.Fatalf("%s: %v", json, err)
	}
	return d
}

var now = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func compile(t testing.TB, u string, filters ...string) (*update.Update, error) {
	t.Helper()
	opts := update.Options{Env: &expr.Env{Now: now}}
	for _, f := range filters {
		opts.ArrayFilters = append(opts.ArrayFilters, raw(t, f))
	}
	return update.Compile(bsonx.Lookup(raw(t, `{"u":`+u+`}`), "u"), opts)
}

// TestApply compares bytes, so that the order of fields and the types of numbers count.
func TestApply(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ doc, u, want string }{
		{`{}`, `{"$set":{"a.b.c":42}}`, `{"a":{"b":{"c":42}}}`},
		{`{}`, `{"$set":{"a.0":1}}`, `{"a":{"0":1}}`},
		{`{"arr":[10,20,30]}`, `{"$mul":{"arr.5":2}}`, `{"arr":[10,20,30,null,null,0]}`},
		{`{}`, `{"$set":{"z":1,"a":2,"m":3}}`, `{"a":2,"m":3,"z":1}`},
		{`{"a":{}}`, `{"$set":{"a.10":1,"a.2":2}}`, `{"a":{"2":2,"10":1}}`},
		{`{"b":1,"a":2}`, `{"$set":{"a":3,"b":4}}`, `{"b":4,"a":3}`},
		{`{"n":2147483647}`, `{"$inc":{"n":1}}`, `{"n":{"$numberLong":"2147483648"}}`},
		{`{"n":{"$numberLong":"1"}}`, `{"$inc":{"n":1}}`, `{"n":{"$numberLong":"2"}}`},
		{`{"n":1}`, `{"$inc":{"n":0.5}}`, `{"n":1.5}`},
		{`{"n":10.5}`, `{"$inc":{"n":{"$numberDecimal":"2.5"}}}`, `{"n":{"$numberDecimal":"13.0000000000000"}}`},
		{`{}`, `{"$inc":{"n":{"$numberLong":"5"}},"$mul":{"m":2.5}}`, `{"m":0.0,"n":{"$numberLong":"5"}}`},
		{`{"a":[1,2]}`, `{"$push":{"a":[3,4]}}`, `{"a":[1,2,[3,4]]}`},
		{`{}`, `{"$push":{"a":1}}`, `{"a":[1]}`},
		{`{"a":["a","b","c","d"]}`, `{"$push":{"a":{"$each":["x"],"$position":-2}}}`, `{"a":["a","b","x","c","d"]}`},
		{`{"a":[3,1]}`, `{"$push":{"a":{"$each":[2],"$sort":-1,"$slice":2}}}`, `{"a":[3,2]}`},
		{`{"a":[1,2,3]}`, `{"$push":{"a":{"$each":[],"$slice":-1}}}`, `{"a":[3]}`},
		{`{"a":[{"x":2},{"x":1}]}`, `{"$push":{"a":{"$each":[],"$sort":{"x":1}}}}`, `{"a":[{"x":1},{"x":2}]}`},
		{`{"a":[{"x":1,"y":2}]}`, `{"$addToSet":{"a":{"y":2,"x":1}}}`, `{"a":[{"x":1,"y":2},{"y":2,"x":1}]}`},
		{`{"a":[1]}`, `{"$addToSet":{"a":{"$each":[{"$numberLong":"1"},2,2]}}}`, `{"a":[1,2]}`},
		{`{"a":[1,2,3,2,4]}`, `{"$pull":{"a":2}}`, `{"a":[1,3,4]}`},
		{`{"a":[[1,2],[2,1],1]}`, `{"$pull":{"a":[1,2]}}`, `{"a":[[2,1],1]}`},
		{`{"a":[{"x":1},5]}`, `{"$pull":{"a":{}}}`, `{"a":[5]}`},
		{`{"a":[[],[1]]}`, `{"$pull":{"a":[]}}`, `{"a":[[1]]}`},
		{`{"a":[{"a":1,"b":2,"c":3},{"a":1}]}`, `{"$pull":{"a":{"a":1,"b":2}}}`, `{"a":[{"a":1}]}`},
		{`{"a":[1,5,9]}`, `{"$pull":{"a":{"$gte":5}}}`, `{"a":[1]}`},
		{`{"a":[1,2,3]}`, `{"$pullAll":{"a":[1,3]}}`, `{"a":[2]}`},
		{`{"a":[1,2,3]}`, `{"$pop":{"a":-1}}`, `{"a":[2,3]}`},
		{`{"a":[]}`, `{"$pop":{"a":1}}`, `{"a":[]}`},
		{`{"a":[1,2,3]}`, `{"$unset":{"a.1":""}}`, `{"a":[1,null,3]}`},
		{`{"a":5}`, `{"$unset":{"a.b":""}}`, `{"a":5}`},
		{`{"a":null,"b":1}`, `{"$rename":{"a":"b"}}`, `{"b":null}`},
		{`{"a":1}`, `{"$rename":{"a":"c.d"}}`, `{"c":{"d":1}}`},
		{`{"a":1}`, `{"$rename":{"x":"a.b"}}`, `{"a":1}`},
		{`{"a":5}`, `{"$min":{"a":"hello"}}`, `{"a":5}`},
		{`{"a":null}`, `{"$max":{"a":1}}`, `{"a":1}`},
		{`{"g":[80,85,90]}`, `{"$max":{"g.$[]":88}}`, `{"g":[88,88,90]}`},
		{`{"a":1}`, `{"$setOnInsert":{"b":1,"c.d":2}}`, `{"a":1}`},
		{`{"a":1}`, `{"$currentDate":{"t":true}}`, `{"a":1,"t":{"$date":"2026-01-02T03:04:05Z"}}`},
		{`{"a":1}`, `{"$currentDate":{"t":{"$type":"timestamp"}}}`, `{"a":1,"t":{"$timestamp":{"t":1767323045,"i":1}}}`},
		{`{"a":13}`, `{"$bit":{"a":{"and":10}}}`, `{"a":8}`},
		{`{"_id":1,"a":1}`, `{"b":2}`, `{"_id":1,"b":2}`},
		{`{"_id":1,"a":1}`, `{"b":2,"_id":1}`, `{"_id":1,"b":2}`},
		{`{"_id":1,"a":1}`, `{}`, `{"_id":1}`},
	} {
		u, err := compile(t, c.u)
		if err != nil {
			t.Errorf("%s: %v", c.u, err)
			continue
		}
		doc := raw(t, c.doc)
		got, changed, err := u.Apply(doc, -1)
		if err != nil || got.String() != raw(t, c.want).String() {
			t.Errorf("%s on %s = %s, %v, want %s", c.u, c.doc, got, err, c.want)
		}
		if changed != (c.doc != c.want) {
			t.Errorf("%s on %s: changed %v", c.u, c.doc, changed)
		}
		if doc.String() != raw(t, c.doc).String() {
			t.Errorf("%s changed the document given", c.u)
		}
	}
}

func TestArrayFilters(t *testing.T) {
	t.Parallel()
	u, err := compile(t, `{"$set":{"a.$[x].b.$[y]":0}}`, `{"x.b":{"$gte":4}}`, `{"y":{"$gte":5}}`)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := u.Apply(raw(t, `{"a":[{"b":[1,2,3]},{"b":[4,5,6]}]}`), -1)
	if want := raw(t, `{"a":[{"b":[1,2,3]},{"b":[4,0,0]}]}`); err != nil || got.String() != want.String() {
		t.Fatalf("%s, %v", got, err)
	}
}

func TestPositional(t *testing.T) {
	t.Parallel()
	u, err := compile(t, `{"$set":{"arr.$":9}}`)
	if err != nil || !u.NeedsIndex() {
		t.Fatal(err)
	}
	m, err := query.Compile(raw(t, `{"arr":2}`), query.Options{})
	if err != nil {
		t.Fatal(err)
	}
	doc := raw(t, `{"arr":[1,2,3,2,4]}`)
	_, index, err := m.MatchArray(doc)
	if err != nil {
		t.Fatal(err)
	}
	got, changed, err := u.Apply(doc, index)
	if want := raw(t, `{"arr":[1,9,3,2,4]}`); err != nil || !changed || got.String() != want.String() {
		t.Fatalf("%s, %v", got, err)
	}
	if _, _, err := u.Apply(doc, -1); mongoerr.CodeOf(err) != mongoerr.BadValue {
		t.Fatalf("without an index: %v", err)
	}
}

func TestReplacementWithoutIDCounts(t *testing.T) {
	t.Parallel()
	doc := raw(t, `{"_id":1,"a":1}`)
	for u, want := range map[string]bool{`{"a":1}`: true, `{"_id":1,"a":1}`: false} {
		c, err := compile(t, u)
		if err != nil {
			t.Fatal(err)
		}
		got, changed, err := c.Apply(doc, -1)
		if err != nil || changed != want || got.String() != doc.String() {
			t.Errorf("%s: %s, changed %v, %v", u, got, changed, err)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		doc, u  string
		filters []string
		code    int32
	}{
		{`{"a":[{"b":5}]}`, `{"$mul":{"a.b":2}}`, nil, mongoerr.PathNotViable},
		{`{"a":5}`, `{"$set":{"a.b":2}}`, nil, mongoerr.PathNotViable},
		{`{}`, `{"$set":{"a":1,"a.b":2}}`, nil, mongoerr.ConflictingUpdateOperators},
		{`{}`, `{"$set":{"a.b":1},"$inc":{"a":2}}`, nil, mongoerr.ConflictingUpdateOperators},
		{`{"a":[1]}`, `{"$set":{"a.$[]":1,"a.0":2}}`, nil, mongoerr.ConflictingUpdateOperators},
		{`{"_id":1}`, `{"$set":{"_id":2}}`, nil, mongoerr.ImmutableField},
		{`{"_id":1}`, `{"_id":2}`, nil, mongoerr.ImmutableField},
		{`{"_id":1}`, `{"$unset":{"_id":""}}`, nil, mongoerr.ImmutableField},
		{`{"n":{"$numberLong":"9223372036854775807"}}`, `{"$inc":{"n":1}}`, nil, mongoerr.BadValue},
		{`{"n":"x"}`, `{"$inc":{"n":1}}`, nil, mongoerr.TypeMismatch},
		{`{"n":null}`, `{"$inc":{"n":1}}`, nil, mongoerr.TypeMismatch},
		{`{}`, `{"$inc":{"n":null}}`, nil, mongoerr.TypeMismatch},
		{`{"a":null}`, `{"$push":{"a":1}}`, nil, mongoerr.BadValue},
		{`{"a":1}`, `{"$pull":{"a":1}}`, nil, mongoerr.BadValue},
		{`{"a":1}`, `{"$rename":{"a":"a"}}`, nil, mongoerr.BadValue},
		{`{"a":[1]}`, `{"$rename":{"a.0":"b"}}`, nil, mongoerr.BadValue},
		{`{}`, `{"$set":{"a.$[x]":1}}`, []string{`{"y":1}`}, mongoerr.BadValue},
		{`{}`, `{"$set":{"a":1}}`, []string{`{"y":1}`}, mongoerr.FailedToParse},
		{`{}`, `{"$set":{"a.$[]":1}}`, nil, mongoerr.BadValue},
		{`{}`, `{"$foo":{"a":1}}`, nil, mongoerr.FailedToParse},
		{`{}`, `{"$set":{"a":1},"b":1}`, nil, mongoerr.FailedToParse},
		{`{}`, `{"b":1,"$set":{"a":1}}`, nil, mongoerr.DollarPrefixedFieldName},
		{`{}`, `{"$set":{"$a":1}}`, nil, mongoerr.DollarPrefixedFieldName},
		{`{}`, `[{"$match":{}}]`, nil, mongoerr.InvalidOptions},
		{`{}`, `5`, nil, mongoerr.FailedToParse},
	} {
		u, err := compile(t, c.u, c.filters...)
		if err == nil {
			_, _, err = u.Apply(raw(t, c.doc), -1)
		}
		if mongoerr.CodeOf(err) != c.code {
			t.Errorf("%s on %s: %v, want code %d", c.u, c.doc, err, c.code)
		}
	}
	if _, err := update.Compile(bsonx.Document(raw(t, `{"a":1}`)), update.Options{Multi: true}); mongoerr.CodeOf(err) != mongoerr.FailedToParse {
		t.Errorf("a replacement of many: %v", err)
	}
}

func TestUpsert(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, u, want string
		code            int32
	}{
		{`{"_id":1,"a":1,"b":2}`, `{"$set":{"c":3}}`, `{"_id":1,"a":1,"b":2,"c":3}`, 0},
		{`{"b":2,"_id":1}`, `{"$set":{"c":3}}`, `{"_id":1,"b":2,"c":3}`, 0},
		{`{"a":{"$gt":5}}`, `{"$set":{"c":3}}`, `{"c":3}`, 0},
		{`{"a.b":5}`, `{"$set":{"c":3}}`, `{"a":{"b":5},"c":3}`, 0},
		{`{"$and":[{"a":1},{"b":2}]}`, `{"$setOnInsert":{"c":3}}`, `{"a":1,"b":2,"c":3}`, 0},
		{`{"_id":1,"x":10}`, `{"$inc":{"x":5}}`, `{"_id":1,"x":15}`, 0},
		{`{"_id":1,"x":10}`, `{"y":5}`, `{"_id":1,"y":5}`, 0},
		{`{"_id":1,"arr":[1,2]}`, `{"$inc":{"arr.$[]":1}}`, `{"_id":1,"arr":[2,3]}`, 0},
		{`{"_id":1}`, `{"$setOnInsert":{"$a":1}}`, `{"_id":1,"$a":1}`, 0},
		{`{"_id":1}`, `{"$inc":{"arr.$[]":1}}`, ``, mongoerr.BadValue},
		{`{"_id":1}`, `{"$set":{"_id":2}}`, ``, mongoerr.ImmutableField},
		{`{"_id":1}`, `{"_id":2}`, ``, mongoerr.ImmutableField},
		{`{"a":1}`, `{"$set":{"_id":2}}`, `{"_id":2,"a":1}`, 0},
		{`{"$and":[{"a":1},{"a":2}]}`, `{"$set":{"b":2}}`, ``, mongoerr.NotSingleValueField},
	} {
		u, err := compile(t, c.u)
		if err != nil {
			t.Fatal(err)
		}
		m, err := query.Compile(raw(t, c.filter), query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := u.Upsert(m)
		if mongoerr.CodeOf(err) != c.code {
			t.Errorf("%s with %s: %v, want code %d", c.filter, c.u, err, c.code)
		} else if c.code == 0 && got.String() != raw(t, c.want).String() {
			t.Errorf("%s with %s = %s, want %s", c.filter, c.u, got, c.want)
		}
	}
}

// TestSetThenRead: what $set wrote at a path is what the path then reads, and a second time changes nothing.
func TestSetThenRead(t *testing.T) {
	t.Parallel()
	docs := rapid.SampledFrom([]string{`{}`, `{"a":{"b":1},"c":[1,{"b":2}]}`, `{"a":{"b":{"c":3},"d":4}}`, `{"c":[]}`})
	paths := rapid.SampledFrom([]string{"a", "a.b", "a.b.c", "a.x.y", "c.0", "c.3", "z"})
	rapid.Check(t, func(rt *rapid.T) {
		doc, path := raw(t, docs.Draw(rt, "doc")), paths.Draw(rt, "path")
		v := bsonx.Int64(rapid.Int64().Draw(rt, "value"))
		u, err := update.Compile(bsonx.NewDoc(0).Append("$set", bsonx.NewDoc(0).Append(path, v).Value()).Value(), update.Options{})
		if err != nil {
			rt.Fatal(err)
		}
		out, changed, err := u.Apply(doc, -1)
		if mongoerr.CodeOf(err) == mongoerr.PathNotViable {
			rt.Skip("a scalar is in the way")
		}
		if err != nil || !changed {
			rt.Fatalf("%v, changed %v", err, changed)
		}
		if err := out.Validate(); err != nil {
			rt.Fatalf("a wrong document: %v", err)
		}
		if got := bsonx.LookupPath(out, path); !bsonx.Equal(got, v) {
			rt.Fatalf("%s of %v is %v, want %v", path, out, got, v)
		}
		if _, again, err := u.Apply(out, -1); again || err != nil {
			rt.Fatalf("the second time changes %v, %v", again, err)
		}
	})
}

func BenchmarkApply(b *testing.B) {
	u, err := compile(b, `{"$set":{"s":"open"},"$inc":{"n":1},"$max":{"m":5},"$push":{"log":1}}`)
	if err != nil {
		b.Fatal(err)
	}
	doc := raw(b, `{"_id":1,"s":"new","n":7,"m":3,"log":[1,2,3],"sub":{"x":[{"y":1},{"y":2}]}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := u.Apply(doc, -1); err != nil {
			b.Fatal(err)
		}
	}
}
