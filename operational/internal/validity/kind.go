package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Kind says how customers' contributions make an insight's value.
type Kind string

// The kinds of insight.
const (
	Mean       Kind = "mean"        // of a number per customer
	Ratio      Kind = "ratio"       // of two sums, such as money to orders
	Share      Kind = "share"       // of customers, rate, retention: a ratio of 0 or 1 to 0 or 1; bounded
	NPS        Kind = "nps"         // net promoter score in points, -100 to 100; bounded, absolute tolerance
	Quantile   Kind = "quantile"    // kept as the share of customers below the published one; bounded, absolute tolerance
	CappedMean Kind = "capped_mean" // mean of numbers cut off at a cap fixed at publication
	TailShare  Kind = "tail_share"  // share of the money that lies above the cap
	ModelTotal Kind = "model_total" // mean of a model's expectation: from influences, see [ModelInfluence]
)

// trait is what is particular to a kind.
type trait struct {
	scale    float64
	bounded  bool
	absolute bool
	size     float64 // default tolerance
}

func (k Kind) trait() (t trait, known bool) {
	const relative = .05
	switch k {
	case Mean, Ratio, CappedMean, TailShare, ModelTotal:
		return trait{1, false, false, relative}, true
	case Share:
		return trait{1, true, false, relative}, true
	case NPS:
		return trait{100, true, true, 5}, true
	case Quantile:
		return trait{1, true, true, .05}, true
	}
	return trait{}, false
}

// Check fails (Invalid, bad_definition) when the kind is not one of the list.
func (k Kind) Check() error {
	if _, known := k.trait(); !known {
		return fault.New(fault.Invalid, fault.BadDefinition, "an insight of kind %q: use mean, ratio, share, nps, quantile, "+
			"capped_mean, tail_share or model_total", k)
	}
	return nil
}

// Bounded reports whether one customer's contribution has fixed bounds, so that 100 customers do instead of 400.
func (k Kind) Bounded() bool { t, _ := k.trait(); return t.bounded }

// DefaultTolerance is 5 % of the value; 5 points of an NPS; 5 points of the share below a quantile.
func (k Kind) DefaultTolerance() Tolerance {
	t, _ := k.trait()
	return Tolerance{Size: t.size, Absolute: t.absolute}
}

// Term is what one customer contributes to a value: the value is Scale × ΣNum/ΣDen over customers. The zero Term is that of
// a customer who does not count.
type Term struct{ Num, Den int64 }

// sums adds the terms exactly.
func sums(terms []Term) (num, den float64) {
	var n, d int128
	for _, t := range terms {
		n, d = n.add(wide(t.Num)), d.add(wide(t.Den))
	}
	return n.float(), d.float()
}

// Number is the term of a mean, in whole units (cents, counts, [Fixed] numbers).
func Number(y int64) Term { return Term{y, 1} }

// Whether is the term of a share: of the customers asked about, those for whom it is so.
func Whether(asked, yes bool) Term {
	switch {
	case !asked:
		return Term{}
	case yes:
		return Term{1, 1}
	}
	return Term{0, 1}
}

// Answer is the term of an NPS: promoters (9, 10) less detractors (0 to 6) among all answers. It fails (Invalid) on an
// answer outside 0 to 10.
func Answer(score int) (Term, error) {
	switch {
	case score < 0 || score > 10:
		return Term{}, fault.New(fault.Invalid, fault.InvalidItem, "an answer of %d: need 0 to 10", score)
	case score >= 9:
		return Term{1, 1}, nil
	case score >= 7:
		return Term{0, 1}, nil
	}
	return Term{-1, 1}, nil
}

// Below is the term of the share strictly below a published quantile, AtOrBelow that of the share up to it. Without ties
// they agree; see [QuantileShift].
func Below(y, quantile int64) Term { return Whether(true, y < quantile) }

// AtOrBelow: see [Below].
func AtOrBelow(y, quantile int64) Term { return Whether(true, y <= quantile) }

// Capped is the term of a mean cut off at a cap.
func Capped(y, limit int64) Term { return Term{min(y, limit), 1} }

// Above is the term of the share of money above the cap.
func Above(y, limit int64) Term { return Term{max(0, y-limit), y} }

// QuantileShift turns the shares strictly below and up to a quantile published at level p, in (0, 1), into one estimate to be
// judged against p: with ties the quantile stands as long as below <= p <= atOrBelow, and the shift is measured from
// whichever is passed. The result's Value is p plus the shift.
func QuantileShift(below, atOrBelow Estimate, p float64) Estimate {
	if below.Value > p {
		return below
	}
	if nearer(below.Value, atOrBelow.Value, p) {
		below.Value = p
		return below
	}
	if atOrBelow.Value >= p {
		atOrBelow.Value = p
	}
	return atOrBelow
}

// CapFrom is the cap that a capped mean is published with: the 99 % point of the first 2,000 customers in priority order
// (all, if fewer). It is fixed at publication. It fails (Invalid, no_data_yet) without customers.
func CapFrom(first []int64) (int64, error) {
	if len(first) == 0 {
		return 0, fault.New(fault.Invalid, fault.NoData, "no customers to take a cap from")
	}
	first = first[:min(len(first), 2000)]
	return orderStatistic(first, int(math.Ceil(.99*float64(len(first))))-1), nil
}
