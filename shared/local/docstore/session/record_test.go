package session

import (
	"math/rand/v2"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/seedtest"
)

// TestRecordRemembersEveryAnswer adds random answers, some statements having failed, and asks for each before and after
// the record went through its form on disk.
func TestRecordRemembersEveryAnswer(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 4))
	answers := []bson.Raw{simpleReply, bsonx.NewDoc(0).Append("n", bsonx.Int32(0)).Raw(),
		bsonx.NewDoc(0).Append("n", bsonx.Int32(1)).Append("m", bsonx.Int32(1)).Raw(), bsonx.NewDoc(0).Append("u", bsonx.String("x")).Raw()}
	for range 200 {
		r, want := &Record{Number: 7}, map[int32]bson.Raw{}
		n := rng.Int32N(60)
		for _, i := range order(rng, n) {
			if rng.IntN(8) == 0 {
				continue // it failed
			}
			want[i] = answers[rng.IntN(1+rng.IntN(len(answers)))]
			r.Add(i, want[i])
		}
		again, err := decodeRecord(r.encode(time.UnixMilli(1)))
		if err != nil || again.Number != 7 {
			t.Fatal(again, err)
		}
		for i := range n + 2 {
			for _, have := range []*Record{r, again} {
				got, ok := have.Reply(i)
				if w, known := want[i]; ok != known || string(got) != string(w) {
					t.Fatalf("statement %d of %d: %s %v, want %s %v", i, n, got, ok, w, known)
				}
			}
		}
	}
}

// order returns the statements 0…n-1 as most commands number them, or in an order of the client's own.
func order(rng *rand.Rand, n int32) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	if rng.IntN(2) == 0 {
		rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	return out
}
