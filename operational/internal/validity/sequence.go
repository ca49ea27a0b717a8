package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/sequence"
)

const (
	readWhole   = 2000 // a base smaller than this is read completely: no interval before that
	lastUnknown = 400  // the last customers of a base do not add up to a Gaussian: the gain of a finite base stops short of them
)

// Level is one use of the confidence sequence: its error probability over all looks together, and the variance of the
// Gaussian mixture behind it, which is fixed per use and never follows a split of Alpha.
type Level struct {
	Alpha float64 // in (0, 1)
	Rho2  float64 // positive
}

// Holding is the level of published intervals and of the verdict "holds": 5 %.
func Holding() Level { return Level{Alpha: .05, Rho2: Rho2(.05)} }

// Failing is the level of the verdict "fails": 1 %.
func Failing() Level { return Level{Alpha: .01, Rho2: Rho2(.01)} }

// Rho2 is [sequence.Rho2]: the mixture variance that makes the boundary narrowest at 5,000 customers.
func Rho2(alpha float64) float64 { return sequence.Rho2(alpha) }

// Split gives each of parts statements an equal share of the error probability.
func (l Level) Split(parts int) Level { return Level{l.Alpha / float64(parts), l.Rho2} }

// Chosen is by how much intervals over n customers are widened for a value that was chosen out of several by the same data: then those of all
// of them hold together, and with them that of the one that was chosen, whichever it is (Bonferroni: each has its share of the error probability).
// It is exact for 5 %, and more than is needed for 1 %, or for more customers than n.
func Chosen(among int, n int64) float64 {
	if among < 2 || n <= 0 {
		return 1
	}
	level := Holding()
	return level.Split(among).HalfWidth(1, float64(n)) / level.HalfWidth(1, float64(n))
}

// Spend is the level of the j-th non-overlapping window since publication (j >= 1) of a value over rolling windows:
// alpha/(j(j+1)), which sums to alpha over all windows. A cumulative value needs no spending.
func (l Level) Spend(j int) Level { return l.Split(j * (j + 1)) }

// HalfWidth is [sequence.Boundary.HalfWidth] in units of sd, the standard deviation of one customer's influence. m is the
// number of customers, or [Effective] of it; +Inf gives 0, m <= 0 +Inf, whatever sd is.
func (l Level) HalfWidth(sd, m float64) float64 {
	switch {
	case m <= 0:
		return math.Inf(1)
	case math.IsInf(m, 1):
		return 0
	}
	return sd * sequence.Boundary(l).HalfWidth(m)
}

// LogE is the natural logarithm of the e-value against "the truth lies within the band" when the value lies d beyond the
// band's edge (0 inside it), d and sd in the same unit: the mixture martingale of the same boundary, so that LogE >=
// -ln Alpha exactly when the interval of the level no longer touches the band. Beyond the band, sd = 0 and m = +Inf give
// +Inf; inside it m = +Inf gives -Inf.
func (l Level) LogE(d, sd, m float64) float64 {
	switch {
	case d <= 0:
		d = 0
	case sd == 0 || math.IsInf(m, 1):
		return math.Inf(1)
	default:
		d /= sd
	}
	a := m*l.Rho2 + 1
	return -.5*math.Log(a) + m*m*l.Rho2*d*d/(2*a)
}

// threshold is the log e-value from which the level's statement is refuted.
func (l Level) threshold() float64 { return -math.Log(l.Alpha) }

// Effective is the number of customers of an endless stream that n of a base of "of" customers are worth for a statement
// on that base: n/(1-f), where f = min(n, of-400)/of (exact for the Gaussian martingale S_n/(N-n) of sampling without
// replacement). It is +Inf when all are read and n when of is 0, an endless base. A base below 2,000 is read completely:
// before that the result is 0, no interval at all.
func Effective(n, of int64) float64 {
	switch {
	case of <= 0:
		return float64(n)
	case n >= of:
		return math.Inf(1)
	case of < readWhole:
		return 0
	}
	return float64(n) / (1 - float64(min(n, of-lastUnknown))/float64(of))
}
