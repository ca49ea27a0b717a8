package update

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/query"
	"github.com/strata-crm/strata/shared/seedtest"
)

// TestFlatUpdatesDoWhatOthersDo compiles random updates both as flat ones, with a compiler that saw others before, and in the
// general way, and compares what they answer for random documents, as updates and as upserts.
func TestFlatUpdatesDoWhatOthersDo(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 6))
	var c Compiler
	flat, failed := 0, 0
	type both struct{ got, want *Update }
	var earlier [8]both // of which each is tried after others were compiled, which must leave it as it is
	u := randomUpdate(rng)
	for range 20_000 {
		if rng.IntN(3) == 0 {
			u = randomUpdate(rng)
		} else {
			u = otherValues(rng, u)
		}
		v := bsonx.Document(marshal(t, u))
		got, gotErr := c.Compile(v, Options{})
		want, wantErr := compileAny(v, Options{})
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) {
			t.Fatalf("%s: %v, want %v", v, gotErr, wantErr)
		}
		if wantErr != nil {
			failed++
			continue
		}
		if got.flat != nil {
			flat++
		}
		turn := &earlier[rng.IntN(len(earlier))]
		if last := *turn; last.got != nil {
			got, want, last = last.got, last.want, both{got, want}
			*turn = last
		} else {
			*turn = both{got, want}
		}
		doc := marshal(t, randomDoc(rng))
		a, aChanged, aErr := got.Apply(doc, -1)
		b, bChanged, bErr := want.Apply(doc, -1)
		if string(a) != string(b) || aChanged != bChanged || fmt.Sprint(aErr) != fmt.Sprint(bErr) {
			t.Fatalf("%s on %s: %s %v %v, want %s %v %v", v, doc, a, aChanged, aErr, b, bChanged, bErr)
		}
		m, err := query.Compile(marshal(t, randomDoc(rng)), query.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, aErr = got.Upsert(m)
		b, bErr = want.Upsert(m)
		if string(a) != string(b) || fmt.Sprint(aErr) != fmt.Sprint(bErr) {
			t.Fatalf("upsert of %s: %s %v, want %s %v", v, a, aErr, b, bErr)
		}
		id := bsonx.Lookup(marshal(t, bson.D{{Key: "_id", Value: pick[any](rng, 1, "text", 1.5, bson.D{{Key: "b", Value: 1}})}}), "_id")
		if m, err = query.Compile(bsonx.NewDoc(16).Append("_id", id).Raw(), query.Options{}); err != nil {
			t.Fatal(err)
		}
		a, aErr = got.UpsertID(id)
		b, bErr = want.Upsert(m)
		if string(a) != string(b) || fmt.Sprint(aErr) != fmt.Sprint(bErr) {
			t.Fatalf("upsert of %s by the _id %s: %s %v, want %s %v", v, id, a, aErr, b, bErr)
		}
	}
	if flat == 0 || failed == 0 {
		t.Errorf("%d flat updates and %d wrong ones: the test shows nothing", flat, failed)
	}
}

func marshal(t *testing.T, v any) bson.Raw {
	t.Helper()
	b, err := bson.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func pick[T any](rng *rand.Rand, all ...T) T { return all[rng.IntN(len(all))] }

func randomUpdate(rng *rand.Rand) bson.D {
	u := bson.D{}
	for range 1 + rng.IntN(3) {
		fields := bson.D{}
		for range rng.IntN(4) {
			fields = append(fields, bson.E{Key: pick(rng, "a", "b", "c", "d", "e", "10", "9", "_id", "a", "b", "c", "long name", "", "$x", "a.b"), Value: randomValue(rng)})
		}
		u = append(u, bson.E{Key: pick(rng, "$set", "$setOnInsert", "$unset", "$inc", "$mul", "$min", "$max", "$push"), Value: fields})
	}
	return u
}

func otherValues(rng *rand.Rand, u bson.D) bson.D {
	out := bson.D{}
	for _, op := range u {
		fields := bson.D{}
		for _, f := range op.Value.(bson.D) {
			fields = append(fields, bson.E{Key: f.Key, Value: randomValue(rng)})
		}
		out = append(out, bson.E{Key: op.Key, Value: fields})
	}
	return out
}

func randomDoc(rng *rand.Rand) bson.D {
	d := bson.D{}
	if rng.IntN(4) > 0 {
		d = bson.D{{Key: "_id", Value: rng.IntN(2)}}
	}
	for _, name := range []string{"c", "a", "10", "b"} {
		if rng.IntN(3) > 0 {
			d = append(d, bson.E{Key: name, Value: randomValue(rng)})
		}
	}
	if rng.IntN(9) == 0 {
		d = append(d, bson.E{Key: "_id", Value: 1})
	}
	return d
}

func randomValue(rng *rand.Rand) any {
	if rng.IntN(3) > 0 {
		return pick[any](rng, int32(1), int64(2), 1.5, int32(1<<31-1), int64(1<<62), 0.0)
	}
	return pick[any](rng, "text", nil, true, bson.A{1, "x"}, bson.D{{Key: "b", Value: 1}}, time.UnixMilli(5))
}
