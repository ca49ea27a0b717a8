package conformance

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// Timestamp(0, 0) in an insert and in a replacement is the time of the write, but not below the top level, nor where an operator sets
// it; and the times rise.
func TestEmptyTimestampsBecomeTheTime(t *testing.T) {
	t.Parallel()
	c := mongotest.Open(t).Database().Collection("c")
	empty := bson.Timestamp{}
	doc := bson.D{{Key: "_id", Value: 1}, {Key: "t", Value: empty}, {Key: "u", Value: empty}, {Key: "in", Value: bson.D{{Key: "t", Value: empty}}}}
	if _, err := c.InsertOne(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	inserted := read(t, c)
	if _, err := c.ReplaceOne(t.Context(), first, doc[1:]); err != nil {
		t.Fatal(err)
	}
	replaced := read(t, c)
	last := empty
	for _, d := range []bson.Raw{inserted, replaced} {
		for _, name := range []string{"t", "u"} {
			next := stampOf(d, name)
			if !next.After(last) {
				t.Errorf("%s of %s is not later than %v", name, d, last)
			}
			last = next
		}
		if v := stampOf(d, "in", "t"); v != empty {
			t.Errorf("below the top level it became %v", v)
		}
	}
	if _, err := c.UpdateOne(t.Context(), first, bson.D{{Key: "$set", Value: bson.D{{Key: "t", Value: empty}}}}); err != nil {
		t.Fatal(err)
	}
	if v := stampOf(read(t, c), "t"); v != empty {
		t.Errorf("$set stored %v", v)
	}
}

// Every $currentDate of type timestamp has a time of its own.
func TestCurrentTimestampsRise(t *testing.T) {
	t.Parallel()
	_, c := seeded(t)
	now := bson.D{{Key: "$currentDate", Value: bson.D{{Key: "t", Value: bson.D{{Key: "$type", Value: "timestamp"}}}}}}
	var last bson.Timestamp
	for range 3 {
		if _, err := c.UpdateOne(t.Context(), first, now); err != nil {
			t.Fatal(err)
		}
		next := stampOf(read(t, c), "t")
		if !next.After(last) {
			t.Errorf("%v follows %v", next, last)
		}
		last = next
	}
}

// With validationLevel moderate a document that was invalid already may be changed.
func TestModerateValidation(t *testing.T) {
	t.Parallel()
	db, c := seeded(t)
	if _, err := c.UpdateByID(t.Context(), 2, bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: "x"}}}}); err != nil {
		t.Fatal(err)
	}
	rule := bson.D{{Key: "a", Value: bson.D{{Key: "$type", Value: "number"}}}}
	if err := db.RunCommand(t.Context(), bson.D{{Key: "collMod", Value: "c"}, {Key: "validator", Value: rule}, {Key: "validationLevel", Value: "moderate"}}).Err(); err != nil {
		t.Fatal(err)
	}
	text := bson.D{{Key: "$set", Value: bson.D{{Key: "a", Value: "y"}}}}
	if _, err := c.UpdateByID(t.Context(), 2, text); err != nil {
		t.Errorf("a document that was invalid: %v", err)
	}
	_, err := c.UpdateByID(t.Context(), 1, text)
	fails(t, "a document that was valid", err, 121, "")
	_, err = c.InsertOne(t.Context(), bson.D{{Key: "a", Value: "z"}})
	fails(t, "a new document", err, 121, "")
}

// More values of $in than a plan once took are looked up one by one, in _id and in an index.
func TestManyValuesOfInUseTheIndex(t *testing.T) {
	t.Parallel()
	db, c := seeded(t)
	if _, err := c.Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "a", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	values := make(bson.A, 5000)
	for i := range values {
		values[i] = 2 * i
	}
	for _, field := range []string{"_id", "a"} {
		filter := bson.D{{Key: field, Value: bson.D{{Key: "$in", Value: values}}}}
		reply, err := db.RunCommand(t.Context(), bson.D{{Key: "explain", Value: bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: filter}}}, {Key: "verbosity", Value: "queryPlanner"}}).Raw()
		if err != nil {
			t.Fatal(err)
		}
		if s, _ := reply.Lookup("queryPlanner", "winningPlan", "inputStage", "stage").StringValueOK(); s != "IXSCAN" {
			t.Errorf("by %s: %s", field, reply.Lookup("queryPlanner", "winningPlan", "stage"))
		}
		n, err := c.CountDocuments(t.Context(), filter)
		if want := map[string]int64{"_id": 1, "a": 0}[field]; err != nil || n != want {
			t.Errorf("by %s found %d (%v), want %d", field, n, err, want)
		}
	}
}

func read(t *testing.T, c *mongo.Collection) bson.Raw {
	t.Helper()
	d, err := c.FindOne(t.Context(), first).Raw()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func stampOf(d bson.Raw, path ...string) bson.Timestamp {
	sec, i, _ := d.Lookup(path...).TimestampOK()
	return bson.Timestamp{T: sec, I: i}
}
