package btyd

// MBGNBD is the modified beta-geometric/NBD model of Batislam, Denizel & Filiztekin (2007): as [BGNBD], but a customer
// may leave right after the first purchase as well, so that one-time buyers are not all counted alive. All parameters
// are positive.
type MBGNBD struct {
	R     float64 // shape of the purchase rate
	Alpha float64 // rate of the purchase rate, in weeks
	A, B  float64 // of the probability to leave after a purchase
}

func (m MBGNBD) params() [4]float64 { return [4]float64{m.R, m.Alpha, m.A, m.B} }

// FitMBGNBD finds the maximum of the likelihood. It refuses with model_not_identified when a gate fails or the maximum
// is not a regular one.
func FitMBGNBD(p *Population, g Gates) (*Fit[MBGNBD], error) {
	l := betaGeometric{p, 1}
	e, err := g.fit(p, l, l.starts())
	if err != nil {
		return nil, err
	}
	return newFit(e, func(v []float64) MBGNBD { return MBGNBD{v[0], v[1], v[2], v[3]} }), nil
}

// LogLikelihood is the natural logarithm of the likelihood of the population.
func (m MBGNBD) LogLikelihood(p *Population) float64 {
	return total(betaGeometric{p, 1}, logs(m.R, m.Alpha, m.A, m.B), nil)
}

// PAlive is the probability, in [0, 1], that a customer with x repeats, the last tx weeks after the first purchase, is
// still a customer t weeks after it.
func (m MBGNBD) PAlive(x, tx, t float64) float64 {
	return betaGeometric{extra: 1}.pAlive(m.params(), x, tx, t)
}

// ExpectedGiven is the expected number of purchases of such a customer in the next weeks.
func (m MBGNBD) ExpectedGiven(x, tx, t, weeks float64) float64 {
	return betaGeometric{extra: 1}.expectedGiven(m.params(), x, tx, t, weeks)
}

// Expected is the expected number of repeat purchases of a random customer in the first weeks after the first purchase.
func (m MBGNBD) Expected(weeks float64) float64 {
	return betaGeometric{extra: 1}.expected(m.params(), weeks)
}

// Probability is that of exactly n repeat purchases (n >= 0) of a random customer in the first weeks.
func (m MBGNBD) Probability(n int, weeks float64) float64 {
	return betaGeometric{extra: 1}.probability(m.params(), n, weeks)
}

// ProbabilityGiven is that of exactly n purchases (n >= 0) in the next weeks of a customer with such a history.
func (m MBGNBD) ProbabilityGiven(n int, x, tx, t, weeks float64) float64 {
	return betaGeometric{extra: 1}.probabilityGiven(m.params(), n, x, tx, t, weeks)
}

func (m MBGNBD) wait(x, tx, t, share float64) float64 {
	return betaGeometric{extra: 1}.wait(m.params(), x, tx, t, share)
}
