package conformance

import (
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// paths returns the fields that the case finds its documents by, sorts by and changes; none where it has indexes of its own, since it is
// about those, or is about no field.
func (c oneCase) paths() (paths []string) {
	if len(c.Index) > 0 {
		return nil
	}
	paths = addKeys(mongotest.AddFieldsOf(c.Find, nil), c.Sort)
	for _, stage := range c.Aggregate {
		first, err := stage.IndexErr(0)
		if err != nil {
			break
		}
		body, _ := first.Value().DocumentOK()
		if first.Key() == "$sort" {
			return addKeys(paths, body)
		}
		if first.Key() != "$match" {
			break
		}
		paths = mongotest.AddFieldsOf(body, paths)
	}
	if c.Update != nil {
		q, _ := c.Update.Lookup("q").DocumentOK()
		u, _ := c.Update.Lookup("u").DocumentOK()
		paths = mongotest.AddFieldsOf(q, paths)
		elements, err := u.Elements()
		for i := 0; err == nil && i < len(elements); i++ {
			operands, _ := elements[i].Value().DocumentOK()
			paths = addKeys(paths, operands)
		}
	}
	return paths
}

func addKeys(paths []string, doc bson.Raw) []string {
	elements, err := doc.Elements()
	for i := 0; err == nil && i < len(elements); i++ {
		paths = mongotest.AddPath(paths, elements[i].Key())
	}
	return paths
}

// runIndexed is run with indexes on the fields, one on each, up and down by turns, and for what only reads one on all: the case must come out
// the same.
func runIndexed(t *testing.T, db *mongo.Database, coll string, c oneCase, paths []string) {
	t.Helper()
	if err := setUp(t, db, coll, c); err != nil {
		t.Fatalf("set-up: %v", err)
	}
	var specs []bson.D
	all := bson.D{}
	for i, p := range paths {
		all = append(all, bson.E{Key: p, Value: 1})
		specs = append(specs, bson.D{{Key: "key", Value: bson.D{{Key: p, Value: 1 - 2*(i%2)}}}, {Key: "name", Value: fmt.Sprint("x", i)}})
	}
	if len(paths) > 1 && c.Update == nil { // an update may make two arrays side by side, which one index cannot have
		specs = append(specs, bson.D{{Key: "key", Value: all}, {Key: "name", Value: "all"}})
	}
	for _, spec := range specs {
		err := db.RunCommand(t.Context(), bson.D{{Key: "createIndexes", Value: coll}, {Key: "indexes", Value: bson.A{spec}}}).Err()
		var refused mongo.CommandError // some names and documents cannot have one
		if err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
	}
	act(t, db, coll, c)
}
