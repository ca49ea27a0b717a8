package replay

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

var (
	update = flag.Bool("update", false, "keep the present score as the baseline")
	only   = flag.String("only", "", "replay only cases whose file, area or id contains this, and print each difference")
)

// score is what a file of cases comes to.
type score struct {
	Pass        int `json:"pass"`
	Unsupported int `json:"unsupported"`
	Wrong       int `json:"wrong"`
	Silent      int `json:"setupUnsupported"`
	Excused     int `json:"excused"` // listed with the reason in testdata/exceptions.json
}

// baseline is the committed state: it may get better, never worse.
type baseline struct {
	Areas map[string]score `json:"areas"`
	Wrong []string         `json:"wrong"`
	// LeftOut counts the unsupported cases by what they need.
	LeftOut map[string]int `json:"leftOut"`
	Indexed int            `json:"indexed"` // cases that passed a second time with indexes
}

const baselineFile = "testdata/baseline.json"

type result struct {
	c       *testCase
	verdict verdict
	text    string
	indexed bool // it passed a second time with indexes
}

func (r result) name() string { return r.c.Area + "/" + r.c.ID }

// excuse turns the wrong answers that have a reason into excused ones. A reason without a wrong answer is out of date,
// unless it is about timing.
func excuse(t *testing.T, results []result) {
	t.Helper()
	b, err := os.ReadFile("testdata/exceptions.json")
	if err != nil {
		t.Fatal(err)
	}
	reasons := map[string]string{}
	if err := json.Unmarshal(b, &reasons); err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if reasons[r.name()] == "" {
			continue
		}
		if r.verdict == pass && !strings.HasPrefix(reasons[r.name()], "Timing:") {
			t.Errorf("%s passes: take its exception out", r.name())
		}
		if r.verdict == wrong {
			results[i].verdict = excused
		}
	}
}

func TestReplay(t *testing.T) {
	cases := slices.DeleteFunc(loadCases(t), func(c testCase) bool {
		return !strings.Contains(c.File+" "+c.Area+" "+c.ID, *only)
	})
	if len(cases) == 0 {
		t.Fatalf("no case contains %q", *only)
	}
	results := replayAll(t, cases)
	excuse(t, results)
	now := tally(results)
	t.Log("\n" + now.table())
	switch {
	case *only != "":
		for _, r := range results {
			if r.verdict != pass {
				t.Logf("%s %s/%s\n cmd %s\n     %s", []string{"pass", "UNSUPPORTED", "WRONG", "SET-UP", "EXCUSED"}[r.verdict], r.c.Area, r.c.ID, r.c.Cmd, r.text)
			}
		}
	case *update:
		writeBaseline(t, now)
		writeTable(t, now)
	default:
		now.checkFloors(t)
		compareBaseline(t, now, results)
	}
}

// replayAll runs the cases on as many stores as there are processors, each case in a fresh database.
func replayAll(t *testing.T, cases []testCase) []result {
	t.Helper()
	results := make([]result, len(cases))
	work := make(chan int)
	var wg sync.WaitGroup
	for range max(2, runtime.GOMAXPROCS(0)) {
		c := connect(t)
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := range work {
				v, text, indexed := cases[i].replay(c)
				results[i] = result{&cases[i], v, text, indexed}
			}
		}()
	}
	for i := range cases {
		work <- i
	}
	close(work)
	wg.Wait()
	return results
}

func (c *testCase) replay(cl *client) (v verdict, text string, indexed bool) {
	if err := cl.reset(); err != nil {
		return wrong, "reset: " + err.Error(), false
	}
	var cursors []int64
	for _, s := range c.Setup {
		reply, err := cl.run(s.DB, withCursors(s.Cmd, cursors))
		if err != nil {
			return wrong, fmt.Sprintf("set-up %s: %v", s.Cmd, err), false
		}
		if slices.Contains(refusals, code(reply)) { // one that MongoDB refused too is part of the case
			return silent, fmt.Sprintf("set-up %s: %s", s.Cmd, reply), false
		}
		if id, ok := reply.Lookup("cursor", "id").Int64OK(); ok {
			cursors = append(cursors, id)
		}
	}
	cmd := withCursors(c.Cmd, cursors)
	reply, err := cl.run(c.DB, cmd)
	if err != nil {
		return wrong, err.Error(), false
	}
	judged := *c
	judged.Expect.Reply.Value = withCursors(c.Expect.Reply.Value, cursors)
	if v, text = judged.judge(reply); v != pass {
		return v, text, false
	}
	return c.replayIndexed(cl, cmd)
}

// withCursors puts the cursors that the set-up opened, one after the other, where the cases have {} for an id.
func withCursors(doc bson.Raw, opened []int64) bson.Raw {
	if len(opened) == 0 {
		return doc
	}
	nth := func(n int) bson.RawValue { return bsonx.Int64(opened[min(n, len(opened)-1)]) }
	out := bsonx.NewDoc(len(doc))
	for it := bsonx.Elements(doc); it.Next(); {
		name, v := string(it.Key()), it.Value()
		switch {
		case name == "getMore" && isPlaceholder(v):
			v = nth(0)
		case strings.HasPrefix(name, "cursors") && v.Type == bson.TypeArray:
			ids := bsonx.NewArray(len(v.Value))
			for at := bsonx.Items(v); at.Next(); {
				if isPlaceholder(at.Value()) {
					ids.Append(nth(ids.Len()))
				} else {
					ids.Append(at.Value())
				}
			}
			v = ids.Value()
		}
		out.AppendBytes(it.Key(), v)
	}
	return out.Raw()
}

func isPlaceholder(v bson.RawValue) bool {
	return v.Type == bson.TypeEmbeddedDocument && bsonx.IsEmpty(v.Value)
}

func tally(results []result) baseline {
	b := baseline{Areas: map[string]score{}, Wrong: []string{}, LeftOut: map[string]int{}}
	for _, r := range results {
		if r.indexed {
			b.Indexed++
		}
		s := b.Areas[r.c.File]
		switch r.verdict {
		case pass:
			s.Pass++
		case unsupported:
			s.Unsupported++
			b.LeftOut[leftOut(r.text)]++
		case silent:
			s.Silent++
		case excused:
			s.Excused++
		case wrong:
			s.Wrong++
			b.Wrong = append(b.Wrong, r.name())
		}
		b.Areas[r.c.File] = s
	}
	slices.Sort(b.Wrong)
	return b
}

func mapKeys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func writeBaseline(t *testing.T, b baseline) {
	t.Helper()
	out, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(baselineFile), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(baselineFile, append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readBaseline(t *testing.T) (b baseline) {
	t.Helper()
	text, err := os.ReadFile(baselineFile)
	if err == nil {
		err = json.Unmarshal(text, &b)
	}
	if err != nil {
		t.Fatalf("no baseline: run with -update once: %v", err)
	}
	return b
}

func compareBaseline(t *testing.T, now baseline, results []result) {
	t.Helper()
	before := readBaseline(t)
	if now.Indexed < before.Indexed {
		t.Errorf("%d cases pass with indexes, the baseline has %d", now.Indexed, before.Indexed)
	}
	for name, s := range before.Areas {
		if now.Areas[name].Pass < s.Pass {
			t.Errorf("%s: %d pass, the baseline has %d", name, now.Areas[name].Pass, s.Pass)
		}
	}
	for _, r := range results {
		if r.verdict == wrong && !slices.Contains(before.Wrong, r.name()) {
			t.Errorf("new wrong answer: %s\n cmd %s\n     %s", r.name(), r.c.Cmd, r.text)
		}
	}
}
