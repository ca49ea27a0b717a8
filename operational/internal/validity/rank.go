package validity

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

// A quantile is published at a level p and watched as a rank: of all numbers, which share lies below the published one. That is
// a mean of bounded numbers, whose confidence sequence needs no density; turned round it bounds the quantile itself.

// RankValue is the rank of a published quantile given the means over customers of their numbers below it, at it, and in all: with
// ties the quantile stands as long as below <= p <= below + at, and the rank is then p; else it is whichever is passed
// (compare [QuantileShift]). slope is its derivative by the three means. NaN without numbers.
func RankValue(p, below, at, all float64) (rank float64, slope [3]float64) {
	if all == 0 {
		return math.NaN(), slope
	}
	b, upTo := below/all, (below+at)/all
	if b > p || nearer(b, upTo, p) {
		return max(b, p), [3]float64{1 / all, 0, -b / all}
	}
	return min(upTo, p), [3]float64{1 / all, 1 / all, -upTo / all}
}

// nearer reports whether p lies in the tie from below to upTo and would leave it at its lower end first. An end at which
// nothing lies beyond cannot be left.
func nearer(below, upTo, p float64) bool {
	return below > 0 && below <= p && p <= upTo && (p-below < upTo-p || upTo == 1)
}

// QuantileOf is the number at rank ⌈p n⌉ of n, p cut to what has a rank. It fails (Invalid, no_data_yet) without numbers.
func QuantileOf(numbers []float64, p float64) (float64, error) {
	if len(numbers) == 0 {
		return 0, fault.New(fault.Invalid, fault.NoData, "no numbers to take a quantile of")
	}
	at := int(math.Ceil(p*float64(len(numbers))-1e-9)) - 1
	return orderStatistic(numbers, min(max(at, 0), len(numbers)-1)), nil
}

// QuantileRange is the interval of the quantile at level p of all numbers, whose share below is known to ±half at the same
// confidence: between the quantiles at p - half and p + half. It covers wherever the interval of the share does, and fails as
// [QuantileOf].
func QuantileRange(numbers []float64, p, half float64) (Range, error) {
	sorted := slices.Sorted(slices.Values(numbers))
	low, err := QuantileOf(sorted, p-half)
	if err != nil {
		return Range{}, err
	}
	high, err := QuantileOf(sorted, math.Nextafter(p+half, 2)+1/float64(len(sorted)))
	return Range{low, high}, err
}
