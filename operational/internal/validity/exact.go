package validity

import (
	"math"
	"sort"

	"gonum.org/v1/gonum/mathext"

	"github.com/strata-crm/strata/shared/fault"
)

// Range is an interval of values, ends included.
type Range struct{ Low, High float64 }

// ExactShare is the exact interval for a share when fewer than 100 customers were asked: yes of n, of a base of "of"
// customers (0 for customers to come). It covers the truth with probability 1-alpha or more at one look. It is shown;
// no verdict rests on it. For a base it inverts the hypergeometric distribution (equal tails; Wang 2015, JASA 110, section 2), for customers
// to come the binomial (Clopper & Pearson 1934). It fails (Invalid) unless 0 <= yes <= n, n >= 1, of = 0 or >= n, and 0 < alpha < 1.
func ExactShare(yes, n, of int64, alpha float64) (Range, error) {
	if yes < 0 || n < 1 || yes > n || of < 0 || of > 0 && of < n || !(alpha > 0 && alpha < 1) {
		return Range{}, fault.New(fault.Invalid, fault.InvalidItem, "an interval for %d of %d asked of %d at %g: need 0 <= yes <= asked <= base", yes, n, of, alpha)
	}
	if of == 0 {
		return binomialRange(float64(yes), float64(n), alpha/2), nil
	}
	// K customers of the base say yes: at least yes, at most all but those who said no.
	least, most := yes, of-(n-yes)
	count := int(most - least + 1)
	low := least + int64(sort.Search(count, func(i int) bool { return hyperTail(yes, n, least+int64(i), of) > alpha/2 }))
	high := most - int64(sort.Search(count, func(i int) bool { return hyperTail(n-yes, n, of-(most-int64(i)), of) > alpha/2 }))
	return Range{float64(low) / float64(of), float64(high) / float64(of)}, nil
}

func binomialRange(yes, n, tail float64) Range {
	r := Range{0, 1}
	if yes > 0 {
		r.Low = mathext.InvRegIncBeta(yes, n-yes+1, tail)
	}
	if yes < n {
		r.High = mathext.InvRegIncBeta(yes+1, n-yes, 1-tail)
	}
	return r
}

// hyperTail is P(X >= x) for x of n drawn without replacement from a base of "of", "marked" of them marked. It grows with
// marked.
func hyperTail(x, n, marked, of int64) float64 {
	sum := 0.0
	for k := max(x, n-(of-marked)); k <= min(n, marked); k++ {
		sum += math.Exp(logChoose(marked, k) + logChoose(of-marked, n-k) - logChoose(of, n))
	}
	return sum
}

func logChoose(n, k int64) float64 {
	a, _ := math.Lgamma(float64(n + 1))
	b, _ := math.Lgamma(float64(k + 1))
	c, _ := math.Lgamma(float64(n - k + 1))
	return a - b - c
}

// ExactNPS is the interval in points for few answers: the exact ones for promoters and detractors, at alpha/2 each, put
// together (Bonferroni). It fails as [ExactShare] does.
func ExactNPS(promoters, detractors, n, of int64, alpha float64) (Range, error) {
	if promoters < 0 || detractors < 0 || promoters+detractors > n {
		return Range{}, fault.New(fault.Invalid, fault.InvalidItem, "%d promoters and %d detractors of %d answers", promoters, detractors, n)
	}
	p, err := ExactShare(promoters, n, of, alpha/2)
	if err != nil {
		return Range{}, err
	}
	d, err := ExactShare(detractors, n, of, alpha/2)
	if err != nil {
		return Range{}, err
	}
	return Range{100 * math.Max(-1, p.Low-d.High), 100 * math.Min(1, p.High-d.Low)}, nil
}
