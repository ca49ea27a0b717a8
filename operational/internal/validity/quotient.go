package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Quotient is a value of the form Scale × (Num·mean z)/(Den·mean z) over the vectors z of [Moments]. Every insight but
// a model total is one: a mean has a component that is 1 for each customer in Den.
type Quotient struct {
	Num, Den []int64 // one weight per component of z
	Scale    float64 // from the unit of the sums to the unit of the value; not 0
}

// Linear is an influence function: a customer with vector z moves the value by Coef·z/n. It is centred: its mean over
// the customers it was made from is 0. Coef has one weight per component.
type Linear struct{ Coef []float64 }

// At is the influence of a customer with vector z.
func (l Linear) At(z []int64) float64 {
	sum := 0.0
	for i, c := range l.Coef {
		sum += c * float64(z[i])
	}
	return sum
}

// Peak is [Peak] of the influences of the customers whose vectors are given.
func (l Linear) Peak(vectors [][]int64) float64 {
	var largest, sum float64
	for _, z := range vectors {
		psi := l.At(z)
		sum += psi * psi
		largest = math.Max(largest, psi*psi)
	}
	return peakOf(largest, sum)
}

// SD is the standard deviation of the influence over the customers in the moments, divisor n.
func (m *Moments) SD(l Linear) float64 {
	v := 0.0
	for i, a := range l.Coef {
		if a == 0 {
			continue
		}
		v += a * a * m.covariance(i, i)
		for j := i + 1; j < m.width; j++ {
			if b := l.Coef[j]; b != 0 {
				v += 2 * a * b * m.covariance(i, j)
			}
		}
	}
	return math.Sqrt(math.Max(0, v))
}

// parts returns numerator and denominator, per customer, given the means of the components.
func (q Quotient) parts(means []float64) (num, den float64) {
	for i, mean := range means {
		num += float64(q.Num[i]) * mean
		den += float64(q.Den[i]) * mean
	}
	return num * q.Scale, den
}

// relative is the influence on the value divided by the value: psi_i/R = (y_i/mean y - x_i/mean x).
func (q Quotient) relative(num, den float64, add float64, into []float64) {
	for i := range into {
		into[i] += add * (float64(q.Num[i])*q.Scale/num - float64(q.Den[i])/den)
	}
}

// Of is the value over the customers in the moments and its influence function, by linearisation of the quotient:
// (y - R x)/mean x (Cochran 1977, Sampling Techniques, section 6.3). of is the size of the base, 0 for none; bounded says
// that one customer's contribution has fixed bounds. Peak is left at 0: it needs the vectors, see [Linear.Peak]. It fails
// (Invalid) on weights of another width; a denominator of zero gives NaN.
func (q Quotient) Of(m *Moments, of int64, bounded bool) (Estimate, Linear, error) {
	if err := q.fits(m.width); err != nil {
		return Estimate{}, Linear{}, err
	}
	return q.of(m.means(), m, of, bounded)
}

// variance is what an influence function's spread is taken over: moments, or strata of them.
type variance interface {
	SD(l Linear) float64
	N() int64
}

func (q Quotient) of(means []float64, v variance, of int64, bounded bool) (Estimate, Linear, error) {
	num, den := q.parts(means)
	l := Linear{make([]float64, len(means))}
	for i := range l.Coef {
		l.Coef[i] = (float64(q.Num[i])*q.Scale - num/den*float64(q.Den[i])) / den
	}
	return Estimate{Value: defined(num, den), SD: v.SD(l), N: v.N(), Of: of, Bounded: bounded}, l, nil
}

// Without is the relative effect of replacing the whole by a part of the facts, part/whole - 1, with its influence
// function; fails and gives NaN as [Quotient.Of], and also gives NaN where the whole is 0. A customer moves the effect by no
// more than about what they move the whole by, relatively: the guard on it is the whole's, so set Peak to that of the
// whole. Its own would never pass for a small format, whose few customers share all of a variance that is next to nothing.
func Without(part, whole Quotient, m *Moments, of int64, bounded bool) (Estimate, Linear, error) {
	if err := part.fits(m.width); err != nil {
		return Estimate{}, Linear{}, err
	}
	if err := whole.fits(m.width); err != nil {
		return Estimate{}, Linear{}, err
	}
	return without(part, whole, m.means(), m, of, bounded)
}

func without(part, whole Quotient, means []float64, v variance, of int64, bounded bool) (Estimate, Linear, error) {
	pn, pd := part.parts(means)
	wn, wd := whole.parts(means)
	ratio := defined(pn, pd) / defined(wn, wd)
	l := Linear{make([]float64, len(means))}
	for i := range l.Coef { // written so that a part of 0, which has no relative influence, is no exception
		l.Coef[i] = (float64(part.Num[i])*part.Scale/pd - pn/pd*float64(part.Den[i])/pd) / (wn / wd)
	}
	whole.relative(wn, wd, -ratio, l.Coef)
	return Estimate{Value: ratio - 1, SD: v.SD(l), N: v.N(), Of: of, Bounded: bounded}, l, nil
}

// defined is num/den, NaN where den is 0.
func defined(num, den float64) float64 {
	if den == 0 {
		return math.NaN()
	}
	return num / den
}

func (q Quotient) fits(width int) error {
	if len(q.Num) != width || len(q.Den) != width {
		return fault.New(fault.Invalid, fault.InvalidItem, "a quotient over %d and %d components of %d", len(q.Num), len(q.Den), width)
	}
	return nil
}

func (m *Moments) means() []float64 {
	means := make([]float64, m.width)
	for i := range means {
		means[i] = m.Mean(i)
	}
	return means
}
