package query_test

import (
	"bytes"
	"testing"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"
)

// Property tests share generators, which rapid does not allow in parallel.

var scalars = rapid.SampledFrom([]bson.RawValue{
	bsonx.Null, bsonx.Int32(0), bsonx.Int32(1), bsonx.Int32(2), bsonx.Int32(3), bsonx.Double(1.5), bsonx.Double(2), bsonx.String("a"), bsonx.String("ab"), bsonx.String("b"),
	bsonx.Bool(true), {Type: bson.TypeMinKey}, {Type: bson.TypeMaxKey}, {Type: bson.TypeRegex, Value: []byte("^a\x00\x00")},
})

// someValue is a scalar, an array or a document of field b.
func someValue(depth int) *rapid.Generator[bson.RawValue] {
	return rapid.Custom(func(t *rapid.T) bson.RawValue {
		switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); {
		case kind == 0 && depth > 0:
			return bsonx.ArrayOf(rapid.SliceOfN(someValue(depth-1), 0, 3).Draw(t, "items")...)
		case kind == 1 && depth > 0:
			b := bsonx.NewDoc(0)
			if rapid.Bool().Draw(t, "has b") {
				b.Append("b", someValue(depth-1).Draw(t, "b"))
			}
			return b.Value()
		}
		return scalars.Draw(t, "scalar")
	})
}

var someDoc = rapid.Custom(func(t *rapid.T) bson.Raw {
	b := bsonx.NewDoc(0)
	for _, f := range []string{"a", "c"} {
		if rapid.Bool().Draw(t, "has "+f) {
			b.Append(f, someValue(3).Draw(t, f))
		}
	}
	return b.Raw()
})

func one(key string, v bson.RawValue) bson.RawValue { return bsonx.NewDoc(0).Append(key, v).Value() }

// operand leaves out what is no operand of a comparison.
var operand = rapid.Custom(func(t *rapid.T) bson.RawValue {
	v := someValue(2).Draw(t, "operand")
	if v.Type == bson.TypeRegex {
		return bsonx.Int32(1)
	}
	return v
})

var operators = rapid.Custom(func(t *rapid.T) bson.RawValue {
	b := bsonx.NewDoc(0)
	for _, op := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"$eq", "$gt", "$gte", "$lt", "$lte", "$in", "$ne", "$exists", "$regex", "$type", "$not", "$size"}), 1, 2, rapid.ID).Draw(t, "ops") {
		switch op {
		case "$in":
			b.Append(op, bsonx.ArrayOf(rapid.SliceOfN(operand, 0, 3).Draw(t, "in")...))
		case "$exists":
			b.Append(op, bsonx.Bool(rapid.Bool().Draw(t, "exists")))
		case "$regex":
			b.Append(op, bsonx.String(rapid.SampledFrom([]string{"^a", "^ab", "b", "^ab*", "^a|b"}).Draw(t, "regex")))
		case "$type":
			b.Append(op, bsonx.String(rapid.SampledFrom([]string{"number", "string", "null", "array", "regex"}).Draw(t, "type")))
		case "$not":
			b.Append(op, one("$gt", operand.Draw(t, "not")))
		case "$size":
			b.Append(op, bsonx.Int32(1))
		default:
			b.Append(op, operand.Draw(t, "operand"))
		}
	}
	return b.Value()
})

func condition(depth int) *rapid.Generator[bson.Raw] {
	return rapid.Custom(func(t *rapid.T) bson.Raw {
		path := rapid.SampledFrom([]string{"a", "a.b", "c"}).Draw(t, "path")
		kind := rapid.IntRange(0, 5).Draw(t, "kind")
		if depth == 0 {
			kind = max(kind, 3)
		}
		switch kind {
		case 0, 1:
			list := bsonx.NewArray(0)
			for _, c := range rapid.SliceOfN(condition(depth-1), 1, 3).Draw(t, "branches") {
				list.Append(bsonx.Document(c))
			}
			return one([]string{"$and", "$or"}[kind], list.Value()).Value
		case 2:
			if rapid.Bool().Draw(t, "elemMatch of values") {
				return one(path, one("$elemMatch", operators.Draw(t, "ops"))).Value
			}
			return one(path, one("$elemMatch", one("b", operators.Draw(t, "ops")))).Value
		case 3:
			return one(path, operand.Draw(t, "value")).Value
		}
		return one(path, operators.Draw(t, "ops")).Value
	})
}

func mustCompile(t *rapid.T, filter bson.Raw) *query.Matcher {
	m, err := query.Compile(filter, query.Options{})
	if err != nil {
		t.Fatalf("%v: %v", filter, err)
	}
	return m
}

func within(key []byte, ivs []query.Interval) bool {
	for _, iv := range ivs {
		if bytes.Compare(key, iv.Start) >= 0 && (iv.End == nil || bytes.Compare(key, iv.End) < 0) {
			return true
		}
	}
	return false
}

// TestBoundsHoldEveryMatch is what a planner relies on: the index keys of a document that matches lie in the bounds.
func TestBoundsHoldEveryMatch(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		filter, doc := condition(2).Draw(t, "filter"), someDoc.Draw(t, "doc")
		m := mustCompile(t, filter)
		matches, err := m.Match(doc)
		if err != nil {
			t.Fatal(err)
		}
		if !matches {
			return
		}
		for _, path := range []string{"a", "a.b", "c"} {
			for _, desc := range []bool{false, true} {
				keys, multikey, err := bsonx.IndexKeys(doc, []bsonx.IndexField{{Path: path, Desc: desc}}, false)
				if err != nil {
					t.Fatal(err)
				}
				ivs, ok := m.Bounds(path, desc, multikey)
				if !ok {
					continue
				}
				found := false
				for _, k := range keys {
					found = found || within(k, ivs)
				}
				if !found {
					t.Fatalf("%v matches %v but none of its keys %x on %s desc=%v is in %v", doc, filter, keys, path, desc, ivs)
				}
				for i := 1; i < len(ivs); i++ {
					if ivs[i-1].End == nil || bytes.Compare(ivs[i-1].End, ivs[i].Start) > 0 {
						t.Fatalf("intervals of %v overlap: %v", filter, ivs)
					}
				}
			}
			if m.ExcludesMissing(path) {
				keys, _, err := bsonx.IndexKeys(doc, []bsonx.IndexField{{Path: path}}, true)
				if err != nil || len(keys) == 0 {
					t.Fatalf("%v matches %v but a sparse index on %s does not have it (%v)", doc, filter, path, err)
				}
			}
		}
	})
}

// near is a condition on one path by one operator, so that two of them often bear on each other.
var near = rapid.Custom(func(t *rapid.T) bson.Raw {
	op := rapid.SampledFrom([]string{"$eq", "$gt", "$gte", "$lt", "$lte", "$in", "$exists", "$type"}).Draw(t, "op")
	v := rapid.SampledFrom([]bson.RawValue{bsonx.Null, bsonx.Int32(0), bsonx.Int32(1), bsonx.Int32(2), bsonx.String("a"), {Type: bson.TypeMinKey}}).Draw(t, "value")
	switch op {
	case "$in":
		v = bsonx.ArrayOf(v, bsonx.Int32(1))
	case "$exists":
		v = bsonx.Bool(true)
	case "$type":
		v = bsonx.String(rapid.SampledFrom([]string{"number", "null"}).Draw(t, "type"))
	}
	return one("a", one(op, v)).Value
})

func TestImpliesHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		conditions := rapid.OneOf(near, near, condition(1))
		q, f, doc := conditions.Draw(t, "q"), conditions.Draw(t, "f"), someDoc.Draw(t, "doc")
		mq, mf := mustCompile(t, q), mustCompile(t, f)
		if !mq.Implies(mf) {
			return
		}
		inQ, _ := mq.Match(doc)
		inF, _ := mf.Match(doc)
		if inQ && !inF {
			t.Fatalf("%v implies %v, but %v matches only the first", q, f, doc)
		}
	})
}

func TestDisjunctsCoverTheFilter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		filter, doc := condition(2).Draw(t, "filter"), someDoc.Draw(t, "doc")
		m := mustCompile(t, filter)
		parts := m.Disjuncts()
		if parts == nil {
			return
		}
		want, _ := m.Match(doc)
		got := false
		for _, p := range parts {
			ok, _ := p.Match(doc)
			got = got || ok
		}
		if got != want {
			t.Fatalf("%v on %v: %v, its branches %v", filter, doc, want, got)
		}
	})
}

func TestBoundsNarrow(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		filter, path string
		multikey     bool
		intervals    int
		points       int
		null         bool
	}{
		{`{"a":1}`, "a", false, 1, 1, false},
		{`{"a":{"$in":[1,2,"x"]}}`, "a", false, 3, 3, false},
		{`{"a":{"$gt":1,"$lt":5}}`, "a", false, 1, 0, false},
		{`{"a":{"$gt":5,"$lt":1}}`, "a", false, 0, 0, false},
		{`{"a":{"$elemMatch":{"$gt":5,"$lt":1}}}`, "a", true, 0, 0, false},
		{`{"a":{"$gt":5,"$lt":1}}`, "a", true, 1, 0, false},
		{`{"a":{"$regularExpression":{"pattern":"^ab","options":""}}}`, "a", false, 2, 0, false},
		{`{"$or":[{"a":1},{"a":{"$gt":7}}],"b":2}`, "a", false, 2, 1, false},
		{`{"a":{"$elemMatch":{"b":3}}}`, "a.b", true, 1, 1, false},
		{`{"a":null}`, "a", false, 2, 1, true},
		{`{"a":{"$in":[1,null]}}`, "a", false, 3, 2, true},
	} {
		ivs, ok := compile(t, c.filter).Bounds(c.path, false, c.multikey)
		points := 0
		for _, iv := range ivs {
			if iv.Point {
				points++
			}
		}
		if !ok || len(ivs) != c.intervals || points != c.points || query.HoldsNull(ivs, false) != c.null {
			t.Errorf("%s on %s: %v %v, %d points, null %v", c.filter, c.path, ok, ivs, points, query.HoldsNull(ivs, false))
		}
	}
	if _, ok := compile(t, `{"b":1,"a":{"$ne":1}}`).Bounds("a", false, false); ok {
		t.Error("$ne narrows")
	}
}

func TestImplies(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		q, f string
		want bool
	}{
		{`{"a":{"$gt":8}}`, `{"a":{"$gt":5}}`, true},
		{`{"a":{"$gt":2}}`, `{"a":{"$gt":5}}`, false},
		{`{"a":{"$gte":5}}`, `{"a":{"$gt":5}}`, false},
		{`{"a":6,"b":1}`, `{"a":{"$gt":5}}`, true},
		{`{"a":{"$in":[6,7]}}`, `{"a":{"$gt":5}}`, true},
		{`{"a":{"$in":[6,1]}}`, `{"a":{"$gt":5}}`, false},
		{`{"a":1}`, `{"a":{"$exists":true}}`, true},
		{`{"a":null}`, `{"a":{"$exists":true}}`, false},
		{`{"s":"open","n":1}`, `{"s":"open"}`, true},
		{`{"n":1}`, `{"s":"open"}`, false},
		{`{}`, `{}`, true},
		{`{"a":"x"}`, `{"a":{"$type":"string"}}`, true},
		{`{"$or":[{"a":6},{"a":{"$gt":9}}]}`, `{"a":{"$gt":5}}`, true},
	} {
		if got := compile(t, c.q).Implies(compile(t, c.f)); got != c.want {
			t.Errorf("%s implies %s: %v, want %v", c.q, c.f, got, c.want)
		}
	}
}
