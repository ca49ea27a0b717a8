package survival

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Quantile is a time by which it has happened to a share of the subjects, with 95 % limits. Each is +Inf where the curve,
// or its limit, never falls so far.
type Quantile struct{ Time, Low, High float64 }

// rounding is how far a product of ratios may be from the number that it stands for.
const rounding = 1e-12

// Quantile is the first time by which it has happened to the share, in (0, 1), or more; its limits are where those of the
// curve cross the same height (Brookmeyer & Crowley 1982). It fails (Invalid) on another share.
func (c Curve) Quantile(share float64) (Quantile, error) {
	if !(share > 0 && share < 1) {
		return Quantile{}, fault.New(fault.Invalid, fault.InvalidItem, "a share of %g: name one between 0 and 1", share)
	}
	first := func(height func(Step) float64) float64 {
		for _, s := range c.Steps {
			if height(s) <= 1-share+rounding {
				return s.Time
			}
		}
		return math.Inf(1)
	}
	return Quantile{
		Time: first(func(s Step) float64 { return s.Survival }),
		Low:  first(func(s Step) float64 { return s.Low }),
		High: first(func(s Step) float64 { return s.High }),
	}, nil
}

// Median is the quantile of one half.
func (c Curve) Median() Quantile {
	q, _ := c.Quantile(.5) // one half is a share
	return q
}

// Mean is a restricted mean with 95 % limits: the mean time until it happens, times beyond Until counted as Until.
type Mean struct{ Until, Value, StdErr, Low, High float64 }

// RestrictedMean is the area under the curve until a time, its variance the sum over steps of the squared area that is
// left times d/(n(n-d)) (Irwin 1949; Klein & Moeschberger 2003, eq. 4.5.2). It fails (Invalid) when until is not positive or
// lies beyond the time that anybody was watched, while there are survivors.
func (c Curve) RestrictedMean(until float64) (Mean, error) {
	if _, known := c.At(until); !known || !(until > 0) || math.IsInf(until, 1) {
		return Mean{}, fault.New(fault.Invalid, fault.InvalidItem, "a mean until %g: name a time up to %g, for how long anybody was watched", until, c.Last)
	}
	m := Mean{Until: until}
	end, variance := until, 0.0
	for i := len(c.Steps) - 1; i >= 0; i-- {
		s := c.Steps[i]
		if s.Time >= until {
			continue
		}
		m.Value += s.Survival * (end - s.Time) // so far the area right of the step
		end = s.Time
		if n, d := float64(s.AtRisk), float64(s.Events); n > d {
			variance += m.Value * m.Value * d / (n * (n - d))
		}
	}
	m.Value += end
	m.StdErr = math.Sqrt(variance)
	m.Low, m.High = math.Max(0, m.Value-z95*m.StdErr), math.Min(until, m.Value+z95*m.StdErr)
	return m, nil
}
