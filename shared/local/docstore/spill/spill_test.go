package spill

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/strata-crm/strata/shared/seedtest"
)

func TestSortedIsStableAndLeavesNothing(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 1))
	for _, limit := range []int{1 << 30, 5000, 1} {
		dir := t.TempDir()
		s := NewSorter(dir, limit)
		type item struct{ key, n uint32 }
		var want []item
		for n := range uint32(500) {
			i := item{rng.Uint32N(40), n}
			want = append(want, i)
			if err := s.Add(binary.BigEndian.AppendUint32(nil, i.key), binary.BigEndian.AppendUint32(nil, n)); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortStableFunc(want, func(a, b item) int { return int(a.key) - int(b.key) })
		if spilled := s.Spilled() > 0; spilled != (limit < 1<<30) {
			t.Errorf("limit %d: %d files", limit, s.Spilled())
		}
		out, err := s.Sorted()
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			got, ok, err := out.Next()
			if err != nil || !ok || binary.BigEndian.Uint32(got) != w.n {
				t.Fatalf("limit %d: got %x %v %v, want %d", limit, got, ok, err, w.n)
			}
		}
		if _, ok, err := out.Next(); ok || err != nil {
			t.Errorf("limit %d: more after the end, %v", limit, err)
		}
		if err := out.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("limit %d: left in the folder: %v, %v", limit, left, err)
		}
	}
}
