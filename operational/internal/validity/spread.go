package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Score is what a customer adds to the spread of a window: the natural logarithm of money, or a bounded score, in units
// of 2^-20. The zero value is a customer who adds nothing.
type Score struct {
	Units   int64
	Present bool
}

// LogMoney is the score of money: present for contributors only, y > 0.
func LogMoney(y int64) Score {
	if y <= 0 {
		return Score{}
	}
	units, _ := Fixed(math.Log(float64(y))) // at most 44, within the range
	return Score{units, true}
}

// SpreadBaseline is the yardstick for the spread of later windows (V4b): the variance over all customers and windows
// before publication of the log of money among contributors, or of a bounded score. Later windows must be as long as
// these, since the log of a sum depends on how long it is summed. Immutable, safe for concurrent use.
type SpreadBaseline struct {
	Baseline
	variance float64
}

// NewSpreadBaseline takes scores[w][i] of window w and customer i, as [NewBaseline] does. It fails (Invalid) as that
// does, and (zero_denominator) when the scores do not vary.
func NewSpreadBaseline(scores [][]Score) (*SpreadBaseline, error) {
	if err := checkWindows(len(scores), func(w int) int { return len(scores[w]) }); err != nil {
		return nil, err
	}
	all := spreadOf(scores...)
	if !(all.variance > 0) {
		return nil, fault.New(fault.Invalid, fault.ZeroDenominator, "the baseline's scores do not vary: there is no spread to compare with")
	}
	n, b := len(scores[0]), len(scores)
	base := &SpreadBaseline{Baseline{windows: b, ratio: 1}, all.variance}
	var err error
	base.usual, base.noise, err = between(n, b, func(w, i int) float64 { return all.influence(scores[w][i], n*b) })
	return base, err
}

// Overlapping is [Baseline.Overlapping] for the spread.
func (b *SpreadBaseline) Overlapping(step int) *SpreadBaseline {
	return &SpreadBaseline{*b.Baseline.Overlapping(step), b.variance}
}

// Variance is that of the baseline, in squares of the score's unit.
func (b *SpreadBaseline) Variance() float64 { return b.variance }

// Compare is the natural log of the ratio of a closed window's variance to the baseline's. It fails as
// [Baseline.Compare] does; a window whose scores do not vary has no ratio (zero_denominator).
func (b *SpreadBaseline) Compare(scores []Score) (Shift, error) {
	if len(scores) < len(b.usual) {
		return Shift{}, fault.New(fault.Invalid, fault.InvalidItem, "a window of %d customers against a baseline of %d: give those who are gone no score",
			len(scores), len(b.usual))
	}
	now := spreadOf(scores)
	if !(now.variance > 0) {
		return Shift{}, fault.New(fault.Invalid, fault.ZeroDenominator, "the window's scores do not vary: it has no spread to compare")
	}
	return shift(math.Log(now.variance/b.variance), len(scores), func(i int) float64 {
		return now.influence(scores[i], len(scores)) - b.usualOf(i, float64(len(scores)))
	})
}

// NewSpread starts watching the spread (V4b): the band is a factor of 2 either way, and it fails at evidence of 200,
// since it shares the 1 % of V4 with the tail. It fails as [NewVelocity] does.
func NewSpread(baselineError float64) (*Velocity, error) {
	return newVelocity(spreadLimit, baselineError, halfFailing().threshold())
}

// halfFailing is the level of either part of V4.
func halfFailing() Level { return Failing().Split(2) }

// spread is the mean and variance of the scores that are present, from exact sums.
type spread struct {
	n              int64
	mean, variance float64
}

func spreadOf(windows ...[]Score) spread {
	m := Moments{width: 1, sum: make([]int128, 1), prod: make([]int128, 1)}
	for _, scores := range windows {
		for _, x := range scores {
			if x.Present {
				m.n++
				m.sum[0] = m.sum[0].add(wide(x.Units))
				m.prod[0] = m.prod[0].add(product(x.Units, x.Units))
			}
		}
	}
	return spread{m.n, m.Mean(0) / fixedPoint, m.covariance(0, 0) / (fixedPoint * fixedPoint)}
}

// influence of a score on the log of the variance, among rows of customers of whom s.n are present:
// ((x - mean)² - v)/(v × share present) (influence of a variance: Hampel et al. 1986, section 2.3).
func (s spread) influence(x Score, rows int) float64 {
	if !x.Present {
		return 0
	}
	d := Float(x.Units) - s.mean
	return (d*d - s.variance) / s.variance * float64(rows) / float64(s.n)
}
