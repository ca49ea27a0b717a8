package pipeline_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/pipeline"
	"github.com/strata-crm/strata/shared/local/docstore/query"
)

var show = flag.String("show", "", "print WRONG and unsupported cases whose id contains this text (all: every one)")

// conformanceCase is one line of the conformance data; its README says how to read it.
type conformanceCase struct {
	ID     string
	Setup  []struct{ Cmd json.RawMessage }
	Cmd    json.RawMessage
	Expect struct {
		Docs       json.RawMessage
		Code       json.RawMessage
		AnyOrder   bool
		AnyOrderIn []string
	}
}

// conformanceDir finds the data beside the project; it skips where there is none, and fails in CI.
func conformanceDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
	}
	path := filepath.Join(filepath.Dir(dir), "shared", "conformance")
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no conformance data at %s", path)
		}
		t.Skipf("no conformance data at %s", path)
	}
	return path
}

// areas are the areas that need no more than a pipeline, and the least number of cases that must pass.
var areas = []struct {
	name  string
	floor int
}{
	{"operator-expressions", 13360},
	{"operator-stages", 2865},
	{"operator-accumulators", 1087},
	{"operator-window", 311},
	{"aggregation", 29},
}

// explained are the cases that this store answers differently on purpose, by the beginnings of their ids.
var explained = map[string]string{
	// A $group that MongoDB's compiled engine hands to a stage of the other engine turns MinKey and MaxKey into {"": MinKey} and code into
	// a string: an accident of that border, not of the language; the same $group alone keeps them.
	"accumulator_addToSet/const_m":                            "MinKey and MaxKey behind $group",
	"accumulator_addToSet_bson_types/bson_m":                  "MinKey and MaxKey behind $group",
	"accumulator_first_types/const_m":                         "MinKey and MaxKey behind $group",
	"accumulator_last/const_m":                                "MinKey and MaxKey behind $group",
	"accumulator_last_bson_types/bson_m":                      "MinKey and MaxKey behind $group",
	"accumulator_last_return_types/type_m":                    "MinKey and MaxKey behind $group",
	"accumulator_min_group_input_and_return/input_constant_m": "MinKey and MaxKey behind $group",
	"bucket_default_values/default_id_wraps_m":                "MinKey and MaxKey behind $group",
	"bucket_default_values/default_id_code_without_scope":     "code behind $group",
	"group_pipeline/id_type_preserved_all_bson_types":         "MinKey and MaxKey behind $group",
	// The data lost what these cases are about.
	"lookup_spec_validation/duplicate_":                       "JSON objects keep one of two equal fields",
	"sort_spec_errors/test_sort_spec_errors_duplicate_fields": "JSON objects keep one of two equal fields",
	"facet_independence/test_rand_before_facet":               "the random numbers were cut out of the expected documents",
	// The command checks these, not the pipeline.
	"aggregate_cursor_rejection/": "the cursor option belongs to the command",
}

func isExplained(id string) bool {
	for prefix := range explained {
		if strings.HasPrefix(id, prefix) {
			return true
		}
	}
	return false
}

func TestConformance(t *testing.T) {
	dir := conformanceDir(t)
	for _, area := range areas {
		t.Run(area.name, func(t *testing.T) {
			counts := map[string]int{}
			readCases(t, filepath.Join(dir, area.name+".jsonl.gz"), func(c conformanceCase) {
				verdict, detail := judge(c)
				if verdict == "WRONG" && isExplained(c.ID) {
					verdict = "explained"
				}
				counts[verdict]++
				if (verdict == "WRONG" || verdict == "unsupported") && *show != "" && (*show == "all" || strings.Contains(c.ID, *show)) {
					t.Logf("%s %s\n    %.400s\n    want docs %.300s code %s\n    got  %.300s", verdict, c.ID, c.Cmd, c.Expect.Docs, c.Expect.Code, detail)
				}
			})
			t.Logf("%s: pass %d, unsupported %d, WRONG %d, explained %d, not for this test %d", area.name, counts["pass"], counts["unsupported"],
				counts["WRONG"], counts["explained"], counts["skip"])
			if counts["pass"] < area.floor || counts["WRONG"] > 0 {
				t.Errorf("want at least %d passing and none WRONG; -show all prints the cases", area.floor)
			}
		})
	}
}

func readCases(t *testing.T, path string, f func(conformanceCase)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var c conformanceCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		f(c)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func rawOf(text json.RawMessage) (bson.Raw, error) {
	var d bson.D
	if err := bson.UnmarshalExtJSON(text, true, &d); err != nil {
		return nil, err
	}
	return bson.Marshal(d)
}

var errSkip = errors.New("not for this test")

// judge runs one case.
func judge(c conformanceCase) (verdict, detail string) {
	if c.Expect.Docs == nil && c.Expect.Code == nil {
		return "skip", ""
	}
	db := memory{}
	for _, s := range c.Setup {
		raw, err := rawOf(s.Cmd)
		if err != nil || db.setUp(raw) != nil {
			return "skip", ""
		}
	}
	cmd, err := rawOf(c.Cmd)
	if err != nil {
		return "skip", ""
	}
	docs, err := db.aggregate(cmd)
	if errors.Is(err, errSkip) {
		return "skip", ""
	}
	if err != nil {
		return judgeError(c, err)
	}
	arr := bsonx.NewArray(0)
	for _, d := range docs {
		arr.Append(bsonx.Document(d))
	}
	got := arr.Value()
	if c.Expect.Docs == nil {
		return "WRONG", got.String()
	}
	want, err := rawOf(json.RawMessage(`{"d":` + string(c.Expect.Docs) + `}`))
	if err != nil {
		return "skip", ""
	}
	k := canon{anyOrderIn: c.Expect.AnyOrderIn}
	a, b := k.text(bsonx.Lookup(want, "d"), c.Expect.AnyOrder), k.text(got, c.Expect.AnyOrder)
	if a == b {
		return "pass", ""
	}
	return "WRONG", got.String()
}

func judgeError(c conformanceCase, err error) (string, string) {
	code := mongoerr.CodeOf(err)
	want := strings.Trim(string(c.Expect.Code), `{}"$numberIt: `)
	if want != "" && want == fmt.Sprint(code) {
		return "pass", ""
	}
	if code == mongoerr.NotImplemented {
		return "unsupported", err.Error()
	}
	return "WRONG", fmt.Sprint(code, " ", err)
}

// canon writes values so that equal ones by the README's rules have equal texts.
type canon struct{ anyOrderIn []string }

func (k canon) text(v bson.RawValue, anyOrder bool) string {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		var parts []string
		for it := bsonx.Elements(v.Value); it.Next(); {
			key := string(it.Key())
			parts = append(parts, fmt.Sprintf("%q:%s", key, k.text(it.Value(), slices.Contains(k.anyOrderIn, key))))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case bson.TypeArray:
		var parts []string
		for it := bsonx.Items(v); it.Next(); {
			parts = append(parts, k.text(it.Value(), false))
		}
		if anyOrder {
			sort.Strings(parts)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case bson.TypeDouble:
		if math.IsNaN(v.Double()) {
			return "double NaN"
		}
	}
	return fmt.Sprintf("%d %x", v.Type, v.Value)
}

// memory is a database in memory: the collections by name.
type memory map[string][]bson.Raw

func (m memory) setUp(cmd bson.Raw) error {
	name := bsonx.FirstKey(cmd)
	target := bsonx.Lookup(cmd, name)
	if target.Type != bson.TypeString {
		return fmt.Errorf("%w: %s", errSkip, name)
	}
	coll := target.StringValue()
	switch name {
	case "insert":
		for it := bsonx.Items(bsonx.Lookup(cmd, "documents")); it.Next(); {
			m[coll] = append(m[coll], withID(it.Value().Value, len(m[coll])))
		}
		return nil
	case "create":
		if bsonx.Len(cmd) > 1 {
			return errSkip
		}
		return nil
	case "drop":
		delete(m, coll)
		return nil
	}
	return errSkip
}

func withID(d bson.Raw, n int) bson.Raw {
	id := bsonx.Lookup(d, "_id")
	if bsonx.IsMissing(id) {
		id = bsonx.Int64(int64(n) + 1<<40)
	}
	b := bsonx.NewDoc(0).Append("_id", id)
	for it := bsonx.Elements(d); it.Next(); {
		if string(it.Key()) != "_id" {
			b.AppendBytes(it.Key(), it.Value())
		}
	}
	return b.Raw()
}

// Scan implements pipeline.Source.
func (m memory) Scan(_ context.Context, ns pipeline.Namespace, filter bson.Raw) (pipeline.Iterator, error) {
	q, err := query.Compile(filter, query.Options{})
	if err != nil {
		return nil, err
	}
	var out []bson.Raw
	for _, d := range m[ns.Coll] {
		ok, err := q.Match(d)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, d)
		}
	}
	return pipeline.Slice(out), nil
}

func (m memory) aggregate(cmd bson.Raw) ([]bson.Raw, error) {
	target := bsonx.Lookup(cmd, "aggregate")
	deps := pipeline.Deps{DB: "db", Env: &expr.Env{Now: time.UnixMilli(1700000000000)}, Source: m}
	if target.Type == bson.TypeString {
		deps.Coll = target.StringValue()
	} else if !bsonx.IsNumber(target) {
		return nil, errSkip
	}
	batch := int64(101)
	var stages []bson.Raw
	for it := bsonx.Elements(cmd); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "aggregate":
		case "pipeline":
			if v.Type != bson.TypeArray {
				return nil, errSkip
			}
			for s := bsonx.Items(v); s.Next(); {
				if s.Value().Type != bson.TypeEmbeddedDocument {
					return nil, errSkip
				}
				stages = append(stages, s.Value().Value)
			}
		case "cursor":
			if size := bsonx.Lookup(v.Value, "batchSize"); v.Type != bson.TypeEmbeddedDocument || !bsonx.IsMissing(size) && !bsonx.IsNumber(size) {
				return nil, errSkip
			}
			if n, ok := bsonx.IntegerOf(bsonx.Lookup(v.Value, "batchSize")); ok {
				batch = n
			}
		case "let":
			if v.Type != bson.TypeEmbeddedDocument {
				return nil, errSkip
			}
			deps.Let = v.Value
		case "allowDiskUse":
			deps.AllowDiskUse = bsonx.Truthy(v)
		default:
			return nil, errSkip
		}
	}
	p, err := pipeline.Compile(stages, deps)
	if err != nil {
		return nil, err
	}
	if p.Writes() {
		return nil, errSkip
	}
	ctx := context.Background()
	out, err := p.Run(ctx, pipeline.Slice(m[deps.Coll]))
	if err != nil {
		return nil, err
	}
	docs, err := pipeline.Collect(ctx, out)
	if batch < 0 {
		return nil, errSkip
	}
	return docs[:min(int64(len(docs)), batch)], err
}
