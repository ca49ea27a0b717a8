package insight

import (
	"math"

	"github.com/strata-crm/strata/operational/internal/validity"
)

// term is what a customer adds to one figure of a claim: numerator and denominator, and whatever more it is made of.
type term struct {
	validity.Term
	more []int64
}

// nothing reports whether it adds nothing.
func (t term) nothing() bool {
	for _, x := range t.more {
		if x != 0 {
			return false
		}
	}
	return t.Term == validity.Term{}
}

// figure is how the means over customers of the numbers of their terms become one number.
type figure interface {
	// width is how many numbers a term has.
	width() int
	// value is the number; NaN where there is none.
	value(means []float64) float64
	// slope is by how much it rises with each of the means.
	slope(means []float64) []float64
}

// quotient is scale × Σnum/Σden.
type quotient struct{ scale float64 }

func (quotient) width() int                  { return 2 }
func (q quotient) value(m []float64) float64 { return q.scale * ratio(m[0], m[1]) }
func (q quotient) slope(m []float64) []float64 { // Cochran 1977, Sampling Techniques, section 6.3
	return []float64{q.scale / m[1], -q.scale * ratio(m[0], m[1]) / m[1]}
}

// smooth is another function of the sums over a number of customers.
type smooth struct {
	f          validity.Function
	components int
	customers  float64 // times the unit of the numbers
}

func (s smooth) width() int { return max(2, s.components) }

func (s smooth) sums(m []float64) []float64 {
	sums := make([]float64, s.components)
	for i := range sums {
		sums[i] = s.customers * m[i]
	}
	return sums
}

func (s smooth) value(m []float64) float64 { return s.f.Value(s.sums(m)) }

func (s smooth) slope(m []float64) []float64 {
	out := make([]float64, s.width())
	for i, g := range s.f.Slope(s.sums(m)) {
		out[i] = s.customers * g
	}
	return out
}

// rank is which share of all numbers lies below a published quantile; terms are {below, all} and then those at it.
type rank struct{ level float64 }

func (rank) width() int { return 3 }

func (r rank) value(m []float64) float64 {
	v, _ := validity.RankValue(r.level, m[0], m[2], m[1])
	return v
}

func (r rank) slope(m []float64) []float64 {
	_, s := validity.RankValue(r.level, m[0], m[2], m[1])
	return []float64{s[0], s[2], s[1]}
}

// form is a figure, or the difference of two.
type form struct {
	figure
	double bool
}

// width is how many numbers a customer adds.
func (f form) width() int {
	if f.double {
		return 2 * f.figure.width()
	}
	return f.figure.width()
}

// value is the value of the means of the numbers; NaN where there is none.
func (f form) value(m []float64) float64 {
	if !f.double {
		return f.figure.value(m)
	}
	w := f.figure.width()
	return f.figure.value(m[:w]) - f.figure.value(m[w:])
}

// base is what a difference is from: the second figure.
func (f form) base(m []float64) float64 { return f.figure.value(m[f.figure.width():]) }

// influence is by how much a customer moves the value, times their number: linear in their numbers, up to a constant that
// makes its mean 0.
func (f form) influence(m []float64) []float64 {
	w := f.figure.width()
	l := f.slope(m[:w])
	if f.double {
		for _, x := range f.slope(m[w:]) {
			l = append(l, -x)
		}
	}
	return l
}

// centre is the mean of the influence as it is without that constant: nothing for figures that stay what they are when
// everybody comes twice.
func (f form) centre(coef, m []float64) (sum float64) {
	if _, is := f.figure.(smooth); !is {
		return 0
	}
	for i, c := range coef {
		sum += c * m[i]
	}
	return sum
}

func ratio(num, den float64) float64 {
	if den == 0 {
		return math.NaN()
	}
	return num / den
}

// numbers appends those of a customer's terms to z.
func (f form) numbers(z []int64, terms []term) []int64 {
	for _, t := range terms {
		z = append(append(z, t.Num, t.Den), t.more...)
		for n := 2 + len(t.more); n < f.figure.width(); n++ {
			z = append(z, 0)
		}
	}
	return z
}

// along is the influence of a customer's terms.
func (f form) along(coef []float64, terms []term) (sum float64) {
	w := f.figure.width()
	for q, t := range terms {
		c := coef[q*w:]
		sum += c[0]*float64(t.Num) + c[1]*float64(t.Den)
		for i, x := range t.more {
			sum += c[2+i] * float64(x)
		}
	}
	return sum
}

func means(m *validity.Moments) []float64 {
	out := make([]float64, m.Width())
	for i := range out {
		out[i] = m.Mean(i)
	}
	return out
}

// estimate is the value over some customers, given their vectors.
func (f form) estimate(m *validity.Moments, of int64, bounded bool, peak float64) validity.Estimate {
	at := means(m)
	return validity.Estimate{Value: f.value(at), SD: m.SD(validity.Linear{Coef: f.influence(at)}), N: m.N(), Of: of, Bounded: bounded, Peak: peak}
}

// effect is how far leaving out facts moves the value: relative to it, or in its unit where absolute; and the influence of a
// customer on that. The moments are of vectors of the whole followed by those of what is left.
func (f form) effect(m *validity.Moments, of int64, bounded, absolute bool) (validity.Estimate, []float64) {
	w := f.width()
	at := means(m)
	all, part := f.value(at[:w]), f.value(at[w:])
	ofAll, ofPart := f.influence(at[:w]), f.influence(at[w:])
	sign := math.Copysign(1, all) // relative to the size of the value: less of a loss is more
	e := validity.Estimate{Value: sign * (part/all - 1), N: m.N(), Of: of, Bounded: bounded}
	coef := make([]float64, 2*w)
	for i := range w {
		coef[i], coef[w+i] = -sign*ofAll[i]*part/(all*all), sign*ofPart[i]/all
		if absolute {
			coef[i], coef[w+i] = -ofAll[i], ofPart[i]
		}
	}
	if absolute {
		e.Value = part - all
	}
	e.SD = m.SD(validity.Linear{Coef: coef})
	return e, coef
}
