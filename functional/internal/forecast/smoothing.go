package forecast

import "math"

// weights are the smoothing weights in error correction form: beta and gamma are those of the level's error, so that
// Holt's beta* is beta/alpha.
type weights struct{ alpha, beta, gamma, phi float64 }

// The region in which weights are looked for: that of Hyndman et al. (2008), section 2.5 and the forecast package for R.
const (
	leastWeight = 1e-4
	mostWeight  = 1 - 1e-4
	leastPhi    = .8
	mostPhi     = .98
)

// weightsOf maps unbounded numbers into the region: 1e-4 <= alpha <= .9999, beta <= alpha, gamma <= 1-alpha.
func (f form) weightsOf(theta []float64) weights {
	at := func(low, high float64) float64 {
		v := low + (high-low)/(1+math.Exp(-theta[0]))
		theta = theta[1:]
		return v
	}
	w := weights{alpha: at(leastWeight, mostWeight), phi: 1}
	if f.trend {
		w.beta = at(leastWeight, math.Max(leastWeight, w.alpha))
	}
	if f.seasonal {
		w.gamma = at(leastWeight, math.Max(leastWeight, 1-w.alpha))
	}
	if f.damped {
		w.phi = at(leastPhi, mostPhi)
	}
	return w
}

// state is where a model stands. seasonal[t mod season] is that of window t.
type state struct {
	level, slope float64
	seasonal     []float64
}

// filter runs the model over y from the state, which it moves to the end, and writes the one-step errors: relative to what
// was expected where the model multiplies, 0 at a gap, which leaves all but the trend alone. It returns the sum of the
// logarithms of what was expected, for such a model, and reports false when that was not positive.
func (f form) filter(y []float64, w weights, s *state, errors []float64) (logs float64, ok bool) {
	season, product := max(1, len(s.seasonal)), 1.0
	for t, v := range y {
		base := s.level + w.phi*s.slope
		expected := base
		at := t % season
		switch {
		case f.multiplying:
			if expected *= s.seasonal[at]; !(expected > 0 && base > 0) {
				return 0, false
			}
		case f.seasonal:
			expected += s.seasonal[at]
		}
		e := 0.0
		if !math.IsNaN(v) {
			e = v - expected
			if f.multiplying {
				e /= expected
				if product *= expected; product < 1e-100 || product > 1e100 { // logarithms are most of the cost
					logs, product = logs+math.Log(product), 1
				}
			}
		}
		errors[t] = e
		s.slope *= w.phi
		s.level = base
		if f.multiplying {
			s.level += w.alpha * base * e
			s.slope += w.beta * base * e
			s.seasonal[at] *= 1 + w.gamma*e
			continue
		}
		s.level += w.alpha * e
		s.slope += w.beta * e
		if f.seasonal {
			s.seasonal[at] += w.gamma * e
		}
	}
	return logs + math.Log(product), true
}

// project returns the state's forecasts for windows n, n+1, … of a series of n.
func (f form) project(s state, w weights, n, ahead int) []float64 {
	out := make([]float64, ahead)
	base, slope := s.level, s.slope
	for h := range out {
		slope *= w.phi
		base += slope
		out[h] = base
		if f.seasonal {
			factor := s.seasonal[(n+h)%len(s.seasonal)]
			if f.multiplying {
				out[h] *= factor
			} else {
				out[h] += factor
			}
		}
	}
	return out
}

// known is the variance of the errors of project with known parameters, sigma2 being that of one step. Additive: Hyndman et al. (2008), table 6.2,
// class 1. Multiplying: section 6.4, class 3, in which level and season are taken as independent beyond one season.
func (f form) known(s state, w weights, n, ahead int, sigma2 float64) []float64 {
	out, moved := make([]float64, ahead), make([]float64, ahead) // moved[j]: how an error moves the level j windows on
	for j, sum, power := 1, 0.0, 1.0; j < ahead; j++ {
		power *= w.phi
		sum += power
		moved[j] = w.alpha + w.beta*sum
	}
	if f.multiplying {
		f.multiplied(out, moved, s, w, n, sigma2)
		return out
	}
	sum := 1.0
	for h := range out {
		if h > 0 {
			c := moved[h]
			if f.seasonal && h%len(s.seasonal) == 0 {
				c += w.gamma
			}
			sum += c * c
		}
		out[h] = sigma2 * sum
	}
	return out
}

func (f form) multiplied(out, moved []float64, s state, w weights, n int, sigma2 float64) {
	level := form{trend: f.trend, damped: f.damped}.project(s, w, n, len(out))
	season := len(s.seasonal)
	squares := make([]float64, len(out)) // expected squares of level and trend
	for h := range out {
		squares[h] = level[h] * level[h]
		for j := 1; j <= h; j++ {
			squares[h] += sigma2 * moved[j] * moved[j] * squares[h-j]
		}
		factor := s.seasonal[(n+h)%season]
		grown := math.Pow(1+w.gamma*w.gamma*sigma2, float64(h/season))
		out[h] = factor * factor * (squares[h]*(1+sigma2)*grown - level[h]*level[h])
	}
}
