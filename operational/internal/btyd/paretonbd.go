package btyd

import (
	"math"

	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mathext"
)

// ParetoNBD is the model of Schmittlein, Morrison & Colombo (1987): purchases come at a gamma(R, Alpha) distributed
// rate, and the customer leaves at a gamma(S, Beta) distributed rate, at any time. All parameters are positive.
type ParetoNBD struct {
	R     float64 // shape of the purchase rate
	Alpha float64 // rate of the purchase rate, in weeks
	S     float64 // shape of the rate of leaving
	Beta  float64 // rate of the rate of leaving, in weeks
}

// FitParetoNBD finds the maximum of the likelihood. It refuses with model_not_identified when a gate fails or the
// maximum is not a regular one. S and Beta lie on a flat ridge: compare fits by their log-likelihood.
func FitParetoNBD(p *Population, g Gates) (*Fit[ParetoNBD], error) {
	l := paretoNBD{p}
	e, err := g.fit(p, l, l.starts())
	if err != nil {
		return nil, err
	}
	return newFit(e, func(v []float64) ParetoNBD { return ParetoNBD{v[0], v[1], v[2], v[3]} }), nil
}

// LogLikelihood is the natural logarithm of the likelihood of the population.
func (m ParetoNBD) LogLikelihood(p *Population) float64 {
	return total(paretoNBD{p}, logs(m.R, m.Alpha, m.S, m.Beta), nil)
}

// PAlive is the probability, in [0, 1], that a customer with x repeats, the last tx weeks after the first purchase, is
// still a customer t weeks after it. It is finite for every history.
func (m ParetoNBD) PAlive(x, tx, t float64) float64 {
	return m.states(x, tx, t, nil).alive
}

// ExpectedGiven is the expected number of purchases of such a customer in the next weeks (Fader & Hardie 2005, note on
// the Pareto/NBD, eq. 41).
func (m ParetoNBD) ExpectedGiven(x, tx, t, weeks float64) float64 {
	return m.PAlive(x, tx, t) * (m.R + x) / (m.Alpha + t) * lifetime(m.S, m.Beta+t, weeks)
}

// Expected is the expected number of repeat purchases of a random customer in the first weeks after the first purchase.
func (m ParetoNBD) Expected(weeks float64) float64 {
	return m.R / m.Alpha * lifetime(m.S, m.Beta, weeks)
}

// Probability is that of exactly n repeat purchases (n >= 0) of a random customer in the first weeks, exact to about
// 1e-10 for n up to a few hundred.
func (m ParetoNBD) Probability(n int, weeks float64) float64 {
	x := float64(n)
	constant := lgamma(m.R+x) - lgamma(m.R) - lgamma(x+1) + m.R*math.Log(m.Alpha)
	count := func(y float64) float64 { // within y weeks of a customer who does not leave
		return math.Exp(constant + xlogy(x, y) - (m.R+x)*math.Log(m.Alpha+y))
	}
	small := math.Min(m.Alpha, m.Beta)
	low, step := math.Log(small), math.Log1p(weeks/small)/probabilityPanels
	sum := count(weeks) * math.Exp(-m.S*math.Log1p(weeks/m.Beta))
	for panel := range probabilityPanels {
		from := low + float64(panel)*step
		for j, node := range rules[2].x {
			u := from + step*node
			y := math.Max(0, math.Exp(u)-small)
			leave := m.S / m.Beta * math.Exp(-(m.S+1)*math.Log1p(y/m.Beta)) // density of the time of leaving
			sum += step * rules[2].w[j] * count(y) * leave * (small + y)
		}
	}
	return sum
}

// ProbabilityGiven is that of exactly n purchases (n >= 0) in the next weeks of a customer with such a history, as exact
// as [ParetoNBD.Probability]. What is known of a customer who is alive is again two gamma distributed rates.
func (m ParetoNBD) ProbabilityGiven(n int, x, tx, t, weeks float64) float64 {
	alive := m.PAlive(x, tx, t)
	p := alive * ParetoNBD{m.R + x, m.Alpha + t, m.S, m.Beta + t}.Probability(n, weeks)
	if n == 0 {
		p += 1 - alive
	}
	return p
}

// probabilityPanels splits the integral of Probability, so that a peak within the time is resolved.
const probabilityPanels = 8

// lifetime is the expected part of the next t weeks that a customer who leaves at a gamma(s, beta) distributed rate
// stays.
func lifetime(s, beta, t float64) float64 {
	if !(t > 0) {
		return 0
	}
	l := math.Log1p(t / beta)
	if k := (s - 1) * l; math.Abs(k) > 1e-12 {
		return beta * l * -math.Expm1(-k) / k
	}
	return beta * l
}

// rule is a Gauss-Legendre rule on [0, 1].
type rule struct{ x, w []float64 }

func newRule(n int) rule {
	r := rule{make([]float64, n), make([]float64, n)}
	quad.Legendre{}.FixedLocations(r.x, r.w, 0, 1)
	return r
}

// rules are exact to about 1e-13 for what ruleFor gives them.
var rules = [...]rule{newRule(12), newRule(20), newRule(40)}

// ruleFor picks by the length of the range of integration, in logarithms, and by how many e-folds the integrand falls.
func ruleFor(length, folds float64) rule {
	switch {
	case length < 3 && folds < 3:
		return rules[0]
	case length < 5 && folds < 12:
		return rules[1]
	default:
		return rules[2]
	}
}

// states are the two ways to a purchase history: still a customer, or left at some time since the last purchase.
type states struct {
	logSum                       float64 // of the likelihood without its constant
	alive, left                  float64 // posterior probabilities
	logAlpha, invAlpha           float64 // posterior means of ln(alpha+y) and 1/(alpha+y), y the time of leaving or T
	logBeta, invBeta, invBetaOut float64 // of ln(beta+y); of 1/(beta+y) where alive, and where left
}

// states integrates over the time of leaving y,
//
//	(alpha+T)^-(r+x) (beta+T)^-s + s int_tx^T (alpha+y)^-(r+x) (beta+y)^-(s+1) dy,
//
// (Fader & Hardie 2005, note, eq. 17 before it is written as a difference of two 2F1, which cancels and overflows.)
// In u = ln(min(alpha, beta) + y) the integrand has no singularity nearer than pi, so that few nodes do. The buffer
// for the nodes may be nil.
func (m ParetoNBD) states(x, tx, t float64, buffer []node) states {
	k := m.R + x
	logAlphaT, logBetaT := math.Log(m.Alpha+t), math.Log(m.Beta+t)
	stays := -k*logAlphaT - m.S*logBetaT
	nodes, peak := m.leaving(x, tx, t, buffer[:0])
	peak = math.Max(peak, stays)
	alive := math.Exp(stays - peak)
	out := states{logAlpha: alive * logAlphaT, invAlpha: alive / (m.Alpha + t), logBeta: alive * logBetaT, invBeta: alive / (m.Beta + t)}
	left := 0.0
	for _, n := range nodes {
		w := n.weight * math.Exp(n.log-peak)
		left += w
		out.logAlpha += w * n.logAlpha
		out.invAlpha += w / (m.Alpha + n.y)
		out.logBeta += w * n.logBeta
		out.invBetaOut += w / (m.Beta + n.y)
	}
	sum := alive + left
	out.logSum = peak + math.Log(sum)
	out.alive, out.left = alive/sum, left/sum
	out.logAlpha, out.invAlpha = out.logAlpha/sum, out.invAlpha/sum
	out.logBeta, out.invBeta, out.invBetaOut = out.logBeta/sum, out.invBeta/sum, out.invBetaOut/sum
	return out
}

// node is one possible time of leaving.
type node struct{ y, weight, log, logAlpha, logBeta float64 }

// leaving appends the nodes of the integral to buffer and returns the largest logarithm among them. The range ends
// where the integrand has fallen by 40 e-folds.
func (m ParetoNBD) leaving(x, tx, t float64, buffer []node) (nodes []node, peak float64) {
	k, small := m.R+x, math.Min(m.Alpha, m.Beta)
	end := math.Min(t, (m.Alpha+tx)*math.Exp(40/k)-m.Alpha)
	peak = math.Inf(-1)
	if !(end > tx) {
		return buffer, peak
	}
	from, length := math.Log(small+tx), math.Log1p((end-tx)/(small+tx))
	r := ruleFor(length, k*math.Log1p((end-tx)/(m.Alpha+tx)))
	logS := math.Log(m.S)
	for j, at := range r.x {
		n := node{weight: length * r.w[j]}
		u := from + length*at
		n.y = math.Exp(u) - small
		n.logAlpha, n.logBeta = u, u
		if m.Alpha > m.Beta {
			n.logAlpha = math.Log(m.Alpha + n.y)
		} else {
			n.logBeta = math.Log(m.Beta + n.y)
		}
		n.log = logS + u - k*n.logAlpha - (m.S+1)*n.logBeta
		peak = math.Max(peak, n.log)
		buffer = append(buffer, n)
	}
	return buffer, peak
}

// paretoNBD is the likelihood. Parameters: r, alpha, s, beta.
type paretoNBD struct{ p *Population }

func (l paretoNBD) rows() int            { return len(l.p.histories) }
func (l paretoNBD) weight(i int) float64 { return float64(l.p.histories[i].Count) }

func (l paretoNBD) at(theta []float64) rowDensity {
	v := exps(theta)
	r, alpha, s, beta := v[0], v[1], v[2], v[3]
	m := ParetoNBD{r, alpha, s, beta}
	type level struct{ base, dr float64 }
	levels := make([]level, len(l.p.levels))
	for i, x := range l.p.levels {
		levels[i] = level{
			base: lgamma(r+x) - lgamma(r) + r*theta[1] + s*theta[3],
			dr:   mathext.Digamma(r+x) - mathext.Digamma(r) + theta[1],
		}
	}
	buffer := make([]node, 0, len(rules[len(rules)-1].x))
	return func(i int, score []float64) float64 {
		h, t := &l.p.histories[i], &levels[l.p.levelOf[i]]
		st := m.states(h.X, h.Tx, h.T, buffer)
		if score != nil {
			score[0] = r * (t.dr - st.logAlpha)
			score[1] = r - alpha*(r+h.X)*st.invAlpha
			score[2] = s*(theta[3]-st.logBeta) + st.left
			score[3] = s - beta*(s*st.invBeta+(s+1)*st.invBetaOut)
		}
		return t.base + st.logSum
	}
}

// starts are two places around the observed rate of purchase and length of history.
func (l paretoNBD) starts() [][]float64 {
	scale := weeksPerPurchase(l.p)
	return [][]float64{
		logs(0.5, 0.6*scale, 0.6, 0.3*math.Max(1, l.p.weeks)),
		logs(1, scale, 1, math.Max(1, l.p.weeks)),
	}
}
