package survival

import (
	"cmp"
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

// Comparison is how two groups differ: as a difference of times, which needs no assumption, and as a ratio of rates,
// which the log-rank test estimates. Each has 95 % limits; no difference is 0 and 1.
type Comparison struct {
	A, B       Mean    // restricted means until the same time
	Difference float64 // of the restricted means, A less B, in the unit of time
	StdErr     float64
	Low, High  float64

	Observed    float64 // events in A
	Expected    float64 // events in A if both had the same rates
	Variance    float64 // of Observed, hypergeometric
	HazardRatio float64 // A to B: exp((O-E)/V), the one-step estimate of Peto (Yusuf et al. 1985); below 1, A lasts longer
	HazardLow   float64
	HazardHigh  float64
}

// ChiSquare is the statistic of the log-rank test (Mantel 1966), of one degree of freedom.
func (c Comparison) ChiSquare() float64 {
	return (c.Observed - c.Expected) * (c.Observed - c.Expected) / c.Variance
}

// Compare compares two groups until a time. It fails (Invalid) as [KaplanMeier] and [Curve.RestrictedMean] do, and with
// no_data_yet when nothing happened while both groups were watched.
func Compare(a, b []Observation, until float64) (Comparison, error) {
	var means [2]Mean
	for i, group := range [][]Observation{a, b} {
		curve, err := KaplanMeier(group)
		if err != nil {
			return Comparison{}, err
		}
		if means[i], err = curve.RestrictedMean(until); err != nil {
			return Comparison{}, err
		}
	}
	c := Comparison{A: means[0], B: means[1], Difference: means[0].Value - means[1].Value, StdErr: math.Hypot(means[0].StdErr, means[1].StdErr)}
	c.Low, c.High = c.Difference-z95*c.StdErr, c.Difference+z95*c.StdErr
	if c.logRank(a, b); !(c.Variance > 0) {
		return Comparison{}, fault.New(fault.Invalid, fault.NoData, "nothing happened while both groups were watched: wait for more data")
	}
	score, wide := (c.Observed-c.Expected)/c.Variance, z95/math.Sqrt(c.Variance)
	c.HazardRatio, c.HazardLow, c.HazardHigh = math.Exp(score), math.Exp(score-wide), math.Exp(score+wide)
	return c, nil
}

// logRank sums over the times with an event. Both groups are known to be good.
func (c *Comparison) logRank(a, b []Observation) {
	type both struct {
		moment
		group int
	}
	var all []both
	var left [2]int
	for g, group := range [][]Observation{a, b} {
		sorted, _ := ordered(group)
		for _, m := range times(sorted) {
			all = append(all, both{m, g})
			left[g] += m.events + m.censored
		}
	}
	slices.SortFunc(all, func(x, y both) int { return cmp.Or(cmp.Compare(x.time, y.time), cmp.Compare(x.group, y.group)) })
	for len(all) > 0 {
		var events [2]int
		same := 0
		for ; same < len(all) && all[same].time == all[0].time; same++ {
			events[all[same].group] += all[same].events
		}
		c.add(left, events)
		for _, m := range all[:same] {
			left[m.group] -= m.events + m.censored
		}
		all = all[same:]
	}
}

// add counts one time, before which so many of both groups were left.
func (c *Comparison) add(left, events [2]int) {
	n, d := float64(left[0]+left[1]), float64(events[0]+events[1])
	if d == 0 {
		return
	}
	share := float64(left[0]) / n
	c.Observed += float64(events[0])
	c.Expected += d * share
	if n > 1 {
		c.Variance += d * share * (1 - share) * (n - d) / (n - 1)
	}
}
