package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Stratum is a part of the base (a source and a format) with the moments of the customers read from it.
type Stratum struct {
	Size int64 // customers there are, positive
	Read *Moments
}

// Strata are parts of the base that do not overlap and together make it up.
type Strata []Stratum

// NewStrata fails (Invalid) when there is none, a size is not positive, more were read than there are, nobody was read
// from one, or the widths differ.
func NewStrata(strata ...Stratum) (Strata, error) {
	if len(strata) == 0 {
		return nil, fault.New(fault.Invalid, fault.NoData, "no strata: need at least one")
	}
	for i, s := range strata {
		if s.Read == nil || s.Read.n < 1 || s.Size < s.Read.n || s.Read.width != strata[0].Read.width {
			return nil, fault.New(fault.Invalid, fault.InvalidItem, "stratum %d: need at least one customer read, at most all, and equal widths", i)
		}
	}
	return strata, nil
}

// N is the number of customers read.
func (s Strata) N() (n int64) {
	for _, h := range s {
		n += h.Read.n
	}
	return n
}

// Size is the number of customers there are.
func (s Strata) Size() (n int64) {
	for _, h := range s {
		n += h.Size
	}
	return n
}

// SD is sqrt(n Σ W_h² s_h²/n_h), W_h = N_h/N: the standard deviation that n customers drawn without strata would need
// for the variance that these strata give (Cochran 1977, section 5.4, without the finite correction).
func (s Strata) SD(l Linear) float64 {
	v, n, size := 0.0, float64(s.N()), float64(s.Size())
	for _, h := range s {
		w, sd := float64(h.Size)/size, h.Read.SD(l)
		v += w * w * sd * sd / float64(h.Read.n)
	}
	return math.Sqrt(n * v)
}

func (s Strata) means() []float64 {
	means, size := make([]float64, s[0].Read.width), float64(s.Size())
	for _, h := range s {
		for i, mean := range h.Read.means() {
			means[i] += float64(h.Size) / size * mean
		}
	}
	return means
}

// effectiveBase is the base size for which the sampled share is that of the stratum read least, so that the gain of a
// finite base is never overstated.
func (s Strata) effectiveBase() int64 {
	least := 1.0
	for _, h := range s {
		least = math.Min(least, float64(h.Read.n)/float64(h.Size))
	}
	return int64(math.Ceil(float64(s.N()) / least))
}

// Of is the value of a quotient of the whole base, strata weighted by their size, with its influence function. The
// estimate's Of is not larger than needed to keep today's interval honest: the base at the sampled share of the stratum
// that was read least. It fails as [Quotient.Of] does.
func (s Strata) Of(q Quotient, bounded bool) (Estimate, Linear, error) {
	if err := q.fits(s[0].Read.width); err != nil {
		return Estimate{}, Linear{}, err
	}
	return q.of(s.means(), s, s.effectiveBase(), bounded)
}

// Without is [Without] over strata.
func (s Strata) Without(part, whole Quotient, bounded bool) (Estimate, Linear, error) {
	for _, q := range []Quotient{part, whole} {
		if err := q.fits(s[0].Read.width); err != nil {
			return Estimate{}, Linear{}, err
		}
	}
	return without(part, whole, s.means(), s, s.effectiveBase(), bounded)
}

// Allocate says how many of each stratum to read for a sample of total: at least 400 of each (all, where there are
// fewer), the rest in proportion to what is left in each. The result sums to max(total, Σ min(400, size)), or to all.
// Rounding is by largest remainder, ties to the lower index.
func Allocate(total int64, sizes []int64) []int64 {
	out := make([]int64, len(sizes))
	var taken, left int64
	for i, size := range sizes {
		out[i] = min(size, minSubjects)
		taken += out[i]
		left += size - out[i]
	}
	rest := min(max(0, total-taken), left)
	if rest == 0 {
		return out
	}
	given, fractions := int64(0), make([]float64, len(sizes))
	for i, size := range sizes {
		share := float64(rest) * float64(size-out[i]) / float64(left)
		fractions[i] = share - math.Floor(share)
		out[i] += int64(share)
		given += int64(share)
	}
	for ; given < rest; given++ {
		best := 0
		for i := range fractions {
			if fractions[i] > fractions[best] {
				best = i
			}
		}
		out[best]++
		fractions[best] = -1
	}
	return out
}
