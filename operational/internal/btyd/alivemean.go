package btyd

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

const (
	seriesTerms = 4000 // beyond, the quadrature is cheaper
	seriesError = 1e-16
)

// aliveMean is the expected number of purchases within t weeks of a customer who is alive now, buys at a
// gamma(r, alpha) distributed rate and leaves after each purchase with a beta(a, b) distributed probability. The
// literature writes it (Fader, Hardie & Lee 2005, eq. 9 and 10) as
//
//	(a+b-1)/(a-1) [1 - (alpha/(alpha+t))^r 2F1(r, b; a+b-1; t/(alpha+t))],
//
// a difference of nearly equal numbers for small t, and 0/0 at a = 1. The same quantity is summed here from positive
// terms only, so it is finite, non-negative and exact to about 1e-13 for every r, alpha, a, b > 0 and t >= 0; it is 0
// for t <= 0.
func aliveMean(r, alpha, a, b, t float64) float64 {
	if !(t > 0) {
		return 0
	}
	if sum, ok := aliveSeries(r, alpha, a, b, t); ok {
		return sum
	}
	return aliveQuadrature(r, alpha, a, b, t)
}

// aliveSeries sums over k, the purchases that would fall into the time if the customer never left:
//
//	sum_k NBD(k; r, t/(alpha+t)) S(k),  S(k) = sum_{j<k} (b)_j/(a+b)_j,
//
// S(k) being how many of the k are made before leaving. It reports failure when too many terms are needed.
func aliveSeries(r, alpha, a, b, t float64) (float64, bool) {
	z := t / (alpha + t)
	logP := r * math.Log1p(-z)
	if logP < -600 {
		return 0, false
	}
	p, stay, made, sum := math.Exp(logP), 1.0, 0.0, 0.0
	for k := range seriesTerms {
		n := float64(k)
		p *= z * (r + n) / (n + 1)
		made += stay
		stay *= (b + n) / (a + b + n)
		sum += p * made
		// The ratio of later probabilities is at most q, and made grows by at most 1 a term.
		q := math.Max(z, z*(r+n+1)/(n+2))
		if q < 1 && p*q/(1-q)*(made+1/(1-q)) < seriesError*sum {
			return sum, true
		}
	}
	return 0, false
}

// aliveQuadrature integrates over the probability p of leaving,
//
//	E[(1 - (1 + p t/alpha)^-r)/p],  p ~ beta(a, b),
//
// by the trapezoidal rule in y = logit p, where the integrand is analytic in a strip, so that the rule converges
// exponentially. In both tails the integrand is a pure exponential, whose remaining sum is closed.
func aliveQuadrature(r, alpha, a, b, t float64) float64 {
	tau := t / alpha
	logBeta := mathext.Lbeta(a, b)
	spread := math.Sqrt(1/a + 1/b) // of logit p
	step := math.Min(0.25, spread/2)
	f := func(y float64) float64 {
		logP, logQ := -math.Log1p(math.Exp(-y)), -math.Log1p(math.Exp(y))
		if y < -30 {
			logP = y
		}
		grow := r * math.Log1p(math.Exp(logP)*tau)
		logGrow := math.Log(-math.Expm1(-grow))
		if grow < 1e-15 {
			logGrow = math.Log(r) + math.Log(tau) + logP
		}
		return math.Exp(logGrow + (a-1)*logP + b*logQ - logBeta)
	}
	low, high := -40-math.Log1p(tau*(r+1)), 40.0
	if spread < 0.5 { // a narrow peak: 60 deviations away even the 1/p of the integrand is negligible
		peak := math.Log(a) - math.Log(b)
		low, high = math.Max(low, peak-60*spread), math.Min(high, peak+60*spread)
	}
	sum := f(low) / -math.Expm1(-a*step)
	y := low
	for y < high {
		y += step
		sum += f(y)
	}
	last := f(y)
	return step * (sum + last*math.Exp(-b*step)/-math.Expm1(-b*step))
}
