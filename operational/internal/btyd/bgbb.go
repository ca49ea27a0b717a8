package btyd

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mathext"

	"github.com/strata-crm/strata/shared/fault"
)

// Opportunities is what BG/BB needs to know of Count customers who are alike: how they used the N chances to buy, one a
// period, that came after the first purchase.
type Opportunities struct {
	X     int // chances taken
	Tx    int // the last chance taken, 1 to N; 0 when X is 0
	N     int // chances there were
	Count int // customers with exactly these figures
}

func (o Opportunities) valid() bool {
	return o.Count >= 1 && o.X >= 0 && o.X <= o.Tx && o.Tx <= o.N && (o.X > 0) == (o.Tx > 0)
}

// BGBB is the beta-geometric/beta-binomial model of Fader, Hardie & Shang (2010): at each chance a customer buys with a
// beta(Alpha, Beta) distributed probability, and before each leaves with a beta(Gamma, Delta) distributed one. All
// parameters are positive.
type BGBB struct{ Alpha, Beta, Gamma, Delta float64 }

// FitBGBB finds the maximum of the likelihood. It fails (Invalid) on customers that cannot be, and refuses with
// model_not_identified when there are fewer repeaters than g.MinRepeaters or the maximum is not a regular one. The
// history is counted in chances, so g.MinWeeks does not apply.
func FitBGBB(customers []Opportunities, g Gates) (*Fit[BGBB], error) {
	l, err := newBGBB(customers)
	if err != nil {
		return nil, err
	}
	repeaters := 0
	for _, c := range l {
		if c.X > 0 {
			repeaters += c.Count
		}
	}
	if err := g.checkRepeaters(repeaters); err != nil {
		return nil, err
	}
	e, err := maximise(l, [][]float64{logs(1, 1, .5, 2), logs(.5, 2, 1, 3), logs(2, .5, 1, 10)})
	if err != nil {
		return nil, err
	}
	return newFit(e, func(v []float64) BGBB { return BGBB{v[0], v[1], v[2], v[3]} }), nil
}

// LogLikelihood is the natural logarithm of the likelihood of the customers. It fails (Invalid) on customers that
// cannot be.
func (m BGBB) LogLikelihood(customers []Opportunities) (float64, error) {
	l, err := newBGBB(customers)
	if err != nil {
		return 0, err
	}
	return total(l, m.theta(), nil), nil
}

func (m BGBB) theta() []float64 { return logs(m.Alpha, m.Beta, m.Gamma, m.Delta) }

// PAlive is the probability that a customer who took x of n chances, the last at tx, has not left by the nth.
func (m BGBB) PAlive(x, tx, n int) float64 {
	terms := bgbbTerms(Opportunities{X: x, Tx: tx, N: n}, m)
	return math.Exp(terms[0] - logSum(terms))
}

// ExpectedGiven is the expected number of chances taken of the next ones (Fader, Hardie & Shang 2010, eq. 13, summed
// over the chances, which holds for every Gamma).
func (m BGBB) ExpectedGiven(x, tx, n, next int) float64 {
	constant := mathext.Lbeta(m.Alpha+float64(x)+1, m.Beta+float64(n-x)) - mathext.Lbeta(m.Alpha, m.Beta) -
		logSum(bgbbTerms(Opportunities{X: x, Tx: tx, N: n}, m))
	sum := 0.0
	for i := range next {
		sum += math.Exp(constant + m.logStays(n+i+1))
	}
	return sum
}

// Expected is the expected number of the first n chances that a random customer takes.
func (m BGBB) Expected(n int) float64 { return m.ExpectedGiven(0, 0, 0, n) }

// logStays is the logarithm of the probability to stay for n chances.
func (m BGBB) logStays(n int) float64 {
	return mathext.Lbeta(m.Gamma, m.Delta+float64(n)) - mathext.Lbeta(m.Gamma, m.Delta)
}

// bgbbTerms are the logarithms of the probabilities of the ways to a history: stayed for all chances, then left after
// chance Tx, Tx+1, ... N-1 (Fader, Hardie & Shang 2010, eq. 4).
func bgbbTerms(o Opportunities, m BGBB) []float64 {
	buys := func(chances int) float64 {
		return mathext.Lbeta(m.Alpha+float64(o.X), m.Beta+float64(chances-o.X)) - mathext.Lbeta(m.Alpha, m.Beta)
	}
	terms := []float64{buys(o.N) + m.logStays(o.N)}
	for n := o.Tx; n < o.N; n++ {
		leaves := mathext.Lbeta(m.Gamma+1, m.Delta+float64(n)) - mathext.Lbeta(m.Gamma, m.Delta)
		terms = append(terms, buys(n)+leaves)
	}
	return terms
}

// logSum is ln of the sum of e^terms.
func logSum(terms []float64) float64 {
	peak, sum := slices.Max(terms), 0.0
	for _, t := range terms {
		sum += math.Exp(t - peak)
	}
	return peak + math.Log(sum)
}

// bgbb is the likelihood. Parameters: alpha, beta, gamma, delta.
type bgbb []Opportunities

// newBGBB sorts the customers, so that sums do not depend on their order.
func newBGBB(customers []Opportunities) (bgbb, error) {
	for _, o := range customers {
		if !o.valid() {
			return nil, fault.New(fault.Invalid, fault.InvalidItem, "customer %+v: need a count of at least 1, "+
				"0 <= X <= Tx <= N, and Tx 0 exactly where X is 0", o)
		}
	}
	if len(customers) == 0 {
		return nil, fault.New(fault.Invalid, fault.NoData, "no customers: a model needs at least one purchase history")
	}
	l := slices.Clone(customers)
	slices.SortFunc(l, func(a, b Opportunities) int {
		return slices.Compare([]int{a.X, a.Tx, a.N, a.Count}, []int{b.X, b.Tx, b.N, b.Count})
	})
	return l, nil
}

func (l bgbb) rows() int            { return len(l) }
func (l bgbb) weight(i int) float64 { return float64(l[i].Count) }

func (l bgbb) at(theta []float64) rowDensity {
	v := exps(theta)
	m := BGBB{v[0], v[1], v[2], v[3]}
	return func(i int, score []float64) float64 {
		terms := bgbbTerms(l[i], m)
		sum := logSum(terms)
		if score != nil {
			m.score(l[i], terms, sum, score)
		}
		return sum
	}
}

// score is the mean of the derivatives of the terms, weighted by their shares of the likelihood.
func (m BGBB) score(o Opportunities, terms []float64, sum float64, score []float64) {
	psi := mathext.Digamma
	clear(score)
	for i, t := range terms {
		chances, leaves := o.N, 0.0
		if i > 0 {
			chances, leaves = o.Tx+i-1, 1
		}
		share, n := math.Exp(t-sum), float64(chances)
		psiBuy := psi(m.Alpha+m.Beta) - psi(m.Alpha+m.Beta+n)
		psiLeave := psi(m.Gamma+m.Delta) - psi(m.Gamma+m.Delta+n+leaves)
		score[0] += share * m.Alpha * (psi(m.Alpha+float64(o.X)) - psi(m.Alpha) + psiBuy)
		score[1] += share * m.Beta * (psi(m.Beta+n-float64(o.X)) - psi(m.Beta) + psiBuy)
		score[2] += share * m.Gamma * (psi(m.Gamma+leaves) - psi(m.Gamma) + psiLeave)
		score[3] += share * m.Delta * (psi(m.Delta+n) - psi(m.Delta) + psiLeave)
	}
}
