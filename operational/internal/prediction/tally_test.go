package prediction

import "testing"

// TestHiddenGroupsCannotBeWorkedOut checks that what the groups leave untold is never a few customers together.
func TestHiddenGroupsCannotBeWorkedOut(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		sizes  []int
		hidden int
	}{
		"none is small":           {[]int{40, 30, 20}, 0},
		"one":                     {[]int{40, 5, 20}, 2},
		"two of one customer":     {[]int{40, 1, 1, 20}, 3},
		"two that are enough":     {[]int{40, 6, 7, 20}, 2},
		"three, and nobody":       {[]int{0, 2, 3, 4, 12, 50}, 4},
		"all together are few":    {[]int{1, 2}, 2},
		"one that is small alone": {[]int{9, 0}, 1},
	} {
		ta, whole := newTally(), int64(0)
		for i, n := range c.sizes {
			key := string(rune('a' + i))
			ta.keys = append(ta.keys, key)
			for range n {
				ta.add(key, float64(i))
			}
			whole += int64(n)
		}
		hidden, told := 0, int64(0)
		for _, g := range ta.groups(whole, 10, true) {
			if g.Customers == nil {
				hidden++
				if g.Share != nil || g.Mean != nil {
					t.Errorf("%s: %s is hidden and tells something: %+v", name, g.Key, g)
				}
				continue
			}
			told += *g.Customers
		}
		if rest := whole - told; hidden != c.hidden || rest > 0 && rest < 10 && told > 0 {
			t.Errorf("%s: %d are hidden with %d customers, want %d", name, hidden, rest, c.hidden)
		}
	}
}
