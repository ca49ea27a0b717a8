package query_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
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

func compile(t testing.TB, filter string) *query.Matcher {
	t.Helper()
	m, err := query.Compile(raw(t, filter), query.Options{})
	if err != nil {
		t.Fatalf("%s: %v", filter, err)
	}
	return m
}

func TestMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter  string
		yes, no []string
	}{
		{`{}`, []string{`{}`, `{"a":1}`}, nil},
		{`{"a":null}`, []string{`{"a":null}`, `{}`, `{"a":[1,null]}`}, []string{`{"a":1}`, `{"a":[]}`}},
		{`{"a":{"$gte":null}}`, []string{`{"a":null}`, `{}`}, []string{`{"a":1}`}},
		{`{"a":{"$gt":null}}`, nil, []string{`{"a":null}`, `{}`, `{"a":1}`}},
		{`{"a":{"$ne":null}}`, []string{`{"a":1}`}, []string{`{}`, `{"a":null}`}},
		{`{"a.b":null}`, []string{`{"a":{}}`, `{"a":{"b":null}}`, `{"a":[{"b":1},{"c":2}]}`, `{"a":1}`}, []string{`{"a":{"b":1}}`, `{"a":[{"b":1},{"b":2}]}`, `{"a":[]}`, `{"a":[1]}`}},
		{`{"a":{"$numberDouble":"NaN"}}`, []string{`{"a":{"$numberDecimal":"NaN"}}`, `{"a":{"$numberDouble":"NaN"}}`}, []string{`{"a":1}`}},
		{`{"a":{"$gte":10}}`, []string{`{"a":10}`, `{"a":{"$numberDecimal":"10.0"}}`}, []string{`{"a":{"$numberDouble":"NaN"}}`, `{"a":"11"}`, `{"a":null}`, `{}`}},
		{`{"a":9.99}`, []string{`{"a":9.99}`}, []string{`{"a":{"$numberDecimal":"9.99"}}`}},
		{`{"a":["B","A"]}`, []string{`{"a":["B","A"]}`, `{"a":[["B","A"]]}`}, []string{`{"a":["A","B"]}`}},
		{`{"a":{"y":2,"x":1}}`, []string{`{"a":{"y":2,"x":1}}`}, []string{`{"a":{"x":1,"y":2}}`, `{"a":{"y":2}}`, `{"a":{"y":2,"x":1,"z":0}}`}},
		{`{"a":{"$gt":1,"$lt":3}}`, []string{`{"a":[0,5]}`, `{"a":2}`}, []string{`{"a":[5]}`}},
		{`{"a":{"$elemMatch":{"$gt":1,"$lt":3}}}`, []string{`{"a":[0,2]}`}, []string{`{"a":[0,5]}`, `{"a":2}`}},
		{`{"a.0":{"$gt":20}}`, []string{`{"a":[25,5]}`, `{"a":{"0":30}}`}, []string{`{"a":[5,25]}`}},
		{`{"a":{"$ne":"B"}}`, []string{`{"a":["A"]}`, `{}`}, []string{`{"a":["A","B"]}`}},
		{`{"a.b":{"$ne":1}}`, []string{`{"a":[{"b":2}]}`}, []string{`{"a":[{"b":1},{"b":2}]}`}},
		{`{"a":{"$elemMatch":{}}}`, []string{`{"a":[{"x":1}]}`}, []string{`{"a":[1,2]}`}},
		{`{"a":{"$all":[]}}`, nil, []string{`{"a":[]}`, `{}`}},
		{`{"a":{"$all":[["A"]]}}`, []string{`{"a":["A"]}`, `{"a":[["A"],"B"]}`}, []string{`{"a":"A"}`}},
		{`{"a":{"$all":[""]}}`, []string{`{"a":""}`}, []string{`{}`}},
		{`{"a":{"$in":[]}}`, nil, []string{`{"a":1}`, `{}`}},
		{`{"a":{"$in":[{"$regularExpression":{"pattern":"^abc","options":"m"}},7]}}`, []string{`{"a":"x\nabc"}`, `{"a":{"$numberLong":"7"}}`}, []string{`{"a":"xabc"}`}},
		{`{"a":{"$in":[null]}}`, []string{`{}`, `{"a":null}`}, []string{`{"a":0}`}},
		{`{"a":{"$nin":[1,2]}}`, []string{`{}`, `{"a":[3]}`}, []string{`{"a":[3,1]}`}},
		{`{"$nor":[{}]}`, nil, []string{`{}`}},
		{`{"a":{"$regularExpression":{"pattern":"1","options":""}}}`, []string{`{"a":"1"}`, `{"a":["x","1"]}`}, []string{`{"a":1}`, `{"a":[1]}`}},
		{`{"a":{"$type":"array"}}`, []string{`{"a":[1,2]}`}, []string{`{"a":1}`}},
		{`{"a":{"$type":"number"}}`, []string{`{"a":[1]}`, `{"a":1.5}`}, []string{`{"a":"1"}`}},
		{`{"a":{"$mod":[{"$numberDecimal":"4.5"},0]}}`, []string{`{"a":4}`, `{"a":8}`}, []string{`{"a":9}`, `{"a":"4"}`}},
		{`{"a":{"$size":2}}`, []string{`{"a":[1,2]}`}, []string{`{"a":[[1,2]]}`, `{"a":2}`}},
		{`{"a":{"$exists":false}}`, []string{`{}`}, []string{`{"a":null}`}},
		{`{"a":{"$not":{"$gt":5}}}`, []string{`{}`, `{"a":5}`, `{"a":"x"}`}, []string{`{"a":6}`, `{"a":[1,6]}`}},
		{`{"$or":[{"a":1},{"b":1}]}`, []string{`{"a":1}`, `{"b":1}`}, []string{`{"c":1}`}},
		{`{"a":{"$bitsAllSet":[1,5]}}`, []string{`{"a":34}`}, []string{`{"a":2}`, `{"a":1.5}`}},
		{`{"a":{"$elemMatch":{"b":1,"c":{"$gt":1}}}}`, []string{`{"a":[{"b":1,"c":2}]}`}, []string{`{"a":[{"b":1},{"c":2}]}`}},
		{`{"a":{"$gt":{"$minKey":1}}}`, []string{`{"a":1}`, `{}`}, []string{`{"a":{"$minKey":1}}`}},
		{`{"$expr":"$a"}`, []string{`{"a":1}`, `{"a":""}`}, []string{`{}`, `{"a":0}`}},
		{`{"$expr":[]}`, []string{`{}`}, nil},
		{
			`{"$jsonSchema":{"required":["a"],"properties":{"a":{"bsonType":["int","string"],"minimum":2,"maxLength":3}},"additionalProperties":false}}`,
			[]string{`{"a":2}`, `{"a":"abc"}`}, []string{`{}`, `{"a":1}`, `{"a":"abcd"}`, `{"a":2,"b":1}`, `{"a":2.5}`},
		},
		{
			`{"$jsonSchema":{"properties":{"a":{"type":"array","items":[{"type":"number"}],"additionalItems":{"type":"string"},"uniqueItems":true,"maxItems":3}}}}`,
			[]string{`{}`, `{"a":[1,"x"]}`, `{"a":[]}`}, []string{`{"a":1}`, `{"a":["x"]}`, `{"a":[1,2]}`, `{"a":[1,"x","x"]}`, `{"a":[1,"x","y","z"]}`},
		},
		{
			`{"$jsonSchema":{"oneOf":[{"required":["a"]},{"required":["b"]}],"not":{"required":["c"]},"patternProperties":{"^n":{"enum":[1,2]}}}}`,
			[]string{`{"a":1}`, `{"b":1,"n1":2}`}, []string{`{"a":1,"b":1}`, `{}`, `{"a":1,"c":1}`, `{"a":1,"n1":3}`},
		},
		{`{"$sampleRate":1.0}`, []string{`{}`}, nil},
		{`{"$sampleRate":0}`, nil, []string{`{}`}},
		{`{"a":{"$regex":"ABC$","$options":"i"}}`, []string{`{"a":"xabc"}`, `{"a":"abc\n"}`}, []string{`{"a":"abcd"}`}},
		{`{"a":{"$regex":"a b # c","$options":"x"}}`, []string{`{"a":"ab"}`}, []string{`{"a":"a b"}`}},
	} {
		m := compile(t, c.filter)
		for _, d := range append(c.yes, c.no...) {
			got, err := m.Match(raw(t, d))
			if want := contains(c.yes, d); err != nil || got != want {
				t.Errorf("%s on %s = %v, %v, want %v", c.filter, d, got, err, want)
			}
		}
	}
}

func contains(all []string, s string) bool {
	for _, x := range all {
		if x == s {
			return true
		}
	}
	return false
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for filter, code := range map[string]int32{
		`{"a":{"$foo":1}}`:                    mongoerr.BadValue,
		`{"$foo":1}`:                          mongoerr.BadValue,
		`{"a":{"$in":1}}`:                     mongoerr.BadValue,
		`{"a":{"$type":[]}}`:                  mongoerr.FailedToParse,
		`{"a":{"$regex":"a","$options":123}}`: mongoerr.BadValue,
		`{"a":{"$options":"i"}}`:              mongoerr.BadValue,
		`{"a":{"$regex":"["}}`:                51091,
		`{"a":{"$regex":"(?=x)"}}`:            mongoerr.NotImplemented,
		`{"$jsonSchema":{"foo":1}}`:           mongoerr.FailedToParse,
		`{"$jsonSchema":{"properties":{"a":{"type":"integer"}}}}`:                    mongoerr.FailedToParse,
		`{"$jsonSchema":{"properties":{"a":{"type":"string","bsonType":"string"}}}}`: mongoerr.FailedToParse,
		`{"$jsonSchema":{"minimum":"x"}}`:                                            mongoerr.TypeMismatch,
		`{"$jsonSchema":1}`:                                                          mongoerr.TypeMismatch,
		`{"$sampleRate":2}`:                                                          mongoerr.BadValue,
		`{"$where":"1"}`:                                                             mongoerr.NotImplemented,
		`{"a":{"$geoWithin":{}}}`:                                                    mongoerr.NotImplemented,
		`{"$and":[]}`:                                                                mongoerr.BadValue,
		`{"a":{"$elemMatch":{"$expr":1}}}`:                                           mongoerr.BadValue,
		`{"a":{"$not":{}}}`:                                                          mongoerr.BadValue,
		`{"$or":` + strings.Repeat(`[{"$or":`, 120) + `[{}]` + strings.Repeat(`}]`, 120) + `}`: mongoerr.BadValue,
	} {
		if _, err := query.Compile(raw(t, filter), query.Options{}); mongoerr.CodeOf(err) != code {
			t.Errorf("%.80s: %v, want code %d", filter, err, code)
		}
	}
	if _, err := query.Compile(raw(t, `{"a":{"$near":[0,0]}}`), query.Options{InMatch: true}); mongoerr.CodeOf(err) != 5626500 {
		t.Errorf("$near in $match: %v", err)
	}
}

func TestMatchArrayTellsTheElement(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, doc string
		want        int
	}{
		{`{"a":2}`, `{"a":[1,2,3,2]}`, 1},
		{`{"a.b":{"$gt":1}}`, `{"a":[{"b":1},{"b":2}]}`, 1},
		{`{"a":{"$elemMatch":{"x":2}}}`, `{"a":[{"x":1},{"x":2}]}`, 1},
		{`{"a":{"$gt":1,"$lt":5}}`, `{"a":[1,2,3,4,5]}`, 1},
		{`{"a":{"$all":[3,5]}}`, `{"a":[1,2,3,4,5]}`, 4},
		{`{"$or":[{"a":2},{"a":4}]}`, `{"a":[1,2,3,4]}`, 1},
		{`{"$or":[{"a":2},{"b":4}]}`, `{"a":[1,2,3,4]}`, -1},
		{`{"a":{"$not":{"$gt":9}}}`, `{"a":[1]}`, -1},
		{`{"a.1":2}`, `{"a":[1,2]}`, -1},
		{`{"b":1}`, `{"b":1,"a":[1]}`, -1},
	} {
		ok, got, err := compile(t, c.filter).MatchArray(raw(t, c.doc))
		if !ok || err != nil || got != c.want {
			t.Errorf("%s on %s = %v, %d, %v, want index %d", c.filter, c.doc, ok, got, err, c.want)
		}
	}
}

func TestExprUsesItsEnv(t *testing.T) {
	t.Parallel()
	scope, slot := expr.NewScope().Define("x")
	m, err := query.Compile(raw(t, `{"$expr":{"$eq":["$a","$$x"]}}`), query.Options{Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []int32{1, 2} {
		env := &expr.Env{}
		env.Set(slot, bsonx.Int32(x))
		got, err := m.MatchEnv(env, raw(t, `{"a":1}`))
		if err != nil || got != (x == 1) {
			t.Errorf("x=%d: %v, %v", x, got, err)
		}
	}
}

func TestEqualities(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter string
		want   []string
		code   int32
	}{
		{`{"a":1,"b":{"$gt":2},"c.d":"x"}`, []string{"a", "c.d"}, 0},
		{`{"$and":[{"a":1},{"b":{"$eq":2}}],"$or":[{"c":3}]}`, []string{"a", "b", "c"}, 0},
		{`{"$or":[{"a":1},{"a":2}]}`, nil, 0},
		{`{"a":{"$in":[5]},"b":{"$all":[6]}}`, []string{"a", "b"}, 0},
		{`{"$and":[{"a":1},{"a":2}]}`, nil, mongoerr.NotSingleValueField},
		{`{"a":1,"a.b":2}`, nil, mongoerr.NotSingleValueField},
	} {
		eqs, err := compile(t, c.filter).Equalities()
		if mongoerr.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want code %d", c.filter, err, c.code)
			continue
		}
		var got []string
		for _, e := range eqs {
			got = append(got, e.Path)
		}
		if d := cmp.Diff(c.want, got); err == nil && d != "" {
			t.Errorf("%s:\n%s", c.filter, d)
		}
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	doc := raw(t, `{"_id":1,"s":"open","n":{"$numberLong":"7"},"d":{"$numberDecimal":"1.5"},"tags":["a","b"],"sub":{"x":[{"y":1},{"y":2}]},"at":{"$date":"2026-01-01T00:00:00Z"}}`)
	for _, f := range []string{
		`{"s":"open"}`, `{"n":{"$gte":5,"$lt":9}}`, `{"d":{"$gt":1}}`, `{"tags":"b"}`, `{"sub.x.y":2}`, `{"missing":null}`, `{"n":{"$in":[1,3,7,9]}}`,
		`{"s":{"$ne":"closed"},"n":{"$exists":true}}`, `{"sub.x":{"$elemMatch":{"y":{"$gt":1}}}}`, `{"$or":[{"s":"x"},{"n":7}]}`, `{"at":{"$lt":{"$date":"2027-01-01T00:00:00Z"}}}`,
	} {
		m := compile(t, f)
		if n := testing.AllocsPerRun(100, func() {
			if ok, err := m.Match(doc); !ok || err != nil {
				t.Fatalf("%s does not match: %v", f, err)
			}
		}); n != 0 {
			t.Errorf("%s allocates %v times", f, n)
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	doc := raw(b, `{"_id":1,"s":"open","n":{"$numberLong":"7"},"tags":["a","b"],"sub":{"x":[{"y":1},{"y":2}]}}`)
	m := compile(b, `{"s":"open","n":{"$gte":5},"sub.x.y":2}`)
	b.ReportAllocs()
	for b.Loop() {
		if ok, _ := m.Match(doc); !ok {
			b.Fatal("no match")
		}
	}
}
