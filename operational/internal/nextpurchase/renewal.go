package nextpurchase

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// renewal is the model MBG/CNBD-k of Platzer & Reutterer (2016), with any positive k: the gaps between purchases are
// gamma(K, rate) distributed, the rate is gamma(R, Alpha) distributed over customers, and after each purchase, the first
// included, the customer leaves with a probability that is beta(A, B) distributed. K above 1 means clockwork, below 1
// bursts; with K = 1 it is MBG/NBD. All parameters are positive, times in weeks.
//
// With a rate of its own integrated out, a customer's gaps g_1..g_n of sum S and the time e since the last purchase have
// likelihood
//
//	prod g^(K-1) / Gamma(K)^n  Alpha^R/Gamma(R)  Gamma(R+nK)/(Alpha+S)^(R+nK)
//	  [B(A, B+n+1) s(e) + B(A+1, B+n)] / B(A, B),
//
// where s(e), the chance that a customer who has stayed is silent for e, is
//
//	s(e) = I_w(R+nK, K),  w = (Alpha+S)/(Alpha+S+e).
type renewal struct{ K, R, Alpha, A, B float64 }

// sufficient is all that the model needs to know of a customer.
type sufficient struct {
	n    float64 // gaps
	sum  float64 // of the gaps, weeks
	logs float64 // sum of their logarithms
	open float64 // weeks since the last purchase
}

const parameters = 5

func (m renewal) theta() []float64 {
	return []float64{math.Log(m.K), math.Log(m.R), math.Log(m.Alpha), math.Log(m.A), math.Log(m.B)}
}

func renewalOf(theta []float64) renewal {
	return renewal{math.Exp(theta[0]), math.Exp(theta[1]), math.Exp(theta[2]), math.Exp(theta[3]), math.Exp(theta[4])}
}

// silence is s(t): the chance that a customer who has not left has no purchase for t weeks after the last.
func (m renewal) silence(c sufficient, t float64) float64 {
	if t <= 0 {
		return 1
	}
	spent := m.Alpha + c.sum
	return mathext.RegIncBeta(m.R+c.n*m.K, m.K, spent/(spent+t))
}

// alive is the probability that the customer has not left.
func (m renewal) alive(c sufficient) float64 {
	s := m.silence(c, c.open)
	return s / (s + m.A/(m.B+c.n))
}

// logLikelihood is that of one customer; where score is not nil it writes the derivatives by the log-parameters.
func (m renewal) logLikelihood(c sufficient, score []float64) float64 {
	shape, spent := m.R+c.n*m.K, m.Alpha+c.sum
	ll := (m.K-1)*c.logs - c.n*lgamma(m.K) + m.R*math.Log(m.Alpha) - lgamma(m.R) + lgamma(shape) - shape*math.Log(spent)
	ll += mathext.Lbeta(m.A, m.B+c.n) - mathext.Lbeta(m.A, m.B) - math.Log(m.A+m.B+c.n)
	s := m.silence(c, c.open)
	ends := (m.B+c.n)*s + m.A
	ll += math.Log(ends)
	if score != nil {
		m.score(c, s, ends, score)
	}
	return ll
}

func (m renewal) score(c sufficient, s, ends float64, score []float64) {
	shape, spent := m.R+c.n*m.K, m.Alpha+c.sum
	psi, logSpent := mathext.Digamma(shape), math.Log(spent)
	byK, byR, byAlpha := m.silenceSlopes(c)
	stays := (m.B + c.n) / ends
	score[0] = m.K*(c.logs-c.n*mathext.Digamma(m.K)+c.n*(psi-logSpent)) + stays*byK
	score[1] = m.R*(math.Log(m.Alpha)-mathext.Digamma(m.R)+psi-logSpent) + stays*byR
	score[2] = m.R - m.Alpha*shape/spent + stays*byAlpha
	total := mathext.Digamma(m.A+m.B) - mathext.Digamma(m.A+m.B+c.n) - 1/(m.A+m.B+c.n)
	score[3] = m.A * (total + 1/ends)
	score[4] = m.B * (total + mathext.Digamma(m.B+c.n) - mathext.Digamma(m.B) + s/ends)
}

// slopeStep is in log-parameters. The derivatives of the incomplete beta function by its shapes have no closed form.
const slopeStep = 1e-4

// silenceSlopes are the derivatives of s(open) by the logarithms of K, R and Alpha, the first two by central differences.
func (m renewal) silenceSlopes(c sufficient) (byK, byR, byAlpha float64) {
	if c.open <= 0 {
		return 0, 0, 0
	}
	up, down := m, m
	up.K, down.K = m.K*math.Exp(slopeStep), m.K*math.Exp(-slopeStep)
	byK = (up.silence(c, c.open) - down.silence(c, c.open)) / (2 * slopeStep)
	up, down = m, m
	up.R, down.R = m.R*math.Exp(slopeStep), m.R*math.Exp(-slopeStep)
	byR = (up.silence(c, c.open) - down.silence(c, c.open)) / (2 * slopeStep)
	shape, spent := m.R+c.n*m.K, m.Alpha+c.sum
	w := spent / (spent + c.open)
	density := math.Exp((shape-1)*math.Log(w) + (m.K-1)*math.Log1p(-w) - mathext.Lbeta(shape, m.K))
	return byK, byR, density * m.Alpha * c.open / ((spent + c.open) * (spent + c.open))
}

// lgamma is ln Gamma(x) for x > 0.
func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}
