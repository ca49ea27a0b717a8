package project_test

import (
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

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/mongoerr"
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
