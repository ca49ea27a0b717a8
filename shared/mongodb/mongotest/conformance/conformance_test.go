package conformance

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// oneCase is a line of a file; see the package comment.
type oneCase struct {
	Trap    int
	What    string
	Index   []bson.Raw
	Insert  []bson.Raw
	Find    bson.Raw
	Sort    bson.Raw
	Project bson.Raw
	Limit   int64

	Aggregate []bson.Raw
	Update    bson.Raw
	Eval      bson.RawValue
	On        bson.Raw
	Cmd       bson.Raw

	IDs     bson.RawValue
	Docs    *[]bson.Raw
	Value   bson.RawValue
	Missing bool
	Code    int32
	Message string
	Reply   bson.Raw
	After   *[]bson.Raw
	Refused int32
}

// load reads a file of cases for collections whose names begin with prefix.
func load(t *testing.T, file, prefix string) []oneCase {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []oneCase
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		var c oneCase
		line := bytes.ReplaceAll(lines.Bytes(), []byte(`"@c"`), fmt.Appendf(nil, "%q", collection(prefix, len(all))))
		if err := bson.UnmarshalExtJSON(line, false, &c); err != nil {
			t.Fatalf("%s:%d: %v", file, n, err)
		}
		all = append(all, c)
	}
	return all
}

// collection is the name of the collection that a file's n-th case has for itself.
func collection(prefix string, n int) string { return fmt.Sprintf("%s%d", prefix, n) }

// realServer tells that the cases run against what production uses.
func realServer() bool { return os.Getenv("STRATA_TEST_MONGODB_URI") != "" }

func TestCases(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".jsonl"), func(t *testing.T) {
			t.Parallel()
			db := mongotest.Open(t).Database()
			for i, c := range load(t, file, "c") {
				t.Run(fmt.Sprintf("%d %s", c.Trap, c.What), func(t *testing.T) {
					if c.Refused != 0 && realServer() {
						t.Skip("the document store leaves this out; a real server does not")
					}
					run(t, db, collection("c", i), c)
				})
			}
			for i, c := range load(t, file, "x") {
				if paths := c.paths(); len(paths) > 0 {
					t.Run(fmt.Sprintf("%d %s, with indexes", c.Trap, c.What), func(t *testing.T) { runIndexed(t, db, collection("x", i), c, paths) })
				}
			}
		})
	}
}

// run sets the case up in a collection of its own and compares.
func run(t *testing.T, db *mongo.Database, coll string, c oneCase) {
	t.Helper()
	if err := setUp(t, db, coll, c); err != nil {
		t.Fatalf("set-up: %v", err)
	}
	act(t, db, coll, c)
}

// act carries out the case's action and compares.
func act(t *testing.T, db *mongo.Database, coll string, c oneCase) {
	t.Helper()
	reply, err := db.RunCommand(t.Context(), c.command(t, coll)).Raw()
	var failed mongo.CommandError
	var written mongo.WriteException // the reply has it all
	if err != nil && !errors.As(err, &failed) && !errors.As(err, &written) {
		t.Fatal(err)
	}
	code, message := failed.Code, failed.Message
	if list, ok := reply.Lookup("writeErrors").ArrayOK(); ok && code == 0 {
		first := list.Index(0).Document()
		code, message = int32(first.Lookup("code").AsInt64()), first.Lookup("errmsg").StringValue()
	}
	if want := max(c.Code, c.Refused); code != want {
		t.Fatalf("code %d (%s), want %d", code, message, want)
	}
	if !strings.Contains(message, renamed(c.Message, db, coll)) {
		t.Errorf("message %q, want it to contain %q", message, renamed(c.Message, db, coll))
	}
	c.compare(t, reply)
	if c.After != nil {
		after, err := db.RunCommand(t.Context(), bson.D{{Key: "find", Value: coll}, {Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}}).Raw()
		if err != nil {
			t.Fatal(err)
		}
		same(t, "the collection", documents(after), *c.After)
	}
}

func renamed(message string, db *mongo.Database, coll string) string {
	return strings.ReplaceAll(message, "db.c ", db.Name()+"."+coll+" ")
}

func setUp(t *testing.T, db *mongo.Database, coll string, c oneCase) error {
	t.Helper()
	if len(c.Index) > 0 {
		if err := db.RunCommand(t.Context(), bson.D{{Key: "createIndexes", Value: coll}, {Key: "indexes", Value: c.Index}}).Err(); err != nil {
			return err
		}
	}
	if len(c.Insert) == 0 {
		return nil
	}
	docs := make([]any, len(c.Insert))
	for i, d := range c.Insert {
		docs[i] = numbered(d, i+1)
	}
	_, err := db.Collection(coll).InsertMany(t.Context(), docs)
	return err
}

func numbered(d bson.Raw, id int) any {
	if _, err := d.LookupErr("_id"); err == nil {
		return d
	}
	var fields bson.D
	if err := bson.Unmarshal(d, &fields); err != nil {
		return d
	}
	return append(bson.D{{Key: "_id", Value: id}}, fields...)
}

// command builds the case's action.
func (c oneCase) command(t *testing.T, coll string) any {
	t.Helper()
	cursor := bson.E{Key: "cursor", Value: bson.D{}}
	switch {
	case c.Find != nil:
		cmd := bson.D{{Key: "find", Value: coll}, {Key: "filter", Value: c.Find}, {Key: "sort", Value: bson.D{{Key: "_id", Value: 1}}}}
		if c.Sort != nil {
			cmd[2].Value = c.Sort
		}
		if c.Project != nil {
			cmd = append(cmd, bson.E{Key: "projection", Value: c.Project})
		}
		return append(cmd, bson.E{Key: "limit", Value: c.Limit})
	case c.Aggregate != nil:
		return bson.D{{Key: "aggregate", Value: coll}, {Key: "pipeline", Value: c.Aggregate}, cursor}
	case c.Eval.Type != 0:
		on := c.On
		if on == nil {
			on = bson.Raw{5, 0, 0, 0, 0}
		}
		return bson.D{{Key: "aggregate", Value: 1}, {Key: "pipeline", Value: bson.A{bson.D{{Key: "$documents", Value: bson.A{on}}},
			bson.D{{Key: "$project", Value: bson.D{{Key: "_id", Value: 0}, {Key: "r", Value: c.Eval}}}}}}, cursor}
	case c.Update != nil:
		return bson.D{{Key: "update", Value: coll}, {Key: "updates", Value: bson.A{c.Update}}}
	case c.Cmd != nil:
		var cmd bson.D
		if err := bson.Unmarshal(c.Cmd, &cmd); err != nil {
			t.Fatal(err)
		}
		if cmd[0].Value == "c" {
			cmd[0].Value = coll
		}
		return cmd
	}
	t.Fatal("the case has no action")
	return nil
}

func (c oneCase) compare(t *testing.T, reply bson.Raw) {
	t.Helper()
	got := documents(reply)
	switch {
	case c.IDs.Type != 0:
		ids := bson.A{}
		for _, d := range got {
			ids = append(ids, d.Lookup("_id"))
		}
		_, b, err := bson.MarshalValue(ids)
		if err != nil {
			t.Fatal(err)
		}
		if have := (bson.RawValue{Type: bson.TypeArray, Value: b}); !have.Equal(c.IDs) {
			t.Errorf("found %s, want %s", have, c.IDs)
		}
	case c.Docs != nil:
		same(t, "the answer", got, *c.Docs)
	case c.Value.Type != 0 || c.Missing:
		if len(got) != 1 {
			t.Fatalf("no answer: %s", reply)
		}
		if v := got[0].Lookup("r"); !v.Equal(c.Value) && !(v.Type == 0 && c.Missing) {
			t.Errorf("%s, want %s", v, c.Value)
		}
	}
	elements, err := c.Reply.Elements()
	if c.Reply != nil && err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		if v := reply.Lookup(strings.Split(e.Key(), ".")...); v.String() != e.Value().String() {
			t.Errorf("%s is %s, want %s", e.Key(), v, e.Value())
		}
	}
}

func documents(reply bson.Raw) []bson.Raw {
	list, ok := reply.Lookup("cursor", "firstBatch").ArrayOK()
	if !ok {
		return nil
	}
	values, err := list.Values()
	if err != nil {
		return nil
	}
	docs := make([]bson.Raw, len(values))
	for i, v := range values {
		docs[i] = v.Document()
	}
	return docs
}

func same(t *testing.T, what string, got, want []bson.Raw) {
	t.Helper()
	if len(got) == len(want) {
		equal := true
		for i := range got {
			equal = equal && bytes.Equal(got[i], want[i])
		}
		if equal {
			return
		}
	}
	t.Errorf("%s is\n     %s, want\n     %s", what, got, want)
}
