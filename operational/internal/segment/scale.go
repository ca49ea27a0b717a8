package segment

import (
	"math"

	"gonum.org/v1/gonum/stat"
)

// farthest is how many standard deviations a customer can be from the mean: beyond, single customers would make groups.
const farthest = 3

// scale puts the traits on one scale: the logarithm of 1 + the value, as money, counts and waits spread over decades
// (values below 0, such as more refunds than purchases, count as 0), then standard deviations from the mean, cut at
// [farthest]. A trait that is the same for everybody is 0 for everybody.
type scale struct{ mean, sd []float64 }

func logged(v float64) float64 { return math.Log1p(math.Max(0, v)) }

func newScale(customers []Customer, traits int) scale {
	s := scale{make([]float64, traits), make([]float64, traits)}
	column := make([]float64, len(customers))
	for j := range traits {
		for i, c := range customers {
			column[i] = logged(c.Values[j])
		}
		s.mean[j], s.sd[j] = stat.PopMeanStdDev(column, nil)
	}
	return s
}

func (s scale) point(values []float64) []float64 {
	out := make([]float64, len(values))
	for j, v := range values {
		if s.sd[j] > 1e-12 {
			out[j] = math.Max(-farthest, math.Min(farthest, (logged(v)-s.mean[j])/s.sd[j]))
		}
	}
	return out
}

func (s scale) points(customers []Customer) [][]float64 {
	out := make([][]float64, len(customers))
	for i, c := range customers {
		out[i] = s.point(c.Values)
	}
	return out
}
