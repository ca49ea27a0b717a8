package engine

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/strata-crm/strata/shared/seedtest"
)

// TestFinderFindsWhatIsThere looks for sorted keys, dense and scattered, there and not, some more than once.
func TestFinderFindsWhatIsThere(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 8))
	e := testEngine(t, "")
	there := map[string]bool{}
	b := e.db.NewBatch()
	for range 3000 {
		k := fmt.Sprintf("k%05d", rng.IntN(6000))
		there[k] = true
		if err := b.Set([]byte(k), []byte("v"+k), nil); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := e.write(b); err != nil {
		t.Fatal(err)
	}
	found, missed := 0, 0
	for range 300 {
		from, width := rng.IntN(6000), 1+rng.IntN(1+rng.IntN(7000))
		keys := make([]string, 1+rng.IntN(100))
		for i := range keys {
			keys[i] = fmt.Sprintf("k%05d", from+rng.IntN(width))
		}
		slices.Sort(keys)
		it, err := e.db.NewIter(&pebble.IterOptions{LowerBound: []byte("k"), UpperBound: []byte("l")})
		if err != nil {
			t.Fatal(err)
		}
		f := finder{it: it}
		for _, k := range keys {
			if f.find([]byte(k)) != there[k] {
				t.Fatalf("%s of %v: there %v", k, keys, there[k])
			}
			if !there[k] {
				missed++
			} else if found++; string(it.Value()) != "v"+k {
				t.Fatalf("%s has %s", k, it.Value())
			}
		}
		if err := it.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if found == 0 || missed == 0 {
		t.Errorf("%d found and %d not: the test shows nothing", found, missed)
	}
}
