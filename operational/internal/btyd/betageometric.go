package btyd

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// betaGeometric is the likelihood that BG/NBD and MBG/NBD share: purchases come at a gamma(r, alpha) distributed rate
// and the customer leaves with a beta(a, b) distributed probability after a purchase. In BG/NBD (Fader, Hardie & Lee
// 2005, eq. 6) that is after each repeat purchase, in MBG/NBD (Batislam, Denizel & Filiztekin 2007) after the first
// purchase too, which adds one chance to leave: extra is 0 or 1.
//
// Parameters: r, alpha (weeks), a, b.
type betaGeometric struct {
	p     *Population
	extra float64
}

func (l betaGeometric) rows() int            { return len(l.p.histories) }
func (l betaGeometric) weight(i int) float64 { return float64(l.p.histories[i].Count) }

// leavable reports whether a customer with x repeats had a chance to leave.
func (l betaGeometric) leavable(x float64) bool { return x+l.extra > 0 }

// levelTerms are the parts of a log-density, and of its derivatives, that depend on x alone.
type levelTerms struct {
	base, leave    float64 // leave = ln a - ln(b+c-1), c the chances to leave
	dr, da, db, dl float64
}

func (l betaGeometric) levels(r, alpha, a, b float64) []levelTerms {
	terms := make([]levelTerms, len(l.p.levels))
	psiR, psiB, psiAB := mathext.Digamma(r), mathext.Digamma(b), mathext.Digamma(a+b)
	for i, x := range l.p.levels {
		c := x + l.extra
		psiABC := mathext.Digamma(a + b + c)
		t := levelTerms{
			base: lgamma(r+x) - lgamma(r) + r*math.Log(alpha) + lgamma(b+c) - lgamma(a+b+c) - lgamma(b) + lgamma(a+b),
			dr:   mathext.Digamma(r+x) - psiR + math.Log(alpha),
			da:   psiAB - psiABC,
			db:   mathext.Digamma(b+c) - psiABC - psiB + psiAB,
		}
		if l.leavable(x) {
			t.leave = math.Log(a) - math.Log(b+c-1)
			t.dl = 1 / (b + c - 1)
		}
		terms[i] = t
	}
	return terms
}

func (l betaGeometric) at(theta []float64) rowDensity {
	v := exps(theta)
	r, alpha, a, b := v[0], v[1], v[2], v[3]
	levels, logTimes := l.levels(r, alpha, a, b), l.p.logTimes(alpha)
	return func(i int, score []float64) float64 {
		h, t, at := &l.p.histories[i], &levels[l.p.levelOf[i]], l.p.timesOf[i]
		logT := logTimes[at.t]
		stays := -(r + h.X) * logT
		sum, alive, left, logTx := stays, 1.0, 0.0, 0.0
		if l.leavable(h.X) {
			logTx = logTimes[at.tx]
			sum, alive, left = logAdd(stays, t.leave-(r+h.X)*logTx)
		}
		if score != nil {
			score[0] = r * (t.dr - alive*logT - left*logTx)
			score[1] = r - alpha*(r+h.X)*(alive/(alpha+h.T)+left/(alpha+h.Tx))
			score[2] = a*t.da + left
			score[3] = b * (t.db - left*t.dl)
		}
		return t.base + sum
	}
}

// logTimes are the logarithms of alpha + each of the times.
func (p *Population) logTimes(alpha float64) []float64 {
	out := make([]float64, len(p.times))
	for i, t := range p.times {
		out[i] = math.Log(alpha + t)
	}
	return out
}

// starts are four places around the observed rate of purchase, which sets the scale of alpha.
func (l betaGeometric) starts() [][]float64 {
	scale := weeksPerPurchase(l.p)
	return [][]float64{
		logs(0.5, 0.25*scale, 0.8, 2.4),
		logs(0.25, 0.1*scale, 0.5, 1),
		logs(1, scale, 1, 1),
		logs(2, 0.5*scale, 2, 6),
	}
}

// weeksPerPurchase is the mean time between purchases of all customers, kept from 0 and infinity.
func weeksPerPurchase(p *Population) float64 {
	purchases, weeks := 1.0, 1.0
	for _, h := range p.histories {
		purchases += float64(h.Count) * h.X
		weeks += float64(h.Count) * h.T
	}
	return weeks / purchases
}

// pAlive is the probability that a customer with this history has not left (Fader, Hardie & Lee 2008, note).
func (l betaGeometric) pAlive(v [4]float64, x, tx, t float64) float64 {
	if !l.leavable(x) {
		return 1
	}
	r, alpha, a, b := v[0], v[1], v[2], v[3]
	odds := math.Log(a) - math.Log(b+x+l.extra-1) + (r+x)*(math.Log(alpha+t)-math.Log(alpha+tx))
	if odds > 0 {
		e := math.Exp(-odds)
		return e / (1 + e)
	}
	return 1 / (1 + math.Exp(odds))
}

// expectedGiven is the expected number of purchases in (T, T+weeks] of a customer with this history.
func (l betaGeometric) expectedGiven(v [4]float64, x, tx, t, weeks float64) float64 {
	return l.pAlive(v, x, tx, t) * aliveMean(v[0]+x, v[1]+t, v[2], v[3]+x+l.extra, weeks)
}

// probabilityGiven is that of n purchases in (T, T+weeks] of a customer with this history. What is known of a customer
// who is alive is again a gamma rate and a beta chance to leave, after each purchase to come.
func (l betaGeometric) probabilityGiven(v [4]float64, n int, x, tx, t, weeks float64) float64 {
	alive := l.pAlive(v, x, tx, t)
	p := alive * betaGeometric{}.probability([4]float64{v[0] + x, v[1] + t, v[2], v[3] + x + l.extra}, n, weeks)
	if n == 0 {
		p += 1 - alive
	}
	return p
}

// expected is E[X(weeks)] of a customer about whom nothing is known but the first purchase.
func (l betaGeometric) expected(v [4]float64, weeks float64) float64 {
	return math.Pow(v[3]/(v[2]+v[3]), l.extra) * aliveMean(v[0], v[1], v[2], v[3]+l.extra, weeks)
}

// probability is P(X(weeks) = n): either all chances to leave were let pass and n purchases fell into the time, or the
// customer left at the nth and there was time for n or more.
func (l betaGeometric) probability(v [4]float64, n int, weeks float64) float64 {
	r, alpha, a, b := v[0], v[1], v[2], v[3]
	x := float64(n)
	c := x + l.extra
	z := weeks / (alpha + weeks)
	count := math.Exp(lgamma(r+x) - lgamma(r) - lgamma(x+1) + r*math.Log1p(-z) + xlogy(x, z))
	p := math.Exp(mathext.Lbeta(a, b+c)-mathext.Lbeta(a, b)) * count
	if !l.leavable(x) {
		return p
	}
	reach := 1.0
	if n > 0 {
		reach = mathext.RegIncBeta(x, r, z)
	}
	return p + math.Exp(mathext.Lbeta(a+1, b+c-1)-mathext.Lbeta(a, b))*reach
}

// wait is the time by which the next purchase has come with a probability of share, solved for from
//
//	P(alive) [1 - ((alpha+T)/(alpha+T+weeks))^(r+x)] = share,
//
// +Inf where P(alive) is not above it.
func (l betaGeometric) wait(v [4]float64, x, tx, t, share float64) float64 {
	alive := l.pAlive(v, x, tx, t)
	if !(alive > share) {
		return math.Inf(1)
	}
	return (v[1] + t) * math.Expm1(-math.Log1p(-share/alive)/(v[0]+x))
}

// logAdd returns ln(e^p + e^q) and the shares of the two terms.
func logAdd(p, q float64) (sum, shareP, shareQ float64) {
	if p >= q {
		e := math.Exp(q - p)
		return p + math.Log1p(e), 1 / (1 + e), e / (1 + e)
	}
	e := math.Exp(p - q)
	return q + math.Log1p(e), e / (1 + e), 1 / (1 + e)
}

// lgamma is ln Γ(x) for x > 0.
func lgamma(x float64) float64 {
	v, _ := math.Lgamma(x)
	return v
}

// xlogy is x ln y, and 0 where x is 0.
func xlogy(x, y float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(y)
}
