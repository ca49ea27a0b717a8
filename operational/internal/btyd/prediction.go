package btyd

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Countable is a [Frequency] that also tells how likely each number of purchases is: [BGNBD], [MBGNBD] or [ParetoNBD].
type Countable interface {
	Frequency
	// ProbabilityGiven is that of exactly n purchases in the next weeks of a customer with x repeats, the last tx weeks
	// after the first purchase, t weeks after it.
	ProbabilityGiven(n int, x, tx, t, weeks float64) float64
}

// Prediction is what a model expects of one customer. Its interval and times are of that customer's own chance under the
// parameters as fitted, whose error is small beside it.
type Prediction struct {
	Alive     float64 // probability, in [0, 1], that this is still a customer
	Purchases float64 // expected in the weeks to come
	Low, High int     // with probability Level or more, the purchases will be Low to High
	Level     float64
	Next      float64 // weeks to the next purchase, median; +Inf when, as likely as not, there is none within a hundred years
}

const (
	never         = 100 * WeeksPerYear
	mostPurchases = 100_000 // at which an interval ends at the latest
)

// Predict tells what m expects of a customer over the next weeks, with an interval at a level between 0 and 1. It fails
// (Invalid) on a customer, weeks or a level that cannot be.
func Predict(m Countable, s Summary, weeks, level float64) (Prediction, error) {
	switch {
	case !s.valid():
		return Prediction{}, invalid(s)
	case !(weeks > 0) || math.IsInf(weeks, 1):
		return Prediction{}, fault.New(fault.Invalid, fault.InvalidItem, "a forecast over %g weeks: name a positive number of weeks", weeks)
	case !(level > 0 && level < 1):
		return Prediction{}, fault.New(fault.Invalid, fault.InvalidItem, "a level of %g: name one between 0 and 1", level)
	}
	p := Prediction{Alive: m.PAlive(s.X, s.Tx, s.T), Purchases: m.ExpectedGiven(s.X, s.Tx, s.T, weeks), Level: level}
	p.Low, p.High = interval(m, s, weeks, level)
	p.Next = math.Inf(1)
	if weeks, known := NextPurchase(m, s, .5); known {
		p.Next = weeks
	}
	return p, nil
}

// interval leaves at most half of 1-level on either side.
func interval(m Countable, s Summary, weeks, level float64) (low, high int) {
	tail, sum := (1-level)/2, 0.0
	for n := range mostPurchases {
		if sum <= tail {
			low = n
		}
		if sum += m.ProbabilityGiven(n, s.X, s.Tx, s.T, weeks); sum >= 1-tail {
			return low, n
		}
	}
	return low, mostPurchases
}

// NextPurchase is the time in weeks by which the next purchase will have come with a probability of share, in (0, 1); to
// about 1e-6 of it. It is unknown when that takes longer than a hundred years, as it does for one who has probably left.
func NextPurchase(m Countable, s Summary, share float64) (weeks float64, known bool) {
	if m, closed := m.(interface {
		wait(x, tx, t, share float64) float64
	}); closed {
		weeks = m.wait(s.X, s.Tx, s.T, share)
		return weeks, weeks <= never
	}
	comes := func(weeks float64) bool { return 1-m.ProbabilityGiven(0, s.X, s.Tx, s.T, weeks) >= share }
	if !comes(never) {
		return 0, false
	}
	low, high := 0.0, never
	for high-low > 1e-6*high {
		if middle := (low + high) / 2; comes(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high, true
}
