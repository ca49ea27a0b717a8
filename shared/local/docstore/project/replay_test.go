package project_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/expr"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
	"github.com/strata-crm/strata/shared/local/docstore/project"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"github.com/strata-crm/strata/shared/local/docstore/update"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// The replay runs those conformance cases that need nothing but filters, updates and projections over one collection
// in memory; everything else is the business of the harness that speaks the wire protocol.

type step struct {
	Cmd json.RawMessage `json:"cmd"`
}

type replayCase struct {
	ID     string                     `json:"id"`
	Area   string                     `json:"area"`
	Setup  []step                     `json:"setup"`
	Cmd    json.RawMessage            `json:"cmd"`
	Expect map[string]json.RawMessage `json:"expect"`
}

// floors are the least numbers of cases that must pass: they only ever grow.
var floors = map[string]int{
	"operator-query": 2067, "operator-update": 1234, "operator-projection": 287, "query_and_write": 271,
}

func TestReplay(t *testing.T) {
	for _, area := range slices.Sorted(maps.Keys(floors)) {
		t.Run(area, func(t *testing.T) {
			t.Parallel()
			tally := replayArea(t, area)
			t.Logf("%s: pass %d, unsupported %d, out of scope %d, WRONG %d", area, tally.pass, tally.unsupported, tally.skipped, len(tally.wrong))
			for _, w := range tally.wrong {
				t.Error(w)
			}
			if tally.pass < floors[area] {
				t.Errorf("%d cases pass, want at least %d", tally.pass, floors[area])
			}
		})
	}
}

type tally struct {
	pass, unsupported, skipped int
	wrong                      []string
}

func conformanceFile(t *testing.T, area string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			break
		}
	}
	name := filepath.Join(dir, "..", "shared", "conformance", area+".jsonl.gz")
	if _, err := os.Stat(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the conformance cases are missing: %v", err)
		}
		t.Skipf("the conformance cases are not here: %v", err)
	}
	return name
}

func replayArea(t *testing.T, area string) tally {
	t.Helper()
	f, err := os.Open(conformanceFile(t, area))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(z)
	var out tally
	for {
		var c replayCase
		if err := dec.Decode(&c); err == io.EOF {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out.add(c)
	}
}

func (o *tally) add(c replayCase) {
	problem, unsupported := c.run()
	switch {
	case unsupported == "scope":
		o.skipped++
	case unsupported != "":
		o.unsupported++
	case problem == "":
		o.pass++
	default:
		o.wrong = append(o.wrong, fmt.Sprintf("%s %s: %s\n  cmd %s\n  setup %s\n  want %s", c.Area, c.ID, problem, c.Cmd, setupText(c), expectText(c)))
	}
}

func setupText(c replayCase) string {
	var b strings.Builder
	for _, s := range c.Setup {
		b.Write(s.Cmd)
	}
	return b.String()
}

func expectText(c replayCase) string {
	b, _ := json.Marshal(c.Expect)
	return string(b)
}

func parse(j json.RawMessage) (bson.Raw, error) {
	var d bson.Raw
	err := bson.UnmarshalExtJSON(j, true, &d)
	return d, err
}

// run returns what is wrong, or why the case says nothing here.
func (c replayCase) run() (problem, unsupported string) {
	var coll collection
	for _, s := range c.Setup {
		cmd, err := parse(s.Cmd)
		if err != nil {
			return "", "scope"
		}
		_, err = coll.command(cmd)
		switch {
		case isUnsupported(err):
			return "", "unsupported"
		case err != nil:
			return "", "scope"
		}
	}
	cmd, err := parse(c.Cmd)
	if err != nil || bsonx.FirstKey(cmd) == "insert" || bsonx.FirstKey(cmd) == "create" || c.aboutReplies() {
		return "", "scope"
	}
	reply, err := coll.command(cmd)
	if err == errScope {
		return "", "scope"
	}
	if isUnsupported(err) {
		return "", "unsupported"
	}
	return c.judge(reply, err), ""
}

func isUnsupported(err error) bool { return mongoerr.CodeOf(err) == mongoerr.NotImplemented }

// aboutReplies tells cases that judge what the command layer makes of a result.
func (c replayCase) aboutReplies() bool {
	e := expectText(c)
	return strings.Contains(e, "writeErrors") || strings.Contains(e, "firstBatch") || slices.ContainsFunc(
		[]string{"find_field_validation", "insert_ordered_and_errors", "update_ordered_unordered", "update_sort"},
		func(s string) bool { return strings.HasPrefix(c.ID, s) })
}

func (c replayCase) judge(reply answer, err error) string {
	if want := c.Expect["code"]; want != nil {
		if got := fmt.Sprint(mongoerr.CodeOf(err)); got != string(want) {
			return fmt.Sprintf("code %s (%v)", got, err)
		}
		return ""
	}
	if err != nil {
		return err.Error()
	}
	switch {
	case c.Expect["docs"] != nil:
		return c.judgeDocs(reply.docs)
	case c.Expect["reply"] != nil:
		return judgeFields(c.Expect["reply"], reply.doc)
	}
	return judgeFields(c.Expect["partial"], reply.doc)
}

func (c replayCase) judgeDocs(got []bson.Raw) string {
	wrapped, err := parse(json.RawMessage(`{"d":` + string(c.Expect["docs"]) + `}`))
	if err != nil {
		return err.Error()
	}
	var want, have []string
	for _, v := range bsonx.Values(bsonx.Lookup(wrapped, "d")) {
		want = append(want, canonical(v))
	}
	for _, d := range got {
		have = append(have, canonical(bsonx.Document(d)))
	}
	if c.Expect["anyOrder"] != nil {
		slices.Sort(want)
		slices.Sort(have)
	}
	if !slices.Equal(want, have) {
		return fmt.Sprintf("got %v", have)
	}
	return ""
}

func judgeFields(want json.RawMessage, got bson.Raw) string {
	w, err := parse(want)
	if err != nil {
		return err.Error()
	}
	return judgeDoc(w, got)
}

func judgeDoc(w, got bson.Raw) string {
	for it := bsonx.Elements(w); it.Next(); {
		g := bsonx.Lookup(got, string(it.Key()))
		if string(it.Key()) == "ok" {
			continue
		}
		if g.Type == bson.TypeEmbeddedDocument && it.Value().Type == g.Type {
			if s := judgeDoc(it.Value().Value, g.Value); s != "" {
				return s
			}
			continue
		}
		if canonical(g) != canonical(it.Value()) {
			return fmt.Sprintf("%s: got %s", it.Key(), canonical(g))
		}
	}
	return ""
}

// canonical writes a value with its type and without regard to the order of fields.
func canonical(v bson.RawValue) string {
	switch v.Type {
	case 0:
		return "missing"
	case bson.TypeEmbeddedDocument:
		var parts []string
		for it := bsonx.Items(v); it.Next(); {
			parts = append(parts, fmt.Sprintf("%q:%s", it.Key(), canonical(it.Value())))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case bson.TypeArray:
		var parts []string
		for it := bsonx.Items(v); it.Next(); {
			parts = append(parts, canonical(it.Value()))
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	return v.String()
}

type scopeError struct{}

func (scopeError) Error() string { return "not a case for this replay" }

var errScope error = scopeError{}

type answer struct {
	docs []bson.Raw
	doc  bson.Raw
}

type collection struct {
	name string
	docs []bson.Raw
}

var testEnv = expr.Env{Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}

func (c *collection) command(cmd bson.Raw) (answer, error) {
	name := bsonx.FirstKey(cmd)
	target := bsonx.Lookup(cmd, name)
	if target.Type != bson.TypeString {
		return answer{}, errScope
	}
	if c.name == "" {
		c.name = target.StringValue()
	}
	if c.name != target.StringValue() {
		return answer{}, errScope
	}
	switch name {
	case "create":
		if bsonx.Len(cmd) > 1 {
			return answer{}, errScope
		}
		return answer{}, nil
	case "insert":
		for _, d := range bsonx.Values(bsonx.Lookup(cmd, "documents")) {
			c.docs = append(c.docs, bsonx.IDFirst(d.Value))
		}
		return answer{}, nil
	case "find":
		return c.find(cmd)
	case "update":
		return c.update(cmd)
	case "findAndModify":
		return c.findAndModify(cmd)
	}
	return answer{}, errScope
}

func onlyFields(cmd bson.Raw, fields ...string) bool {
	for it := bsonx.Elements(cmd); it.Next(); {
		if !slices.Contains(fields, string(it.Key())) {
			return false
		}
	}
	return true
}

func docOf(v bson.RawValue) (bson.Raw, bool) {
	return v.Value, bsonx.IsMissing(v) || v.Type == bson.TypeEmbeddedDocument
}

func (c *collection) find(cmd bson.Raw) (answer, error) {
	if !onlyFields(cmd, "find", "filter", "projection", "sort", "limit", "skip") {
		return answer{}, errScope
	}
	filter, ok := docOf(bsonx.Lookup(cmd, "filter"))
	spec, ok2 := docOf(bsonx.Lookup(cmd, "projection"))
	if !ok || !ok2 {
		return answer{}, errScope
	}
	env := testEnv
	m, err := query.Compile(filter, query.Options{Env: &env})
	if err != nil {
		return answer{}, err
	}
	p, err := project.Compile(spec, project.Options{Env: &env, Filter: m})
	if err != nil {
		return answer{}, err
	}
	found, err := c.matching(m, bsonx.Lookup(cmd, "sort"))
	if err != nil {
		return answer{}, err
	}
	if n, ok := bsonx.IntegerOf(bsonx.Lookup(cmd, "skip")); ok {
		if n < 0 {
			return answer{}, errScope
		}
		found = found[min(int(n), len(found)):]
	}
	if n, ok := bsonx.IntegerOf(bsonx.Lookup(cmd, "limit")); ok && n != 0 {
		if n < 0 {
			return answer{}, errScope
		}
		found = found[:min(int(n), len(found))]
	}
	var out answer
	for _, i := range found {
		_, index, err := m.MatchArray(c.docs[i])
		if err != nil {
			return answer{}, err
		}
		d, err := p.Apply(c.docs[i], index)
		if err != nil {
			return answer{}, err
		}
		out.docs = append(out.docs, d)
	}
	return out, nil
}

func (c *collection) matching(m *query.Matcher, sort bson.RawValue) ([]int, error) {
	var out []int
	for i, d := range c.docs {
		ok, err := m.Match(d)
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, i)
		}
	}
	var fields []bsonx.IndexField
	for it := bsonx.Items(sort); it.Next(); {
		n, ok := bsonx.IntegerOf(it.Value())
		if !ok || n != 1 && n != -1 {
			return nil, errScope
		}
		fields = append(fields, bsonx.IndexField{Path: string(it.Key()), Desc: n < 0})
	}
	slices.SortStableFunc(out, func(a, b int) int {
		return bytes.Compare(bsonx.SortKey(nil, c.docs[a], fields), bsonx.SortKey(nil, c.docs[b], fields))
	})
	return out, nil
}

func (c *collection) update(cmd bson.Raw) (answer, error) {
	if !onlyFields(cmd, "update", "updates", "ordered") {
		return answer{}, errScope
	}
	items := bsonx.Lookup(cmd, "updates")
	if items.Type != bson.TypeArray || bsonx.IsEmpty(items.Value) {
		return answer{}, errScope
	}
	var n, modified int64
	upserted := bsonx.NewArray(0)
	for i, v := range bsonx.Values(items) {
		if v.Type != bson.TypeEmbeddedDocument {
			return answer{}, errScope
		}
		r, err := c.updateOne(v.Value)
		if err != nil {
			return answer{}, err
		}
		n, modified = n+r.n, modified+r.modified
		if !bsonx.IsMissing(r.upserted) {
			upserted.Append(bsonx.NewDoc(0).Append("index", bsonx.Int32(int32(i))).Append("_id", r.upserted).Value())
		}
	}
	b := bsonx.NewDoc(0).Append("n", bsonx.Int32(int32(n))).Append("nModified", bsonx.Int32(int32(modified)))
	if upserted.Len() > 0 {
		b.Append("upserted", upserted.Value())
	}
	return answer{doc: b.Raw()}, nil
}

type updateResult struct {
	n, modified    int64
	upserted       bson.RawValue
	before, after  bson.Raw
	updatedMatched bool
}

func (c *collection) updateOne(spec bson.Raw) (updateResult, error) {
	q, ok := docOf(bsonx.Lookup(spec, "q"))
	if !ok || !onlyFields(spec, "q", "u", "multi", "upsert", "arrayFilters", "c", "sort") {
		return updateResult{}, errScope
	}
	for _, f := range []string{"multi", "upsert"} {
		if v := bsonx.Lookup(spec, f); !bsonx.IsMissing(v) && v.Type != bson.TypeBoolean {
			return updateResult{}, errScope
		}
	}
	if !bsonx.IsMissing(bsonx.Lookup(spec, "c")) {
		return updateResult{}, errScope
	}
	env := testEnv
	m, err := query.Compile(q, query.Options{Env: &env})
	if err != nil {
		return updateResult{}, err
	}
	multi := bsonx.Truthy(bsonx.Lookup(spec, "multi"))
	opts := update.Options{Multi: multi, Env: &env}
	filters := bsonx.Lookup(spec, "arrayFilters")
	if !bsonx.IsMissing(filters) && filters.Type != bson.TypeArray {
		return updateResult{}, errScope
	}
	for _, f := range bsonx.Values(filters) {
		if f.Type != bson.TypeEmbeddedDocument {
			return updateResult{}, errScope
		}
		opts.ArrayFilters = append(opts.ArrayFilters, f.Value)
	}
	u, err := update.Compile(bsonx.Lookup(spec, "u"), opts)
	if err != nil {
		return updateResult{}, err
	}
	found, err := c.matching(m, bsonx.Lookup(spec, "sort"))
	if err != nil {
		return updateResult{}, err
	}
	if len(found) == 0 && bsonx.Truthy(bsonx.Lookup(spec, "upsert")) {
		return c.upsert(u, m)
	}
	if !multi && len(found) > 1 {
		found = found[:1]
	}
	return c.apply(u, m, found)
}

func (c *collection) upsert(u *update.Update, m *query.Matcher) (updateResult, error) {
	d, err := u.Upsert(m)
	if err != nil {
		return updateResult{}, err
	}
	id := bsonx.Lookup(d, "_id")
	if bsonx.IsMissing(id) {
		d = bsonx.IDFirst(bsonx.With(d, "_id", bsonx.ObjectID(bson.NewObjectID())))
		id = bsonx.Lookup(d, "_id")
	}
	c.docs = append(c.docs, d)
	return updateResult{n: 1, upserted: id, after: d}, nil
}

func (c *collection) apply(u *update.Update, m *query.Matcher, found []int) (updateResult, error) {
	var r updateResult
	for _, i := range found {
		_, index, err := m.MatchArray(c.docs[i])
		if err != nil {
			return r, err
		}
		out, changed, err := u.Apply(c.docs[i], index)
		if err != nil {
			return r, err
		}
		r.n, r.before, r.after = r.n+1, c.docs[i], out
		if changed {
			r.modified++
		}
		c.docs[i] = out
	}
	return r, nil
}

func (c *collection) findAndModify(cmd bson.Raw) (answer, error) {
	if !onlyFields(cmd, "findAndModify", "query", "update", "upsert", "new", "arrayFilters", "sort", "fields") || bsonx.IsMissing(bsonx.Lookup(cmd, "update")) {
		return answer{}, errScope
	}
	for _, f := range []string{"new", "upsert"} {
		if v := bsonx.Lookup(cmd, f); !bsonx.IsMissing(v) && v.Type != bson.TypeBoolean {
			return answer{}, errScope
		}
	}
	fields, ok := docOf(bsonx.Lookup(cmd, "fields"))
	_, okQ := docOf(bsonx.Lookup(cmd, "query"))
	_, okS := docOf(bsonx.Lookup(cmd, "sort"))
	if !ok || !okQ || !okS {
		return answer{}, errScope
	}
	p, err := project.Compile(fields, project.Options{})
	if err != nil {
		return answer{}, err
	}
	spec := bsonx.NewDoc(0)
	for from, to := range map[string]string{"query": "q", "update": "u", "upsert": "upsert", "arrayFilters": "arrayFilters", "sort": "sort"} {
		spec.Append(to, bsonx.Lookup(cmd, from))
	}
	r, err := c.updateOne(spec.Raw())
	if err != nil {
		return answer{}, err
	}
	last := bsonx.NewDoc(0).Append("n", bsonx.Int32(int32(r.n))).Append("updatedExisting", bsonx.Bool(r.before != nil)).Append("upserted", r.upserted)
	value := bsonx.Null
	d := r.before
	if bsonx.Truthy(bsonx.Lookup(cmd, "new")) {
		d = r.after
	}
	if d != nil {
		if d, err = p.Apply(d, -1); err != nil {
			return answer{}, err
		}
		value = bsonx.Document(d)
	}
	return answer{doc: bsonx.NewDoc(0).Append("lastErrorObject", last.Value()).Append("value", value).Raw()}, nil
}
