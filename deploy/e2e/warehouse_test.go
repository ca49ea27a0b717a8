package e2e

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/deploy/internal/client"
)

// store connects to the store of a suite that exposes it.
func store(t *testing.T, dir string) *mongo.Client {
	t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(exposed(t, dir)["MONGO_URI"]))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c
}

// warehouse reads every fact and customer-day row of a suite that exposes its store, whole, and how many customers it
// knows and records it set aside. A customer is named by its first fact: its key differs from one installation to another,
// as the id of the import does.
func (r *running) warehouse(t *testing.T) map[string]string {
	t.Helper()
	db := store(t, r.dir).Database("strata_operational")
	out, names := map[string]string{}, map[string]string{}
	for _, f := range documents(t, db, "facts") {
		customer, event := f["customer"].(string), f["_id"].(string)
		names[customer] = cmp.Or(names[customer], event)
		out["fact "+event] = "of " + names[customer] + said(f, "_id", "customer", "row", "import")
	}
	for _, d := range documents(t, db, "customer_days") {
		name := names[d["customer"].(string)]
		out[fmt.Sprintf("day %v of %s", d["day"], name)] = said(d, "_id", "customer")
	}
	for _, name := range []string{"facts", "customer_days", "profiles", "lake_events", "quarantine"} {
		n, err := db.Collection(name).CountDocuments(t.Context(), bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		out[name] = fmt.Sprint(n)
	}
	var aside struct {
		Items []struct {
			Source, Reason string
			Count          int64
		}
	}
	if err := r.steward.Get(t.Context(), "/api/operational/v1/quarantine", &aside); err != nil {
		t.Fatal(err)
	}
	for _, a := range aside.Items {
		out["set aside of "+a.Source+", "+a.Reason] = fmt.Sprint(a.Count)
	}
	return out
}

// sums returns how many units were sold, by the facts, and how many customer-day rows there are.
func (r *running) sums(t *testing.T) (units int64, days int) {
	t.Helper()
	db := store(t, r.dir).Database("strata_operational")
	found, err := db.Collection("facts").Aggregate(t.Context(), bson.A{bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: nil}, {Key: "units", Value: bson.D{{Key: "$sum", Value: "$quantity"}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	var all []struct{ Units int64 }
	if err := found.All(t.Context(), &all); err != nil || len(all) != 1 {
		t.Fatalf("%v: %v", all, err)
	}
	n, err := db.Collection("customer_days").CountDocuments(t.Context(), bson.D{})
	if err != nil {
		t.Fatal(err)
	}
	return all[0].Units, int(n)
}

// documents returns a collection's documents by id.
func documents(t *testing.T, db *mongo.Database, name string) []bson.M {
	t.Helper()
	found, err := db.Collection(name).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		t.Fatal(err)
	}
	var all []bson.M
	if err := found.All(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// said writes a document down without some fields.
func said(d bson.M, without ...string) (text string) {
	var names []string
	for name := range d {
		if !slices.Contains(without, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		text += fmt.Sprintf(" %s=%v", name, d[name])
	}
	return text
}

// alike is a statement without the name of its run.
func alike(s client.Statement) client.Statement {
	s.Run = ""
	return s
}
