package churn

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/strata-crm/strata/operational/internal/predict"
)

// AUC is the probability that a random customer who left has a higher probability than a random one who stayed, ties
// counting half (Hanley & McNeil 1982): exact, by ranks. It is false where either class is empty.
func AUC(probability []float64, churned []bool) (float64, bool) {
	order := byProbability(probability)
	events, ranks := 0, 0.0
	for from := 0; from < len(order); {
		to := from
		left := 0
		for to < len(order) && probability[order[to]] == probability[order[from]] {
			if churned[order[to]] {
				left++
			}
			to++
		}
		events += left
		ranks += float64(left) * float64(from+1+to) / 2 // mean rank of the tied
		from = to
	}
	stayed := len(order) - events
	if events == 0 || stayed == 0 {
		return 0, false
	}
	n1 := float64(events)
	return (ranks - n1*(n1+1)/2) / (n1 * float64(stayed)), true
}

func byProbability(probability []float64) []int {
	order := make([]int, len(probability))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(probability[a], probability[b]) })
	return order
}

// Brier is the mean squared distance of probability and outcome (Brier 1950), in [0, 1]; smaller is better. There must
// be a customer.
func Brier(probability []float64, churned []bool) float64 {
	sum := 0.0
	for i, p := range probability {
		d := p - outcome(churned[i])
		sum += d * d
	}
	return sum / float64(len(probability))
}

// LogLoss is the mean of -ln of the probability given to what happened, probabilities kept 1e-15 from 0 and 1. There
// must be a customer.
func LogLoss(probability []float64, churned []bool) float64 {
	sum := 0.0
	for i, p := range probability {
		p = math.Min(math.Max(p, 1e-15), 1-1e-15)
		if !churned[i] {
			p = 1 - p
		}
		sum -= math.Log(p)
	}
	return sum / float64(len(probability))
}

func outcome(churned bool) float64 {
	if churned {
		return 1
	}
	return 0
}

// Bin is a row of a calibration table: customers with similar probabilities, and how many of them left.
type Bin struct {
	N         int
	Predicted float64          // mean probability
	Observed  float64          // share who left
	Interval  predict.Interval // of Observed, 95 % (Wilson 1927)
}

// Calibration puts the customers, by probability, into bins of equal size as far as ties allow, which are never split.
// The bins come in rising order; there are fewer than asked for where ties fill several.
func Calibration(probability []float64, churned []bool, bins int) []Bin {
	order := byProbability(probability)
	var out []Bin
	for from := 0; from < len(order); {
		bin := ((from+1)*bins + len(order) - 1) / len(order) // the first to end beyond from
		to := bin * len(order) / bins
		for to < len(order) && probability[order[to]] == probability[order[to-1]] {
			to++
		}
		out = append(out, newBin(probability, churned, order[from:to]))
		from = to
	}
	return out
}

func newBin(probability []float64, churned []bool, members []int) Bin {
	sum, left := 0.0, 0.0
	for _, i := range members {
		sum += probability[i]
		left += outcome(churned[i])
	}
	n := float64(len(members))
	return Bin{N: len(members), Predicted: sum / n, Observed: left / n, Interval: wilson(left, n)}
}

// z95 is the 97.5th percentile of the standard normal.
const z95 = 1.959963984540054

// wilson is the 95 % score interval of a proportion of y out of n > 0.
func wilson(y, n float64) predict.Interval {
	p, zz := y/n, z95*z95
	centre := (p + zz/(2*n)) / (1 + zz/n)
	half := z95 / (1 + zz/n) * math.Sqrt(p*(1-p)/n+zz/(4*n*n))
	return predict.Interval{Low: max(0, centre-half), High: min(1, centre+half), Level: .95}
}

// Folds deals customers into k folds, each with its share of both classes to within one customer. Equal arguments give
// equal folds.
func Folds(churned []bool, k int, seed uint64) []int {
	r := rand.New(rand.NewPCG(seed, 0))
	var dealt []int
	for _, class := range []bool{true, false} {
		var members []int
		for i, c := range churned {
			if c == class {
				members = append(members, i)
			}
		}
		r.Shuffle(len(members), func(i, j int) { members[i], members[j] = members[j], members[i] })
		dealt = append(dealt, members...)
	}
	fold := make([]int, len(churned))
	for place, i := range dealt {
		fold[i] = place % k
	}
	return fold
}
