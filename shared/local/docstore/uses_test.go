package docstore_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// TestTheStoreHasWhatTheProductUses reads the product's sources for stages, operators and commands, and asks the store
// for each of them.
func TestTheStoreHasWhatTheProductUses(t *testing.T) {
	t.Parallel()
	found := uses{operators: map[string]string{}, commands: map[string]string{}}
	found.scan(t, repository(t))
	if len(found.operators) < 10 || len(found.commands) == 0 {
		t.Fatalf("the scan finds too little to be right: %v", found)
	}
	t.Logf("operators and stages: %s", strings.Join(slices.Sorted(maps.Keys(found.operators)), " "))
	t.Logf("commands: %s", strings.Join(slices.Sorted(maps.Keys(found.commands)), " "))
	s, _ := open(t, docstore.Options{InMemory: true})
	raw := dialRaw(t, s)
	for name, where := range found.operators {
		if why, ok := has(raw, name); !ok {
			t.Errorf("%s uses %s, which the store lacks: %s", where, name, why)
		}
	}
	for name, where := range found.commands {
		if raw.code("admin", doc(name, 1)) == 59 {
			t.Errorf("%s needs the command %s, which the store lacks", where, name)
		}
	}
}

// TestTheProbesTellWhatTheStoreLacks keeps the linter honest.
func TestTheProbesTellWhatTheStoreLacks(t *testing.T) {
	t.Parallel()
	s, _ := open(t, docstore.Options{InMemory: true})
	raw := dialRaw(t, s)
	for _, name := range []string{"$graphLookup", "$where", "$function", "$densify", "$bogus"} {
		if _, ok := has(raw, name); ok {
			t.Errorf("%s passes for something that the store has", name)
		}
	}
}

func repository(t *testing.T) string {
	t.Helper()
	at, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; at != filepath.Dir(at); at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.work")); err == nil {
			return at
		}
	}
	t.Skip("the module stands alone, without the product's sources beside it")
	return ""
}

// uses are names and one place each.
type uses struct{ operators, commands map[string]string }

// methods are the driver's methods and the commands that they send.
var methods = map[string]string{"Find": "find", "FindOne": "find", "InsertOne": "insert", "InsertMany": "insert", "UpdateOne": "update", "UpdateMany": "update",
	"ReplaceOne": "update", "DeleteOne": "delete", "DeleteMany": "delete", "BulkWrite": "update", "Aggregate": "aggregate", "CountDocuments": "aggregate",
	"EstimatedDocumentCount": "count", "Distinct": "distinct", "FindOneAndUpdate": "findAndModify", "FindOneAndDelete": "findAndModify",
	"FindOneAndReplace": "findAndModify", "CreateOne": "createIndexes", "CreateMany": "createIndexes", "ListCollectionNames": "listCollections",
	"ListDatabaseNames": "listDatabases", "CommitTransaction": "commitTransaction", "WithTransaction": "commitTransaction", "EndSession": "endSessions", "Ping": "ping"}

func (u uses) scan(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != root || strings.HasSuffix(filepath.ToSlash(path), "shared/local/docstore")):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, i := range f.Imports {
			if strings.Contains(i.Path.Value, "go.mongodb.org/mongo-driver/") {
				u.file(fset, f, root)
				break
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// builders are the product's helpers that make {name: value} of a name and a value.
var builders = map[string]bool{"op": true, "connective": true, "stage": true}

var operator = regexp.MustCompile(`^\$[a-z][A-Za-z]*$`)

// file takes the names that stand where keys do: field paths are values.
func (u uses) file(fset *token.FileSet, f *ast.File, root string) {
	note := func(into map[string]string, name string, at token.Pos) {
		where, err := filepath.Rel(root, fset.Position(at).String())
		if err == nil && into[name] == "" {
			into[name] = where
		}
	}
	key := func(e ast.Expr) {
		if name, ok := literal(e); ok && operator.MatchString(name) {
			note(u.operators, name, e.Pos())
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.KeyValueExpr:
			if id, ok := n.Key.(*ast.Ident); ok && id.Name == "Key" {
				key(n.Value)
			} else {
				key(n.Key)
			}
		case *ast.CompositeLit:
			if n.Type == nil && len(n.Elts) == 2 {
				key(n.Elts[0])
			}
		case *ast.CallExpr:
			if id, ok := n.Fun.(*ast.Ident); ok && builders[id.Name] && len(n.Args) > 0 {
				key(n.Args[0])
			}
			if s, ok := n.Fun.(*ast.SelectorExpr); ok && methods[s.Sel.Name] != "" {
				note(u.commands, methods[s.Sel.Name], n.Pos())
			}
		}
		return true
	})
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

var refusal = regexp.MustCompile(`(?i)unrecognized|unknown|not support|may not start with|invalid \$project :: caused by :: unknown`)

// has reports whether the store knows a name as a stage, an expression, an accumulator, a window function, a query or
// update operator, or a modifier. What it knows it may still refuse, for the operands here fit none of them in particular.
func has(raw *rawConn, name string) (why string, ok bool) {
	run := func(cmd bson.D) bool {
		reply := raw.run("db", cmd)
		message := reply.Lookup("errmsg").String()
		if list, found := reply.Lookup("writeErrors").ArrayOK(); found {
			message = list.Index(0).Document().Lookup("errmsg").String()
		}
		why = message
		return !refusal.MatchString(message)
	}
	aggregate := func(stages ...any) bson.D {
		return doc("aggregate", "c", "pipeline", bson.A(stages), "cursor", bson.D{})
	}
	update := func(u bson.D) bson.D {
		return doc("update", "c", "updates", bson.A{doc("q", bson.D{}, "u", u)})
	}
	_ = raw.run("db", doc("insert", "c", "documents", bson.A{doc("_id", 1, "a", bson.A{1})}))
	for _, cmd := range []bson.D{
		aggregate(doc(name, bson.D{})),
		aggregate(doc("$project", doc("r", doc(name, 1)))),
		aggregate(doc("$group", doc("_id", nil, "r", doc(name, "$a")))),
		aggregate(doc("$setWindowFields", doc("sortBy", doc("_id", 1), "output", doc("r", doc(name, "$a"))))),
		doc("find", "c", "filter", doc("a", doc(name, 1))),
		doc("find", "c", "filter", doc(name, bson.A{bson.D{}})),
		doc("find", "c", "filter", bson.D{}, "sort", doc(name, 1)),
		update(doc(name, doc("b", 1))),
		update(doc("$push", doc("a", doc("$each", bson.A{1}, name, 1)))),
	} {
		if run(cmd) {
			return "", true
		}
	}
	return why, false
}
