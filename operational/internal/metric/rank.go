package metric

import "math"

// Ranks returns the ranks, from 1, of the two values between which a percentile lies with 95 %: of n rows as the customers who
// gave them could have been others. squares is Σ nᵢ² over customers with nᵢ rows each.
//
// How many of n independent rows lie below the percentile is binomial (n, p), whatever the rows are distributed like, and
// so the percentile lies between the order statistics of ranks n·p ± z·√(n·p·(1 − p)) (David & Nagaraja, Order
// Statistics, 3rd ed. 2003, section 7.1), taken one rank further outwards, since the normal distribution is not quite the binomial.
//
// Rows of one customer are not independent: the variance is that of Σ (bᵢ − p·nᵢ) over customers of whose nᵢ rows bᵢ lie below,
// which is Σ (bᵢ − p·nᵢ)² (as of any ratio: Cochran, Sampling Techniques, 1977, section 6.4). As bᵢ lies between 0 and nᵢ, that is max(p, 1 − p)²·Σ nᵢ²
// at most, which is taken where anybody has several rows: for a median p·(1 − p)·Σ nᵢ² itself, further outwards for other percentiles,
// since whoever has many rows may have the high ones. So the variance is never taken for too small, and of customers with one row each
// the interval is the plain one.
//
// It is false where too few rows lie on one side of the percentile for a limit to be known.
func Ranks(p float64, n, squares int64) (low, high int64, ok bool) {
	of := p * (1 - p)
	if squares != n {
		of = Apart(p)
	}
	at, half := p*float64(n), Z95*math.Sqrt(of*float64(squares))
	low, high = int64(math.Floor(at-half)), int64(math.Ceil(at+half))+1
	return low, high, low >= 1 && high <= n
}

// Apart is the most by which a row's lying below the percentile or not can differ from p, squared.
func Apart(p float64) float64 { return max(p, 1-p) * max(p, 1-p) }

// between puts the interval of a percentile on the result, unless fewer customers than a group may lie beyond one of its limits.
func (r *Result) between(s Statistic, p float64, group int64) {
	low, high, ok := Ranks(p, s.Rows, s.Squares)
	if !ok || s.Low == nil || s.High == nil {
		return
	}
	if fewest(s, min(low, s.Rows-high+1)) >= group {
		r.Low, r.High = s.Low, s.High
	}
}

// fewest returns how many customers some of the rows are of at the least, whichever rows they are: no more rows than there are beyond
// one of each customer can be of somebody counted already, and of mᵢ ≤ nᵢ rows each, (Σ mᵢ)² / Σ nᵢ² customers have one
// at least (Cauchy and Schwarz).
func fewest(s Statistic, rows int64) int64 {
	spread := float64(rows) * float64(rows) / float64(s.Squares)
	return max(rows-(s.Rows-s.Customers), int64(math.Ceil(spread-1e-9)))
}

// counted puts the interval of a number of different values on the result: of the customers one could have had, as a total's is.
//
// By Poincaré's inequality for functions of a Poisson process (Last & Penrose, Lectures on the Poisson Process, 2017,
// theorem 18.7) the variance is the expected Σ sᵢ² at most, with sᵢ by how much the number falls without customer i: the values
// that nobody else has. Of a sum it is that exactly. Where fewer customers than a group have such values, it is as if they
// were a group with one each; where those few have more than that, no interval is told.
func (r *Result) counted(s Statistic, group int64) {
	squares := float64(s.Squares)
	if s.Alone > 0 && s.Alone < group {
		if s.Squares > group {
			return
		}
		squares = float64(group)
	}
	se := math.Sqrt(squares)
	low, high := max(0, *r.Value-Z95*se), *r.Value+Z95*se // a number of values is none at least
	r.StdErr, r.Low, r.High = &se, &low, &high
}
