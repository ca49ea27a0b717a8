package pipeline_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
)

// docs parses documents in Extended JSON.
func docs(tb testing.TB, texts ...string) []bson.Raw {
	tb.Helper()
	out := make([]bson.Raw, len(texts))
	for i, s := range texts {
		if err := bson.UnmarshalExtJSON([]byte(s), false, &out[i]); err != nil {
			tb.Fatalf("%s: %v", s, err)
		}
	}
	return out
}

func run(tb testing.TB, text string, deps pipeline.Deps, in []bson.Raw) ([]bson.Raw, error) {
	tb.Helper()
	if deps.Coll == "" {
		deps.DB, deps.Coll = "db", "c"
	}
	p := compileText(tb, text, deps)
	it, err := p.Run(context.Background(), pipeline.Slice(in))
	if err != nil {
		return nil, err
	}
	return pipeline.Collect(context.Background(), it)
}

func texts(list []bson.Raw) []string {
	out := make([]string, len(list))
	for i, d := range list {
		out[i] = d.String()
	}
	return out
}

// Each case gives the stages, the input, the other collection "o" and the documents that come out, in order.
func TestStages(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		stages       string
		in, o, wants []string
	}{
		"group keeps the first key's type": {`[{"$group":{"_id":"$k","n":{"$sum":"$v"},"all":{"$push":"$v"}}}]`,
			[]string{`{"k":{"$numberLong":"1"},"v":2147483647}`, `{"k":1.0,"v":1}`, `{"v":null}`, `{"k":null}`}, nil,
			[]string{`{"_id":{"$numberLong":"1"},"n":{"$numberLong":"2147483648"},"all":[2147483647,1]}`, `{"_id":null,"n":0,"all":[null]}`}},
		"null and missing parts of a key": {`[{"$group":{"_id":{"x":"$v","y":"c"},"n":{"$count":{}}}}]`, []string{`{"v":null}`, `{}`}, nil,
			[]string{`{"_id":{"x":null,"y":"c"},"n":1}`, `{"_id":{"y":"c"},"n":1}`}},
		"one-field key": {`[{"$group":{"_id":{"a":"$a"},"n":{"$count":{}}}}]`, []string{`{"a":null}`, `{}`}, nil, []string{`{"_id":{"a":null},"n":2}`}},
		"average, minimum, first": {`[{"$group":{"_id":1,"a":{"$avg":"$v"},"m":{"$min":"$v"},"f":{"$first":"$w"},"t":{"$top":{"output":"$v","sortBy":{"v":-1}}}}}]`,
			[]string{`{"v":1}`, `{"v":null}`, `{"v":4}`, `{"v":"x"}`}, nil, []string{`{"_id":1,"a":2.5,"m":1,"f":null,"t":"x"}`}},
		"sort by arrays": {`[{"$sort":{"v":1}},{"$project":{"_id":0}}]`, []string{`{"v":[10,30]}`, `{"v":5}`, `{"v":[25,20,15]}`, `{"v":12}`, `{"v":[]}`, `{"v":null}`}, nil,
			[]string{`{"v":[]}`, `{"v":null}`, `{"v":5}`, `{"v":[10,30]}`, `{"v":12}`, `{"v":[25,20,15]}`}},
		"unwind": {`[{"$unwind":{"path":"$a.b","includeArrayIndex":"i","preserveNullAndEmptyArrays":true}}]`,
			[]string{`{"a":{"b":[1,2]}}`, `{"a":{"b":[]}}`, `{"a":{"b":null}}`, `{"a":{"b":7}}`}, nil,
			[]string{`{"a":{"b":1},"i":{"$numberLong":"0"}}`, `{"a":{"b":2},"i":{"$numberLong":"1"}}`, `{"a":{},"i":null}`, `{"a":{"b":null},"i":null}`, `{"a":{"b":7},"i":null}`}},
		"lookup by a field": {`[{"$lookup":{"from":"o","localField":"l","foreignField":"f","as":"j"}}]`, []string{`{"l":1}`, `{}`, `{"l":["a","a"]}`, `{"l":[["a"]]}`},
			[]string{`{"f":1.0}`, `{"f":null}`, `{"g":1}`, `{"f":"a"}`, `{"f":["a"]}`},
			[]string{`{"l":1,"j":[{"f":1.0}]}`, `{"j":[{"f":null},{"g":1}]}`, `{"l":["a","a"],"j":[{"f":"a"},{"f":["a"]}]}`, `{"l":[["a"]],"j":[{"f":["a"]}]}`}},
		"lookup with a pipeline": {`[{"$lookup":{"from":"o","let":{"m":"$min"},"pipeline":[{"$match":{"$expr":{"$gte":["$v","$$m"]}}},{"$count":"n"}],"as":"j"}}]`,
			[]string{`{"min":2}`, `{"min":9}`}, []string{`{"v":1}`, `{"v":2}`, `{"v":3}`}, []string{`{"min":2,"j":[{"n":2}]}`, `{"min":9,"j":[]}`}},
		"facet of nothing": {`[{"$facet":{"a":[{"$match":{}}],"b":[{"$count":"n"}]}}]`, nil, nil, []string{`{"a":[],"b":[]}`}},
		"count of nothing": {`[{"$count":"n"}]`, nil, nil, []string{}},
		"bucket": {`[{"$bucket":{"groupBy":"$v","boundaries":[0,10,20],"default":"other"}}]`, []string{`{"v":15}`, `{"v":3}`, `{"v":20}`, `{"v":10}`}, nil,
			[]string{`{"_id":0,"count":1}`, `{"_id":10,"count":2}`, `{"_id":"other","count":1}`}},
		"union": {`[{"$unionWith":{"coll":"o","pipeline":[{"$match":{"v":1}}]}}]`, []string{`{"v":1}`}, []string{`{"v":1}`, `{"v":2}`}, []string{`{"v":1}`, `{"v":1}`}},
		"project": {`[{"$project":{"a.b":1,"c":{"$add":["$n",1]},"_id":0}}]`, []string{`{"_id":1,"a":[{"b":1,"x":2},3,{"x":1}],"n":1,"z":1}`}, nil,
			[]string{`{"a":[{"b":1},{}],"c":2}`}},
		"addFields": {`[{"$set":{"a.b":{"$size":"$l"},"gone":"$$REMOVE"}}]`, []string{`{"gone":1,"a":[{"x":1},5],"l":[1,2]}`}, nil, []string{`{"a":[{"x":1,"b":2},{"b":2}],"l":[1,2]}`}},
		"window of documents": {`[{"$setWindowFields":{"partitionBy":"$p","sortBy":{"t":1},"output":{"s":{"$sum":"$v","window":{"documents":[-1,1]}},"r":{"$rank":{}},"d":{"$shift":{"output":"$v","by":-1}}}}}]`,
			[]string{`{"p":1,"t":2,"v":2}`, `{"p":1,"t":1,"v":1}`, `{"p":1,"t":3,"v":4}`, `{"p":2,"t":1,"v":8}`}, nil,
			[]string{`{"p":1,"t":1,"v":1,"s":3,"r":1,"d":null}`, `{"p":1,"t":2,"v":2,"s":7,"r":2,"d":1}`, `{"p":1,"t":3,"v":4,"s":6,"r":3,"d":2}`, `{"p":2,"t":1,"v":8,"s":8,"r":1,"d":null}`}},
		"window of days": {`[{"$setWindowFields":{"sortBy":{"t":1},"output":{"s":{"$sum":"$v","window":{"range":[-7,"current"],"unit":"day"}}}}},{"$project":{"s":1}}]`,
			[]string{`{"t":{"$date":"2024-01-01T00:00:00Z"},"v":1}`, `{"t":{"$date":"2024-01-08T00:00:00Z"},"v":2}`, `{"t":{"$date":"2024-01-09T00:00:00Z"},"v":4}`}, nil,
			[]string{`{"s":1}`, `{"s":3}`, `{"s":6}`}},
		"redact": {`[{"$redact":{"$cond":[{"$eq":["$secret",true]},"$$PRUNE","$$DESCEND"]}}]`, []string{`{"a":{"secret":true},"b":[{"secret":true},{"x":1}]}`, `{"secret":true}`}, nil,
			[]string{`{"b":[{"x":1}]}`}},
		"replaceRoot and sortByCount": {`[{"$replaceRoot":{"newRoot":"$o"}},{"$sortByCount":"$k"}]`, []string{`{"o":{"k":1}}`, `{"o":{"k":2}}`, `{"o":{"k":2}}`}, nil,
			[]string{`{"_id":2,"count":2}`, `{"_id":1,"count":1}`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, c.stages, pipeline.Deps{Source: memory{"o": docs(t, c.o...)}}, docs(t, c.in...))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(texts(docs(t, c.wants...)), texts(got)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestCompileErrors(t *testing.T) {
	t.Parallel()
	for text, code := range map[string]int32{
		`[{"$nope":1}]`:                     40324,
		`[{"$fill":{}}]`:                    mongoerr.NotImplemented,
		`[{"$match":{},"$limit":1}]`:        40323,
		`[{"$limit":0}]`:                    15958,
		`[{"$group":{}}]`:                   15955,
		`[{"$out":"x"},{"$match":{}}]`:      40601,
		`[{"$facet":{"a":[{"$out":"x"}]}}]`: 40600,
		`[{"$lookup":{"from":"o","pipeline":[{"$merge":"x"}],"as":"a"}}]`: 51047,
		`[{"$project":{"a":1,"b":0}}]`:                                    31254,
		`[{"$group":{"_id":1,"r":{"$sum":1,"$avg":1}}}]`:                  40238,
	} {
		if _, err := tryCompile(text, pipeline.Deps{Coll: "c"}); mongoerr.CodeOf(err) != code {
			t.Errorf("%s: got %v, want code %d", text, err, code)
		}
	}
	if _, err := tryCompile(`[{"$out":"x"}]`, pipeline.Deps{Coll: "c", InTransaction: true}); mongoerr.CodeOf(err) != mongoerr.OperationNotSupportedInTransaction {
		t.Errorf("$out in a transaction: %v", err)
	}
}

// Every blocking stage stops at the bound, unless the command allows more: $sort and $group then use the disk, the others
// stop at four times the bound.
func TestMemoryBound(t *testing.T) {
	t.Parallel()
	in := sales(2000)
	for _, text := range []string{
		`[{"$sort":{"weight":1}}]`,
		`[{"$group":{"_id":"$_id","n":{"$sum":1}}}]`,
		`[{"$group":{"_id":null,"all":{"$push":"$$ROOT"}}}]`,
		`[{"$setWindowFields":{"sortBy":{"at":1},"output":{"r":{"$rank":{}}}}}]`,
		`[{"$facet":{"a":[{"$count":"n"}]}}]`,
		`[{"$bucketAuto":{"groupBy":"$weight","buckets":3}}]`,
		`[{"$sample":{"size":1500}}]`,
	} {
		if _, err := run(t, text, pipeline.Deps{MemoryLimit: 64 << 10}, in); mongoerr.CodeOf(err) != mongoerr.QueryExceededMemoryLimitNoDiskUseAllowed {
			t.Errorf("%s: got %v, want code 292", text, err)
		}
		spills := strings.Contains(text, "$sort\"") || strings.Contains(text, `"$_id"`)
		_, err := run(t, text, pipeline.Deps{MemoryLimit: 64 << 10, AllowDiskUse: true, TempDir: t.TempDir()}, in)
		if err != nil && (spills || mongoerr.CodeOf(err) != mongoerr.ExceededMemoryLimit) {
			t.Errorf("%s with allowDiskUse: %v", text, err)
		}
		if _, err := run(t, text, pipeline.Deps{MemoryLimit: 1 << 20, AllowDiskUse: true, TempDir: t.TempDir()}, in); err != nil {
			t.Errorf("%s within what it may take: %v", text, err)
		}
	}
	if _, err := run(t, `[{"$sort":{"weight":1}},{"$skip":2},{"$limit":5}]`, pipeline.Deps{MemoryLimit: 64 << 10}, in); err != nil {
		t.Errorf("a $sort that a $limit bounds: %v", err)
	}
}

// A $sample whose documents are replaced by larger ones stops at the bound too.
func TestSampleOfGrowingDocuments(t *testing.T) {
	t.Parallel()
	in := sales(1000)
	for i := range in[10:] {
		in[10+i] = bsonx.With(in[10+i], "pad", bsonx.String(strings.Repeat("x", 10_000)))
	}
	_, err := run(t, `[{"$sample":{"size":10}}]`, pipeline.Deps{MemoryLimit: 20_000, Env: &expr.Env{Rand: func() float64 { return 0.0001 }}}, in)
	if err != nil {
		t.Errorf("one large document within the bound: %v", err)
	}
	at := 0
	every := func() float64 { at++; return (float64(at%10) + 0.5) / float64(at+10) }
	if _, err = run(t, `[{"$sample":{"size":10}}]`, pipeline.Deps{MemoryLimit: 20_000, Env: &expr.Env{Rand: every}}, in); mongoerr.CodeOf(err) != mongoerr.QueryExceededMemoryLimitNoDiskUseAllowed {
		t.Errorf("ten large documents: %v, want code 292", err)
	}
}

// The outputs of a $facet are bounded together: each of these is within what one may take.
func TestFacetOutputIsBounded(t *testing.T) {
	t.Parallel()
	in := make([]bson.Raw, 40)
	for i := range in {
		in[i] = bsonx.NewDoc(1<<20).Append("pad", bsonx.String(strings.Repeat("x", 1<<20))).Raw()
	}
	if _, err := run(t, `[{"$facet":{"a":[{"$skip":0}],"b":[{"$skip":0}]}}]`, pipeline.Deps{}, in); err != nil {
		t.Errorf("two outputs of 40 MiB: %v", err)
	}
	if _, err := run(t, `[{"$facet":{"a":[{"$skip":0}],"b":[{"$skip":0}],"c":[{"$skip":0}]}}]`, pipeline.Deps{}, in); mongoerr.CodeOf(err) != 4031700 {
		t.Errorf("three outputs of 40 MiB: %v, want code 4031700", err)
	}
}

// A $sort that knows its $limit gives the same documents as one that sorts everything.
func TestBoundedSort(t *testing.T) {
	t.Parallel()
	const seed = 7
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, seed))
	for range 50 {
		var in []bson.Raw
		for i := range 1 + random.IntN(60) {
			in = append(in, bsonx.NewDoc(0).Append("_id", bsonx.Int32(int32(i))).Append("k", bsonx.Int32(int32(random.IntN(6)))).Raw())
		}
		n, skip := 1+random.IntN(20), random.IntN(5)
		all, err := run(t, `[{"$sort":{"k":1}}]`, pipeline.Deps{}, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := run(t, fmt.Sprintf(`[{"$sort":{"k":1}},{"$skip":%d},{"$limit":%d}]`, skip, n), pipeline.Deps{}, in)
		if err != nil {
			t.Fatal(err)
		}
		want := all[min(skip, len(all)):min(skip+n, len(all))]
		if diff := cmp.Diff(texts(want), texts(got)); diff != "" {
			t.Fatalf("skip %d limit %d (-want +got)\n%s", skip, n, diff)
		}
	}
}

func TestTakePushdown(t *testing.T) {
	t.Parallel()
	p := compileText(t, `[{"$match":{"a":1}},{"$match":{"b":2}},{"$sort":{"c":-1}},{"$skip":3},{"$limit":5},{"$count":"n"}]`, pipeline.Deps{Coll: "c"})
	got := p.TakePushdown()
	want := pipeline.Pushdown{Filter: docs(t, `{"$and":[{"a":1},{"b":2}]}`)[0], Sort: docs(t, `{"c":-1}`)[0], Skip: 3, Limit: 5}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	it, err := p.Run(context.Background(), pipeline.Slice(docs(t, `{"a":9}`)))
	if err != nil {
		t.Fatal(err)
	}
	out, err := pipeline.Collect(context.Background(), it)
	if diff := cmp.Diff([]string{`{"n": {"$numberInt":"1"}}`}, texts(out)); err != nil || diff != "" {
		t.Errorf("what remains counts only: %v\n%s", err, diff)
	}
}

// recorder is a Sink over one collection keyed by _id.
type recorder struct{ have map[string]bson.Raw }

func (r *recorder) Out(ctx context.Context, _ pipeline.Namespace, in pipeline.Iterator) error {
	list, err := pipeline.Collect(ctx, in)
	r.have = map[string]bson.Raw{}
	for _, d := range list {
		r.have[bsonx.Lookup(d, "_id").String()] = d
	}
	return err
}

func (r *recorder) CheckMerge(context.Context, pipeline.MergeSpec) error { return nil }

func (r *recorder) Merge(_ context.Context, _ pipeline.MergeSpec, m pipeline.Merged) error {
	key := bsonx.Lookup(m.Doc, "_id").String()
	old, ok := r.have[key]
	if !ok {
		r.have[key] = m.Doc
		return nil
	}
	d, err := m.Update(old)
	r.have[key] = d
	return err
}

func TestMerge(t *testing.T) {
	t.Parallel()
	for stage, want := range map[string]string{
		`{"$merge":"t"}`: `{"_id":1,"kept":true,"v":5}`,
		`{"$merge":{"into":"t","whenMatched":"replace"}}`:                                                                  `{"_id":1,"v":5}`,
		`{"$merge":{"into":"t","whenMatched":[{"$set":{"v":{"$add":["$v","$$new.v"]}}}]}}`:                                 `{"_id":1,"kept":true,"v":6}`,
		`{"$merge":{"into":"t","let":{"x":{"$multiply":["$v",10]}},"whenMatched":[{"$set":{"v":{"$add":["$v","$$x"]}}}]}}`: `{"_id":1,"kept":true,"v":51}`,
	} {
		r := &recorder{have: map[string]bson.Raw{}}
		for _, d := range docs(t, `{"_id":1,"kept":true,"v":1}`) {
			r.have[bsonx.Lookup(d, "_id").String()] = d
		}
		if _, err := run(t, "["+stage+"]", pipeline.Deps{Sink: r}, docs(t, `{"_id":1,"v":5}`, `{"_id":2}`)); err != nil {
			t.Fatalf("%s: %v", stage, err)
		}
		got := r.have[bsonx.Int32(1).String()]
		if diff := cmp.Diff(docs(t, want)[0].String(), got.String()); diff != "" || len(r.have) != 2 {
			t.Errorf("%s: %d documents (-want +got)\n%s", stage, len(r.have), diff)
		}
	}
}

// broken fails in the middle of a stream.
type broken struct {
	left   int
	closed bool
}

var errBroken = errors.New("the disk is gone")

func (b *broken) Next(context.Context) (bson.Raw, bool, error) {
	if b.left--; b.left < 0 {
		return nil, false, errBroken
	}
	return bsonx.NewDoc(0).Append("v", bsonx.Int32(int32(b.left))).Raw(), true, nil
}

func (b *broken) Close() { b.closed = true }

// A failing input ends every stage with its error, and closing the result closes the input.
func TestInputFailure(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`[{"$match":{}}]`, `[{"$sort":{"v":1}}]`, `[{"$group":{"_id":"$v"}}]`, `[{"$facet":{"a":[]}}]`, `[{"$unwind":"$v"}]`, `[{"$count":"n"}]`,
		`[{"$setWindowFields":{"output":{"s":{"$sum":"$v"}}}}]`, `[{"$skip":1}]`} {
		in := &broken{left: 3}
		it, err := compileText(t, text, pipeline.Deps{Coll: "c"}).Run(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pipeline.Collect(context.Background(), it); !errors.Is(err, errBroken) {
			t.Errorf("%s: got %v", text, err)
		}
		if !in.closed {
			t.Errorf("%s: the input stays open", text)
		}
	}
}
