// Package sequence owns the boundary of the confidence sequence by which values are published and judged, and how many
// customers it takes: the layer that examines values and the one that says beforehand how many it will need use the same
// formula. It owns no verdict and no data.
package sequence

import (
	"math"
	"sort"
)

// No verdict is given below so many customers, whatever the interval.
const (
	LeastSubjects = 400 // of values without bounds
	LeastBounded  = 100 // of values with bounds, such as shares and scores
)

const (
	tunedSize = 5000 // customers for which the boundary is narrowest; fixed, since choosing it from data would be looking
	farthest  = 1e12 // customers: nobody has more
)

// Boundary is one use of the confidence sequence: its error probability over all looks together, and the variance of the
// Gaussian mixture behind it.
type Boundary struct {
	Alpha float64 // in (0, 1)
	Rho2  float64 // positive
}

// Rho2 is the mixture variance that makes the boundary at error probability alpha narrowest at 5,000 customers
// (Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas 2021, arXiv 2103.06476, appendix on tuning): (L + ln L + 1)/5000 with
// L = -2 ln alpha. Domain: 0 < alpha < e^-1/2, else NaN or a boundary that is not valid.
func Rho2(alpha float64) float64 {
	l := -2 * math.Log(alpha)
	return (l + math.Log(l) + 1) / tunedSize
}

// Published is the boundary of published intervals: 5 %.
func Published() Boundary { return Boundary{Alpha: .05, Rho2: Rho2(.05)} }

// HalfWidth is that of the interval which covers the truth at all looks together with probability 1-Alpha (the
// Gaussian-mixture asymptotic confidence sequence, arXiv 2103.06476, theorem 2.2), in standard deviations of one customer's
// influence. m is the number of customers; +Inf gives 0, m <= 0 +Inf.
func (b Boundary) HalfWidth(m float64) float64 {
	switch {
	case m <= 0:
		return math.Inf(1)
	case math.IsInf(m, 1):
		return 0
	}
	a := m*b.Rho2 + 1
	return math.Sqrt(2 * a / (m * m * b.Rho2) * math.Log(math.Sqrt(a)/b.Alpha))
}

// Customers is the fewest customers from which the half-width, in standard deviations, is at most the one wanted. A width
// that is not positive, or narrower than a million million customers give, takes as many as those.
func (b Boundary) Customers(width float64) int64 {
	return int64(sort.Search(farthest, func(m int) bool { return b.HalfWidth(float64(m)) <= width }))
}

// Needed is how many customers publication takes of a value whose interval may be at most half as wide as its tolerance:
// spread is the coefficient of variation of one customer's contribution, tolerance relative, bounded says whether what one
// customer adds has bounds. A tolerance of 0 or less means the fewest that may decide anything.
func Needed(spread, tolerance float64, bounded bool) int64 {
	least := int64(LeastSubjects)
	if bounded {
		least = LeastBounded
	}
	if tolerance <= 0 {
		return least
	}
	return max(least, Published().Customers(tolerance/2/spread))
}
