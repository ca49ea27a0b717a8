package validity

import (
	"cmp"
	"slices"
)

// orderStatistic is the element at index k of the sorted values, which it leaves alone. 0 <= k < len(values).
func orderStatistic[T cmp.Ordered](values []T, k int) T {
	v := slices.Clone(values)
	for len(v) > 32 {
		pivot := median(v[0], v[len(v)/2], v[len(v)-1])
		below, equal := partition(v, pivot)
		switch {
		case k < below:
			v = v[:below]
		case k < below+equal:
			return pivot
		default:
			v, k = v[below+equal:], k-below-equal
		}
	}
	slices.Sort(v)
	return v[k]
}

func median[T cmp.Ordered](a, b, c T) T { return max(min(a, b), min(max(a, b), c)) }

// partition orders v into less than, equal to and greater than the pivot, and returns the sizes of the first two.
func partition[T cmp.Ordered](v []T, pivot T) (below, equal int) {
	i, end := 0, len(v)
	for i < end {
		switch c := cmp.Compare(v[i], pivot); {
		case c < 0:
			v[below], v[i] = v[i], v[below]
			below++
			i++
		case c > 0:
			end--
			v[i], v[end] = v[end], v[i]
		default:
			i++
		}
	}
	return below, end - below
}
