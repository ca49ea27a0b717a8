package btyd

// Fit is a model with what is known about its parameters.
type Fit[M any] struct {
	Model         M
	LogLikelihood float64   // natural logarithm, summed over the customers the model is fitted on
	StdErrs       []float64 // of the parameters, in the order of the model's fields, from the observed information
	Evaluations   int       // of likelihood and gradient on all customers
	estimate      *estimate
	build         func(v []float64) M // the model with these parameters
}

func newFit[M any](e *estimate, build func(v []float64) M) *Fit[M] {
	return &Fit[M]{Model: build(exps(e.theta)), LogLikelihood: e.logLik, StdErrs: e.stdErrs(), Evaluations: e.evals, estimate: e, build: build}
}

// BGNBD is the beta-geometric/NBD model of Fader, Hardie & Lee (2005). A customer without a repeat purchase is alive
// with probability 1 in it; use [MBGNBD] to count who is alive. All parameters are positive.
type BGNBD struct {
	R     float64 // shape of the purchase rate
	Alpha float64 // rate of the purchase rate, in weeks
	A, B  float64 // of the probability to leave after a repeat purchase
}

func (m BGNBD) params() [4]float64 { return [4]float64{m.R, m.Alpha, m.A, m.B} }

// FitBGNBD finds the maximum of the likelihood. It refuses with model_not_identified when a gate fails or the maximum
// is not a regular one.
func FitBGNBD(p *Population, g Gates) (*Fit[BGNBD], error) {
	l := betaGeometric{p, 0}
	e, err := g.fit(p, l, l.starts())
	if err != nil {
		return nil, err
	}
	return newFit(e, func(v []float64) BGNBD { return BGNBD{v[0], v[1], v[2], v[3]} }), nil
}

// LogLikelihood is the natural logarithm of the likelihood of the population.
func (m BGNBD) LogLikelihood(p *Population) float64 {
	return total(betaGeometric{p, 0}, logs(m.R, m.Alpha, m.A, m.B), nil)
}

// PAlive is the probability, in [0, 1], that a customer with x repeats, the last tx weeks after the first purchase, is
// still a customer t weeks after it.
func (m BGNBD) PAlive(x, tx, t float64) float64 { return betaGeometric{}.pAlive(m.params(), x, tx, t) }

// ExpectedGiven is the expected number of purchases of such a customer in the next weeks.
func (m BGNBD) ExpectedGiven(x, tx, t, weeks float64) float64 {
	return betaGeometric{}.expectedGiven(m.params(), x, tx, t, weeks)
}

// Expected is the expected number of repeat purchases of a random customer in the first weeks after the first purchase.
func (m BGNBD) Expected(weeks float64) float64 { return betaGeometric{}.expected(m.params(), weeks) }

// Probability is that of exactly n repeat purchases (n >= 0) of a random customer in the first weeks.
func (m BGNBD) Probability(n int, weeks float64) float64 {
	return betaGeometric{}.probability(m.params(), n, weeks)
}

// ProbabilityGiven is that of exactly n purchases (n >= 0) in the next weeks of a customer with such a history.
func (m BGNBD) ProbabilityGiven(n int, x, tx, t, weeks float64) float64 {
	return betaGeometric{}.probabilityGiven(m.params(), n, x, tx, t, weeks)
}

func (m BGNBD) wait(x, tx, t, share float64) float64 {
	return betaGeometric{}.wait(m.params(), x, tx, t, share)
}
