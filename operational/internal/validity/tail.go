package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// TailFall is by how much, relative to it, a value ΣNum/ΣDen falls without its top 1 % of contributors (customers with Num > 0,
// ranked by Num - R Den, what they add beyond the average), and how many customers those are.
//
// The sum over the top is taken in the expected-shortfall form E max(u - q, 0) + p q (Rockafellar & Uryasev 2000,
// theorem 1), whose derivative by the quantile q is zero: its influence needs no density, and a tail that is not a whole number of customers is cut
// exactly. Equal lists give equal bits: give the customers in order of priority. of and bounded as in [Quotient.Of]. It fails (Invalid, no_data_yet) without a contributor, and
// (zero_denominator) when value or denominator is not positive.
func TailFall(terms []Term, of int64, bounded bool) (fall Estimate, tail int, err error) {
	num, den := sums(terms)
	contributors := 0
	for _, t := range terms {
		if t.Num > 0 {
			contributors++
		}
	}
	if contributors == 0 {
		return Estimate{}, 0, fault.New(fault.Invalid, fault.NoData, "no customer contributes to the value")
	}
	if num <= 0 || den <= 0 {
		return Estimate{}, 0, fault.New(fault.Invalid, fault.ZeroDenominator, "the fall of a value that is not positive cannot be told relative to it")
	}
	t := shortfall{terms: terms, n: float64(len(terms)), ratio: num / den, den: den / float64(len(terms))}
	t.cut(contributors)
	fall, err = t.estimate(of, bounded)
	return fall, int(math.Ceil(topShare * float64(contributors))), err
}

// shortfall is the state of one [TailFall]; sums are per customer.
type shortfall struct {
	terms  []Term
	n      float64
	ratio  float64 // R
	den    float64 // mean Den
	q      float64 // the excess u = Num - R Den from which a contributor is in the tail
	onEdge float64 // share of those at q exactly who are in the tail
	over   float64 // mean of u in the tail
	gone   float64 // mean Den in the tail
}

func (t *shortfall) excess(x Term) float64 { return float64(x.Num) - t.ratio*float64(x.Den) }

// cut finds the quantile and the sums beyond it.
func (t *shortfall) cut(contributors int) {
	u := make([]float64, 0, contributors)
	for _, x := range t.terms {
		if x.Num > 0 {
			u = append(u, t.excess(x))
		}
	}
	want := topShare * float64(contributors)
	t.q = orderStatistic(u, contributors-int(math.Ceil(want)))
	var above, at float64
	for _, v := range u {
		switch {
		case v > t.q:
			above++
		case v == t.q:
			at++
		}
	}
	t.onEdge = (want - above) / at
	for _, x := range t.terms {
		t.over += t.inTail(x) * t.excess(x) / t.n
		t.gone += t.inTail(x) * float64(x.Den) / t.n
	}
}

// inTail is 1 for a customer in the tail, a fraction on its edge, else 0.
func (t *shortfall) inTail(x Term) float64 {
	switch u := t.excess(x); {
	case x.Num <= 0 || u < t.q:
		return 0
	case u > t.q:
		return 1
	}
	return t.onEdge
}

// estimate is fall = over/(R (den - gone)): what is left, Σ(Num - R Den) without the tail, is -over.
func (t *shortfall) estimate(of int64, bounded bool) (Estimate, error) {
	left := t.den - t.gone
	if left <= 0 {
		return Estimate{}, fault.New(fault.Invalid, fault.ZeroDenominator, "nothing is left of the value without its top contributors")
	}
	fall := t.over / (t.ratio * left)
	psi := make([]float64, len(t.terms))
	for i, x := range t.terms {
		u, d := t.excess(x), float64(x.Den)
		ratio := u / t.den // influence on R
		over := -t.over - t.gone*ratio
		if x.Num > 0 {
			over += math.Max(0, u-t.q) + topShare*t.q
		}
		psi[i] = over/(t.ratio*left) - fall*ratio/t.ratio - fall*(d-t.inTail(x)*d-left)/left
	}
	return FromInfluences(fall, psi, of, bounded)
}

// Tail (V4a) asks whether the value stands without its top 1 % of contributors: it holds when it falls by at most 15 %,
// with the interval for customers to come inside, and fails when it falls by more, at half of the 1 % of V4. A
// tail of fewer than 20 customers is not enough data. windows counts rolling windows as in [Volume]. Of a difference each of both groups is
// asked, the groups sharing the error probability.
func Tail(fall Estimate, tail, windows, groups int) Finding {
	f := Finding{Effect: fall.Value, Margin: fall.Newcomers(Holding()), Band: tailLimit}
	if tail < leastTail {
		return notEnough(f, Reason(SmallTail))
	}
	level := halfFailing().Split(groups)
	f.LogE = fall.spent(0, tailLimit, level, windows)
	fall.Peak = 0 // a tail is made of few customers: their number is its guard
	return judge(f, fall, level)
}
