package metric

import (
	"cmp"
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Z95 is the 97.5 % point of the normal distribution.
const Z95 = 1.959963984540054

// Result is a value with its error, before it is somebody's measurement. Value is nil where Reason says why.
type Result struct {
	Value, StdErr, Low, High *float64
	Numerator, Denominator   *float64
	Median, P90              *float64
	N                        int64
	Reason                   *contract.Reason
	Parts                    []contract.Part
	Model                    *contract.ModelFit
	// Smallest is how many customers are in the smallest group that can be read from the whole; 0 if it tells of nobody.
	// Parts are of a group or more.
	Smallest int64
}

// valued turns the moments of the whole into a result.
//
// The standard error is that of a smooth function f of sums over independent customers who arrive as a Poisson process:
// Var f(Σz) ≈ g' (Σ z z') g with g the gradient of f at Σz. For a sum it is Σ z² (compound Poisson); for a ratio of
// sums, whose gradient is orthogonal to Σz, it is the linearised ratio variance Σ (y − R x)²/(Σ x)² with customers as
// clusters (Cochran, Sampling Techniques, 1977, eq. 2.46 and section 6.4).
func (p *Program) valued(g Group) Result {
	v, ok := p.value(g.Sums)
	if !ok {
		return Result{N: g.N, Smallest: g.N, Reason: &contract.Reason{Code: fault.ZeroDenominator, Item: string(p.c.Metric.ID)}}
	}
	r := Result{Value: &v, N: g.N, Median: g.Median, P90: g.P90, Smallest: g.N}
	se := math.Sqrt(max(0, quadratic(gradient(p.value, g.Sums), g.Products)))
	low, high := v-Z95*se, v+Z95*se
	if p.ratio {
		r.Numerator, r.Denominator = &g.Sums[0], &g.Sums[1]
		if proportion(g) {
			low, high = Wilson(g.Sums[0], g.Sums[1])
		}
		r.Smallest = p.smallest(g)
	}
	r.StdErr, r.Low, r.High = &se, &low, &high
	return r
}

// proportion reports whether every customer's denominator is 0 or 1 and their numerator no more: then Σ of squares and
// products equal the sums.
func proportion(g Group) bool {
	return len(g.Sums) == 2 && g.Products[0][0] == g.Sums[0] && g.Products[1][1] == g.Sums[1] && g.Products[0][1] == g.Sums[0]
}

// cell returns the smaller of numerator and complement, where neither is empty: exactly none and exactly all tell of no
// single customer. Otherwise it returns the denominator.
func cell(numerator, denominator float64) int64 {
	if numerator == 0 || numerator == denominator {
		return int64(denominator)
	}
	return int64(min(numerator, denominator-numerator))
}

// Wilson returns the 95 % score interval of a proportion of y out of n > 0 (Wilson 1927).
func Wilson(y, n float64) (low, high float64) {
	p, zz := y/n, Z95*Z95
	centre := (p + zz/(2*n)) / (1 + zz/n)
	half := Z95 / (1 + zz/n) * math.Sqrt(p*(1-p)/n+zz/(4*n*n))
	return max(0, centre-half), min(1, centre+half)
}

// gradient returns the gradient of f at x by central differences, exact to rounding for ratios of degree one.
func gradient(f func([]float64) (float64, bool), x []float64) []float64 {
	g := make([]float64, len(x))
	at := make([]float64, len(x))
	for i := range x {
		h := 1e-6 * max(1, math.Abs(x[i]))
		copy(at, x)
		at[i] = x[i] + h
		up, ok1 := f(at)
		at[i] = x[i] - h
		down, ok2 := f(at)
		if ok1 && ok2 {
			g[i] = (up - down) / (2 * h)
		}
	}
	return g
}

func quadratic(g []float64, m [][]float64) float64 {
	var s float64
	for i := range g {
		for j := range g {
			s += g[i] * m[i][j] * g[j]
		}
	}
	return s
}

// mostParts is how many parts a measurement has at most.
const mostParts = 50

// parts returns the groups of a dimension as parts whose n sum to the whole's. Groups that are too small to show, and
// the smallest of very many, are merged as "other"; if that is itself too small, there are no parts.
func (p *Program) parts(groups []Group, least int64) []contract.Part {
	groups = slices.Clone(groups)
	slices.SortFunc(groups, func(a, b Group) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Key, b.Key)) })
	var shown, rest []Group
	for _, g := range groups {
		switch {
		case g.N == 0:
		case g.Key == KeyOther || p.small(g, least) || len(shown) == mostParts-1:
			rest = append(rest, g)
		default:
			shown = append(shown, g)
		}
	}
	var out []contract.Part
	for _, g := range shown {
		out = append(out, part(g))
	}
	slices.SortFunc(out, func(a, b contract.Part) int { return cmp.Compare(a.Key, b.Key) })
	if len(rest) == 0 {
		return out
	}
	other := total(rest, len(p.measures))
	other.Key = KeyOther
	if p.small(other, least) {
		return nil
	}
	return append(out, part(other))
}

func part(g Group) contract.Part {
	return contract.Part{Key: g.Key, N: g.N, Value: g.Sums[0] / g.Sums[1]}
}

// small reports whether a group, or one that can be read from it, has too few customers; also where it has no quotient.
func (p *Program) small(g Group, least int64) bool { return g.Sums[1] == 0 || p.smallest(g) < least }

// smallest returns how many customers are in the smallest group that can be read from a ratio: all that it rests on,
// those in its numerator, and, of a share, those who are not. A numerator of nobody tells of no single customer.
func (p *Program) smallest(g Group) int64 {
	n := g.N
	if g.Having > 0 {
		n = min(n, g.Having)
	}
	if p.share(g) {
		n = min(n, cell(g.Sums[0], g.Sums[1]))
	}
	return n
}

// share reports whether the numerator is a part of the denominator, so that its complement can be read from the value.
func (p *Program) share(g Group) bool {
	return proportion(g) || p.c.Metric.Unit == contract.Ratio && p.bounded() && g.Sums[0] <= g.Sums[1]
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
