package btyd

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// GammaGamma is the model of mean spend of Fader, Hardie & Lee (2005): a purchase is gamma(P, v) distributed and v,
// different for every customer, gamma(Q, Gamma). All parameters are positive; spend must not depend on frequency.
type GammaGamma struct {
	P     float64 // shape of a single purchase
	Q     float64 // shape of the customers' scale
	Gamma float64 // rate of the customers' scale, in currency units
}

// FitGammaGamma finds the maximum of the likelihood over repeaters with a positive mean spend; a repeater whose orders
// were all free has no density in this model (ln 0) and is left out of the fit, though not of a forecast. It refuses
// with model_not_identified when a gate fails, when no repeater has spent anything, when the maximum is not a regular
// one, or when it has Q <= 1, where the mean spend of a new customer is infinite.
func FitGammaGamma(p *Population, g Gates) (*Fit[GammaGamma], error) {
	if err := g.check(p); err != nil {
		return nil, err
	}
	l := gammaGamma{p}
	if l.rows() == 0 {
		return nil, notIdentified("no repeater has a positive mean spend: send the revenue of the orders")
	}
	e, err := maximise(l, l.starts())
	if err != nil {
		return nil, err
	}
	e.population = p
	if q := math.Exp(e.theta[1]); q <= 1 {
		return nil, notIdentified("Gamma-Gamma has q = %.3g <= 1, a spend without a mean: cap extreme orders or wait for more data", q)
	}
	return newFit(e, func(v []float64) GammaGamma { return GammaGamma{v[0], v[1], v[2]} }), nil
}

// LogLikelihood is the natural logarithm of the likelihood of the repeaters with positive spend.
func (m GammaGamma) LogLikelihood(p *Population) float64 {
	return total(gammaGamma{p}, logs(m.P, m.Q, m.Gamma), nil)
}

// ExpectedSpend is the expected revenue of one purchase of a customer whose x repeats had a mean of spend: a weighted
// mean of the customer's own and the population's. Positive and finite for Q > 1, x >= 0, spend >= 0.
func (m GammaGamma) ExpectedSpend(x, spend float64) float64 {
	return m.P * (m.Gamma + x*spend) / (m.P*x + m.Q - 1)
}

// spendGradient writes the derivatives of ExpectedSpend by the log-parameters.
func (m GammaGamma) spendGradient(x, spend float64, grad []float64) {
	d := m.P*x + m.Q - 1
	e := m.ExpectedSpend(x, spend)
	grad[0] = e * (m.Q - 1) / d
	grad[1] = -e * m.Q / d
	grad[2] = m.P * m.Gamma / d
}

// gammaGamma is the likelihood (Fader & Hardie 2013, eq. 1a). Parameters: p, q, gamma.
type gammaGamma struct{ p *Population }

func (l gammaGamma) rows() int            { return len(l.p.spends) }
func (l gammaGamma) weight(i int) float64 { return float64(l.p.spends[i].Count) }

func (l gammaGamma) at(theta []float64) rowDensity {
	v := exps(theta)
	p, q, gamma := v[0], v[1], v[2]
	type level struct{ base, dp, dq float64 }
	levels := make([]level, len(l.p.levels))
	for i, x := range l.p.levels {
		if x > 0 {
			both := mathext.Digamma(p*x + q)
			levels[i] = level{
				base: lgamma(p*x+q) - lgamma(p*x) - lgamma(q) + q*math.Log(gamma) + p*x*math.Log(x),
				dp:   x * (both - mathext.Digamma(p*x) + math.Log(x)),
				dq:   both - mathext.Digamma(q) + math.Log(gamma),
			}
		}
	}
	return func(i int, score []float64) float64 {
		s, t := &l.p.spends[i], &levels[l.p.spendLevel[i]]
		x, spread := s.X, gamma+s.X*s.Spend
		logM, logSpread := math.Log(s.Spend), math.Log(spread)
		if score != nil {
			score[0] = p * (t.dp + x*(logM-logSpread))
			score[1] = q * (t.dq - logSpread)
			score[2] = q - gamma*(p*x+q)/spread
		}
		return t.base + (p*x-1)*logM - (p*x+q)*logSpread
	}
}

// starts take the mean spend for the scale of gamma.
func (l gammaGamma) starts() [][]float64 {
	sum, n := 0.0, 0.0
	for _, s := range l.p.spends {
		sum += float64(s.Count) * s.Spend
		n += float64(s.Count)
	}
	mean := sum / n
	return [][]float64{logs(5, 3, 0.4*mean), logs(1, 2, mean), logs(20, 8, 0.35*mean)}
}
