package docstore_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// TestExplainOfAPipeline asks for as much as explain tells: the stages that the planner took are told of once, in $cursor, and
// only what was run has figures.
func TestExplainOfAPipeline(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	db := client.Database("db")
	for i := range 30 {
		if _, err := db.Collection("c").InsertOne(t.Context(), doc("_id", i, "a", i%3, "list", bson.A{1, 2})); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.Collection("c").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: doc("a", 1)}); err != nil {
		t.Fatal(err)
	}
	match, unwind := doc("$match", doc("a", 1)), doc("$unwind", "$list")
	sortByCount, limit := doc("$sortByCount", "$list"), doc("$limit", 1)
	for name, c := range map[string]struct {
		target    any
		pipeline  bson.A
		verbosity string
		stages    string // with what each has let through
		keys      int64  // examined by the front; -1 where that is not told
	}{
		"planned":            {"c", bson.A{match, unwind, sortByCount, limit}, "queryPlanner", "$cursor $unwind $sortByCount $limit", -1},
		"run":                {"c", bson.A{match, unwind, sortByCount, limit}, "executionStats", "$cursor:10 $unwind:20 $sortByCount:1 $limit:1", 10},
		"with all plans":     {"c", bson.A{match, unwind}, "allPlansExecution", "$cursor:10 $unwind:20", 10},
		"nothing but a find": {"c", bson.A{match, doc("$limit", 4)}, "executionStats", "", 4},
		"without collection": {"none", bson.A{unwind}, "executionStats", "$cursor:0 $unwind:0", 0},
		"without a source":   {1, bson.A{doc("$documents", bson.A{doc("a", 1)}), doc("$limit", 5)}, "executionStats", "$documents:1 $limit:1", -1},
	} {
		raw, err := db.RunCommand(t.Context(), doc("explain", doc("aggregate", c.target, "pipeline", c.pipeline, "cursor", bson.D{}), "verbosity", c.verbosity)).Raw()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		stages, front := toldStages(raw)
		if stages != c.stages {
			t.Errorf("%s: stages %q, want %q", name, stages, c.stages)
		}
		keys, ok := front.Lookup("executionStats", "totalKeysExamined").AsInt64OK()
		if !ok {
			keys = -1
		}
		if keys != c.keys {
			t.Errorf("%s: %d keys examined, want %d: %s", name, keys, c.keys, front)
		}
	}
	for code, stage := range map[int]bson.D{51029: doc("$out", "x"), 51184: doc("$merge", "x")} {
		cmd := doc("aggregate", "c", "pipeline", bson.A{match, stage}, "cursor", bson.D{})
		var refused mongo.CommandError
		if err := db.RunCommand(t.Context(), doc("explain", cmd, "verbosity", "executionStats")).Err(); !errors.As(err, &refused) || int(refused.Code) != code {
			t.Errorf("%v: %v, want code %d", stage, err, code)
		}
		if err := db.RunCommand(t.Context(), doc("explain", cmd, "verbosity", "queryPlanner")).Err(); err != nil {
			t.Errorf("%v is not planned: %v", stage, err)
		}
	}
	if names, err := db.ListCollectionNames(t.Context(), doc("name", "x")); err != nil || len(names) > 0 {
		t.Errorf("explain wrote: %v %v", names, err)
	}
}

// toldStages returns the stages that an explain lists, and the part that tells of the front.
func toldStages(raw bson.Raw) (stages string, front bson.Raw) {
	list, ok := raw.Lookup("stages").ArrayOK()
	if !ok {
		return "", raw
	}
	values, err := list.Values()
	if err != nil {
		return err.Error(), nil
	}
	var names []string
	for _, v := range values {
		first := v.Document().Index(0)
		name := first.Key()
		if name == "$cursor" {
			front = first.Value().Document()
		}
		if n := v.Document().Lookup("nReturned"); n.Type != 0 {
			name += fmt.Sprint(":", n.AsInt64())
		}
		names = append(names, name)
	}
	return strings.Join(names, " "), front
}
