package insight

import (
	"math"

	"github.com/strata-crm/strata/operational/internal/validity"
)

// form is how sums over customers become a value: scale × Σnum/Σden, or the difference of two such.
type form struct {
	scale  float64
	double bool
}

// width is how many numbers a customer adds.
func (f form) width() int {
	if f.double {
		return 4
	}
	return 2
}

// value is the value of the means of the numbers; NaN without a denominator.
func (f form) value(m []float64) float64 {
	v := f.scale * ratio(m[0], m[1])
	if f.double {
		v -= f.scale * ratio(m[2], m[3])
	}
	return v
}

// influence is by how much a customer moves the value, times their number: linear in their numbers, with mean 0 (Cochran
// 1977, Sampling Techniques, section 6.3).
func (f form) influence(m []float64) []float64 {
	l := []float64{f.scale / m[1], -f.scale * ratio(m[0], m[1]) / m[1]}
	if f.double {
		l = append(l, -f.scale/m[3], f.scale*ratio(m[2], m[3])/m[3])
	}
	return l
}

func ratio(num, den float64) float64 {
	if den == 0 {
		return math.NaN()
	}
	return num / den
}

// vector is the numbers of a customer's terms.
func vector(terms []validity.Term) []int64 { return numbers(make([]int64, 0, 2*len(terms)), terms) }

// numbers appends those of a customer's terms to z.
func numbers(z []int64, terms []validity.Term) []int64 {
	for _, t := range terms {
		z = append(z, t.Num, t.Den)
	}
	return z
}

// along is the influence of a customer's terms.
func along(coef []float64, terms []validity.Term) (sum float64) {
	for q, t := range terms {
		sum += coef[2*q]*float64(t.Num) + coef[2*q+1]*float64(t.Den)
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
	e := validity.Estimate{Value: part/all - 1, N: m.N(), Of: of, Bounded: bounded}
	coef := make([]float64, 2*w)
	for i := range w {
		coef[i], coef[w+i] = -ofAll[i]*part/(all*all), ofPart[i]/all
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
