package predict

import (
	"fmt"
	"slices"
	"testing"

	"github.com/strata-crm/strata/shared/fault"
)

func ids(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("customer-%06d", i)
	}
	return out
}

func TestDistinct(t *testing.T) {
	t.Parallel()
	for _, bad := range [][]string{{"a", ""}, {"a", "b", "a"}} {
		if _, err := Distinct(bad); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
	if got, err := Distinct([]string{"b", "a"}); err != nil || !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// The beginning is a sample: of ids that count up, each tenth of them has its share to within five standard errors.
func TestShuffledBeginsWithASample(t *testing.T) {
	t.Parallel()
	const n, sample = 20_000, 4_000
	var tenth [10]int
	for _, at := range Shuffled(ids(n))[:sample] {
		tenth[at*10/n]++
	}
	for k, got := range tenth {
		if got < 400-85 || got > 400+85 {
			t.Errorf("tenth %d of the ids has %d of %d places, want 400 ± 85", k, got, sample)
		}
	}
	var last [10]int
	for _, at := range Shuffled(ids(n))[:sample] {
		last[at%10]++
	}
	for k, got := range last {
		if got < 400-85 || got > 400+85 {
			t.Errorf("ids ending in %d have %d of %d places, want 400 ± 85", k, got, sample)
		}
	}
}

func TestShuffledDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	forward := ids(500)
	backwards := slices.Clone(forward)
	slices.Reverse(backwards)
	a, b := Shuffled(forward), Shuffled(backwards)
	for i := range a {
		if forward[a[i]] != backwards[b[i]] {
			t.Fatalf("place %d: %s and %s", i, forward[a[i]], backwards[b[i]])
		}
	}
}

func TestInterval(t *testing.T) {
	t.Parallel()
	i := Interval{Low: 1, High: 2, Level: .8}
	if !i.Contains(1) || !i.Contains(2) || i.Contains(.99) || i.Contains(2.01) {
		t.Error("an interval holds its ends and nothing beyond")
	}
}
