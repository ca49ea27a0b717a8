package survival

import (
	"cmp"
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

// z95 is the 97.5 % point of the normal distribution.
const z95 = 1.959963984540054

// Observation is Count subjects, alike, who were watched for a time.
type Observation struct {
	Time  float64 // from entry, in any unit; finite, 0 or more
	Event bool    // it happened at Time; otherwise it had not happened by then
	Count int     // at least 1
}

// Step is a time at which something happened.
type Step struct {
	Time     float64
	AtRisk   int     // watched until just before Time
	Events   int     // at Time
	Censored int     // last watched at Time or later, before the next step
	Survival float64 // share to whom it has not happened by Time
	StdErr   float64 // of Survival (Greenwood 1926)
	Low      float64 // 95 % limits on the log-log scale (Kalbfleisch & Prentice 1980); from 0 to those of the step before
	High     float64 // where Survival is 0
}

// Curve is the share of subjects to whom it has not happened yet, by time: the product-limit estimate of Kaplan & Meier
// (1958), events before losses at equal times.
type Curve struct {
	Subjects int
	Events   int
	Last     float64 // the longest time that anybody was watched
	Steps    []Step  // at each time with an event, ascending

	greenwood []float64 // at each step, the sum of d/(n(n-d)) so far
}

// KaplanMeier estimates the curve. It fails (Invalid) on an observation that cannot be, and with no_data_yet without any.
func KaplanMeier(observations []Observation) (Curve, error) {
	sorted, err := ordered(observations)
	if err != nil {
		return Curve{}, err
	}
	c := Curve{Last: sorted[len(sorted)-1].Time}
	for _, o := range sorted {
		c.Subjects += o.Count
	}
	left, survival, sum := c.Subjects, 1.0, 0.0
	for _, at := range times(sorted) {
		if at.events == 0 {
			if n := len(c.Steps); n > 0 {
				c.Steps[n-1].Censored += at.censored
			}
			left -= at.censored
			continue
		}
		n, d := float64(left), float64(at.events)
		survival *= (n - d) / n
		if n > d {
			sum += d / (n * (n - d))
		}
		c.Steps = append(c.Steps, c.step(Step{Time: at.time, AtRisk: left, Events: at.events, Censored: at.censored, Survival: survival}, sum))
		c.greenwood = append(c.greenwood, sum)
		c.Events += at.events
		left -= at.events + at.censored
	}
	return c, nil
}

// step adds the error and the limits.
func (c Curve) step(s Step, greenwood float64) Step {
	if s.Survival == 0 {
		if n := len(c.Steps); n > 0 {
			s.High = c.Steps[n-1].High
		} else {
			s.High = 1
		}
		return s
	}
	s.StdErr = s.Survival * math.Sqrt(greenwood)
	away := z95 * math.Sqrt(greenwood) / -math.Log(s.Survival)
	s.Low, s.High = math.Pow(s.Survival, math.Exp(away)), math.Pow(s.Survival, math.Exp(-away))
	return s
}

// At is the curve at a time: the last step by then, before the first step a Survival of 1. It is unknown beyond the time
// that anybody was watched while there are survivors.
func (c Curve) At(t float64) (s Step, known bool) {
	i, exact := slices.BinarySearchFunc(c.Steps, t, func(s Step, t float64) int { return cmp.Compare(s.Time, t) })
	if exact {
		i++
	}
	s = Step{AtRisk: c.Subjects, Survival: 1, Low: 1, High: 1}
	if i > 0 {
		s = c.Steps[i-1]
	}
	return s, t >= 0 && (t <= c.Last || s.Survival == 0)
}

// moment is what happened at one time.
type moment struct {
	time             float64
	events, censored int
}

func times(sorted []Observation) []moment {
	var out []moment
	for _, o := range sorted {
		if n := len(out); n == 0 || out[n-1].time != o.Time {
			out = append(out, moment{time: o.Time})
		}
		at := &out[len(out)-1]
		if o.Event {
			at.events += o.Count
		} else {
			at.censored += o.Count
		}
	}
	return out
}

// ordered returns the observations by time, having checked them.
func ordered(observations []Observation) ([]Observation, error) {
	if len(observations) == 0 {
		return nil, fault.New(fault.Invalid, fault.NoData, "no observations: a curve needs somebody who was watched")
	}
	for _, o := range observations {
		if !(o.Time >= 0) || math.IsInf(o.Time, 1) || o.Count < 1 {
			return nil, fault.New(fault.Invalid, fault.InvalidItem, "observation %+v: need a time of 0 or more and a count of at least 1", o)
		}
	}
	sorted := slices.Clone(observations)
	slices.SortFunc(sorted, func(a, b Observation) int { return cmp.Compare(a.Time, b.Time) })
	return sorted, nil
}
