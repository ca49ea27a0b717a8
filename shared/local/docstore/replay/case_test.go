package replay

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
)

// testCase is one line of the conformance files.
type testCase struct {
	ID     string
	Area   string
	File   string // the file's name without its endings: the area that scores are kept by
	Setup  []step
	DB     string
	Cmd    bson.Raw
	Expect expectation
}

type step struct {
	DB  string
	Cmd bson.Raw
}

// expectation holds exactly one of docs, reply, partial and code, and how to compare.
type expectation struct {
	Docs, Reply, Partial bson.RawValue
	Code                 *int32
	AnyOrder             bool
	Contained            bool // the documents may have more than is expected of them
	AnyOrderIn           map[string]bool
}

// dataDir finds shared/conformance beside the repository, from whatever folder the test runs in.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for at := dir; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.work")); err == nil {
			found := filepath.Join(filepath.Dir(at), "shared", "conformance")
			if _, err := os.Stat(found); err == nil {
				return found
			}
			break
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("the conformance cases are missing: shared/conformance beside the repository")
	}
	t.Skip("no conformance cases: shared/conformance is not beside the repository")
	return ""
}

func loadCases(t *testing.T) []testCase {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dataDir(t), "*.jsonl.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no conformance files: %v", err)
	}
	var all []testCase
	for _, name := range files {
		cases, err := loadFile(name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, cases...)
	}
	return all
}

func loadFile(name string) ([]testCase, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 64<<20)
	var all []testCase
	for lines.Scan() {
		c, err := parseCase(lines.Bytes())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", lines.Text(), err)
		}
		c.File = strings.TrimSuffix(filepath.Base(name), ".jsonl.gz")
		all = append(all, c)
	}
	return all, lines.Err()
}

func parseCase(line []byte) (testCase, error) {
	var j struct {
		ID, Area, DB string
		Setup        []struct {
			DB  string
			Cmd json.RawMessage
		}
		Cmd    json.RawMessage
		Expect map[string]json.RawMessage
	}
	if err := json.Unmarshal(line, &j); err != nil {
		return testCase{}, err
	}
	c := testCase{ID: j.ID, Area: j.Area, DB: j.DB}
	var err error
	if c.Cmd, err = toBSON(j.Cmd); err != nil {
		return c, err
	}
	for _, s := range j.Setup {
		cmd, err := toBSON(s.Cmd)
		if err != nil {
			return c, err
		}
		c.Setup = append(c.Setup, step{s.DB, cmd})
	}
	c.Expect, err = parseExpectation(j.Expect)
	c.Expect.Contained = bsonx.FirstKey(c.Cmd) == "listCollections" // the cases leave out uuids and the index on _id
	return c, err
}

func parseExpectation(m map[string]json.RawMessage) (e expectation, err error) {
	for name, raw := range m {
		switch name {
		case "code":
			e.Code = new(int32)
			err = json.Unmarshal(raw, e.Code)
		case "anyOrder":
			err = json.Unmarshal(raw, &e.AnyOrder)
		case "anyOrderIn":
			var names []string
			err = json.Unmarshal(raw, &names)
			e.AnyOrderIn = map[string]bool{}
			for _, n := range names {
				e.AnyOrderIn[n] = true
			}
		case "docs", "reply", "partial":
			var doc bson.Raw
			if doc, err = toBSON([]byte(`{"v":` + string(raw) + `}`)); err == nil {
				*map[string]*bson.RawValue{"docs": &e.Docs, "reply": &e.Reply, "partial": &e.Partial}[name] = doc.Lookup("v")
			}
		}
		if err != nil {
			return e, err
		}
	}
	return e, nil
}

func toBSON(j []byte) (bson.Raw, error) {
	v, err := toValue(j)
	return v.Value, err
}

// toValue reads canonical Extended JSON. The driver's own reader stops at 200 levels, which some cases pass, so that it
// reads only the leaves here.
func toValue(j json.RawMessage) (bson.RawValue, error) {
	dec := json.NewDecoder(bytes.NewReader(j))
	open, err := dec.Token()
	if err != nil {
		return bson.RawValue{}, err
	}
	switch {
	case open == json.Delim('['):
		out := bsonx.NewArray(len(j))
		for dec.More() {
			v, err := nextValue(dec)
			if err != nil {
				return v, err
			}
			out.Append(v)
		}
		return out.Value(), nil
	case open == json.Delim('{') && !isExtended(j):
		out := bsonx.NewDoc(len(j))
		for dec.More() {
			name, err := dec.Token()
			if err != nil {
				return bson.RawValue{}, err
			}
			v, err := nextValue(dec)
			if err != nil {
				return v, err
			}
			out.Append(name.(string), v)
		}
		return out.Value(), nil
	}
	var leaf bson.Raw
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+string(j)+`}`), true, &leaf); err != nil {
		return bson.RawValue{}, err
	}
	return leaf.Lookup("v"), nil
}

func nextValue(dec *json.Decoder) (bson.RawValue, error) {
	var raw json.RawMessage
	if err := dec.Decode(&raw); err != nil {
		return bson.RawValue{}, err
	}
	return toValue(raw)
}

// isExtended reports whether an object stands for one value that JSON lacks. A filter such as {"$regex": "a"} does not.
func isExtended(j []byte) bool {
	var leaf bson.Raw
	return extended.Match(j) && bson.UnmarshalExtJSON([]byte(`{"v":`+string(j)+`}`), true, &leaf) == nil && leaf.Lookup("v").Type != bson.TypeEmbeddedDocument
}

var extended = regexp.MustCompile(`^\{"\$(numberInt|numberLong|numberDouble|numberDecimal|oid|binary|uuid|date|timestamp|regularExpression|symbol|code|scope|undefined|minKey|maxKey|dbPointer)":`)
