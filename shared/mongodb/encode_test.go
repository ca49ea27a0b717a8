package mongodb_test

import (
	"testing"

	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"go.mongodb.org/mongo-driver/v2/bson"
)

type measured struct {
	StdErr float64  `json:"stdErr"`
	Have   *float64 `json:"have,omitempty"`
}

// TestNamesAreJSONNames: what is stored is named by the json tags even of a type that somebody has encoded and decoded without
// them before, which the driver remembers for the default registry.
func TestNamesAreJSONNames(t *testing.T) {
	t.Parallel()
	plain, err := bson.Marshal(measured{StdErr: 1.5})
	if err != nil {
		t.Fatal(err)
	}
	if err := bson.Unmarshal(plain, &measured{}); err != nil {
		t.Fatal(err)
	}
	want := func(what string, raw bson.Raw) {
		t.Helper()
		var back measured
		if err := mongodb.Unmarshal(raw, &back); err != nil || back.StdErr != 1.5 {
			t.Errorf("%s decodes to %+v, %v", what, back, err)
		}
		if f, ok := raw.Lookup("stdErr").DoubleOK(); !ok || f != 1.5 || raw.Lookup("have").Type != 0 || raw.Lookup("stderr").Type != 0 {
			t.Errorf("%s is %s, want stdErr and no more", what, raw)
		}
	}
	raw, err := mongodb.Marshal(measured{StdErr: 1.5})
	if err != nil {
		t.Fatal(err)
	}
	want("encoded", raw)

	c := mongotest.Open(t).Collection("measured")
	if _, err := c.InsertOne(t.Context(), measured{StdErr: 1.5}); err != nil {
		t.Fatal(err)
	}
	var stored bson.Raw
	var back measured
	found := c.FindOne(t.Context(), bson.D{})
	if stored, err = found.Raw(); err != nil {
		t.Fatal(err)
	}
	want("stored", stored)
	if err := found.Decode(&back); err != nil || back.StdErr != 1.5 {
		t.Errorf("the collection decodes to %+v, %v", back, err)
	}
}
