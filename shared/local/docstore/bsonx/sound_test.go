package bsonx_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/seedtest"
)

// TestSoundDocumentsAreValid damages documents at random: what is called sound must be valid to the driver, and so must
// everything embedded in it.
func TestSoundDocumentsAreValid(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 9))
	whole, err := bson.Marshal(bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "s", Value: "text"}, {Key: "i", Value: int32(1)}, {Key: "l", Value: int64(2)},
		{Key: "f", Value: 1.5}, {Key: "b", Value: true}, {Key: "n", Value: nil}, {Key: "at", Value: time.UnixMilli(1)}, {Key: "m", Value: bson.Decimal128{}},
		{Key: "ts", Value: bson.Timestamp{T: 1}}, {Key: "bin", Value: []byte{1, 2, 3}}, {Key: "re", Value: bson.Regex{Pattern: "a", Options: "i"}},
		{Key: "min", Value: bson.MinKey{}}, {Key: "max", Value: bson.MaxKey{}}, {Key: "js", Value: bson.JavaScript("x")}, {Key: "sym", Value: bson.Symbol("y")},
		{Key: "d", Value: bson.D{{Key: "a", Value: bson.A{1, "two", bson.D{{Key: "three", Value: 3}}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	if !bsonx.Sound(whole, 4) || bsonx.Sound(whole, 3) {
		t.Fatal("the whole document nests four levels and is sound")
	}
	sound := 0
	for range 200_000 {
		d := append(bson.Raw(nil), whole...)
		for range 1 + rng.IntN(3) {
			d[rng.IntN(len(d))] = byte(rng.IntN(256) >> rng.IntN(8))
		}
		if rng.IntN(4) == 0 {
			d = d[:rng.IntN(len(d)+1)]
		}
		if !bsonx.Sound(d, 100) {
			continue
		}
		if sound++; !valid(d) {
			t.Fatalf("%x is called sound", []byte(d))
		}
	}
	if sound == 0 {
		t.Error("no damaged document was sound: the test shows nothing")
	}
}

func valid(d bson.Raw) bool {
	elems, err := d.Elements()
	if err != nil || d.Validate() != nil {
		return false
	}
	for _, el := range elems {
		v := el.Value()
		if v.Validate() != nil || (v.Type == bson.TypeEmbeddedDocument || v.Type == bson.TypeArray) && !valid(bson.Raw(v.Value)) {
			return false
		}
	}
	return true
}

func TestOddDocumentsAreNotSound(t *testing.T) {
	t.Parallel()
	for _, d := range [][]byte{nil, {5, 0, 0, 0}, {5, 0, 0, 0, 1}, {6, 0, 0, 0, 0, 0}, {4, 0, 0, 0, 0}, {8, 0, 0, 0, 10, 'a', 1, 0}, {8, 0, 0, 0, 99, 'a', 0, 0}} {
		if bsonx.Sound(d, 10) {
			t.Errorf("%x is called sound", d)
		}
	}
	if !bsonx.Sound([]byte{5, 0, 0, 0, 0}, 1) {
		t.Error("the empty document is sound")
	}
}
