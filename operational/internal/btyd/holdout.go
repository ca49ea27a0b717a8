package btyd

import (
	"cmp"
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

// HoldOut compares what a model expects with what came of the same customers later.
type HoldOut struct {
	Weeks       float64 // of the second part
	Customers   int
	Actual      float64 // purchases of all customers in the second part
	Predicted   float64
	MAE         float64 // mean over customers of the absolute error, in purchases
	RMSE        float64 // root of the mean square error
	Correlation float64 // of actual and predicted over customers; 0 where one of them is the same for all
	ByX         []Bin   // by repeat purchases in the first part: 0 to 6, and 7 or more
	// Coverage is the share of customers whose purchases in the second part lay in their own interval (see [Predict]) of
	// CoverageLevel. Where the model is right it is that or more: purchases come whole. NaN for a model that tells no
	// probabilities.
	Coverage float64
}

// CoverageLevel is that of the intervals that a hold-out counts, and of those that customers are told with.
const CoverageLevel = .8

// coveredMost is how many rows, evenly spread over the sorted customers, the coverage is counted on: an interval takes
// as long as dozens of expectations, and 2,000 tell the share to a per cent.
const coveredMost = 2000

// Bin is the customers with X repeat purchases in the first part.
type Bin struct {
	X         int // the last bin is X or more
	Customers int
	Actual    float64 // mean of a customer
	Predicted float64
}

// bins of a table by repeat purchases, the last open.
const bins = 8

// FitHoldOut fits a model on the first part of the histories and compares its forecast of the second part, of so many
// weeks, with what came. It refuses as fit does, and fails as [Evaluate] does.
func FitHoldOut[M Frequency](tested []Tested, weeks float64, fit func(*Population, Gates) (*Fit[M], error), g Gates) (*Fit[M], HoldOut, error) {
	first := make([]Summary, len(tested))
	for i, t := range tested {
		first[i] = t.Summary
	}
	p, err := NewPopulation(first)
	if err != nil {
		return nil, HoldOut{}, err
	}
	f, err := fit(p, g)
	if err != nil {
		return nil, HoldOut{}, err
	}
	h, err := Evaluate(f.Model, tested, weeks)
	return f, h, err
}

// Evaluate compares the model's forecast of the weeks after the first part with what came. The order of the customers
// does not matter. It fails (Invalid) on customers or weeks that cannot be, and without customers (no_data_yet).
func Evaluate(m Frequency, tested []Tested, weeks float64) (HoldOut, error) {
	if len(tested) == 0 {
		return HoldOut{}, fault.New(fault.Invalid, fault.NoData, "no customers: a hold-out needs histories of both parts")
	}
	if !(weeks > 0) || math.IsInf(weeks, 1) {
		return HoldOut{}, fault.New(fault.Invalid, fault.InvalidItem, "a hold-out of %g weeks: name a positive number of weeks", weeks)
	}
	for _, t := range tested {
		if !t.valid() || !(t.Later >= 0) || math.IsInf(t.Later, 1) {
			return HoldOut{}, invalid(t.Summary)
		}
	}
	sorted := slices.Clone(tested)
	slices.SortFunc(sorted, func(a, b Tested) int {
		return cmp.Or(compareSummary(a.Summary, b.Summary), cmp.Compare(a.Later, b.Later), cmp.Compare(a.Count, b.Count))
	})
	return compare(m, sorted, weeks), nil
}

func compare(m Frequency, sorted []Tested, weeks float64) HoldOut {
	h := HoldOut{Weeks: weeks, ByX: emptyBins()}
	var n, absolute, squared, products, squaresA, squaresP float64
	for i, e := range expectations(m, sorted, weeks) {
		t := sorted[i]
		c, b := float64(t.Count), &h.ByX[min(int(t.X), bins-1)]
		b.Customers += t.Count
		b.Actual += c * t.Later
		b.Predicted += c * e
		n += c
		absolute += c * math.Abs(t.Later-e)
		squared += c * (t.Later - e) * (t.Later - e)
		products += c * t.Later * e
		squaresA += c * t.Later * t.Later
		squaresP += c * e * e
	}
	for i := range h.ByX {
		b := &h.ByX[i]
		h.Customers += b.Customers
		h.Actual += b.Actual
		h.Predicted += b.Predicted
		if b.Customers > 0 {
			b.Actual /= float64(b.Customers)
			b.Predicted /= float64(b.Customers)
		}
	}
	h.MAE, h.RMSE = absolute/n, math.Sqrt(squared/n)
	if spread := (n*squaresA - h.Actual*h.Actual) * (n*squaresP - h.Predicted*h.Predicted); spread > 0 {
		h.Correlation = (n*products - h.Actual*h.Predicted) / math.Sqrt(spread)
	}
	h.Coverage = coverage(m, sorted, weeks)
	return h
}

func coverage(m Frequency, sorted []Tested, weeks float64) float64 {
	c, countable := m.(Countable)
	if !countable {
		return math.NaN()
	}
	var inside, n float64
	low, high := 0, 0
	step := (len(sorted) + coveredMost - 1) / coveredMost
	for i := 0; i < len(sorted); i += step {
		t := sorted[i]
		if i == 0 || compareHistory(t.Summary, sorted[i-step].Summary) != 0 {
			low, high = interval(c, t.Summary, weeks, CoverageLevel)
		}
		n += float64(t.Count)
		if float64(low) <= t.Later && t.Later <= float64(high) {
			inside += float64(t.Count)
		}
	}
	return inside / n
}

// expectations are those of the sorted customers, each history computed once.
func expectations(m Frequency, sorted []Tested, weeks float64) []float64 {
	out := make([]float64, len(sorted))
	for i, t := range sorted {
		if i > 0 && compareHistory(t.Summary, sorted[i-1].Summary) == 0 {
			out[i] = out[i-1]
			continue
		}
		out[i] = m.ExpectedGiven(t.X, t.Tx, t.T, weeks)
	}
	return out
}

func emptyBins() []Bin {
	out := make([]Bin, bins)
	for i := range out {
		out[i].X = i
	}
	return out
}

// InSample compares how many customers of p made 0 to 6, and 7 or more, repeat purchases with how many the model expects
// to: Actual and Predicted are customers here. m is [BGNBD], [MBGNBD] or [ParetoNBD].
func InSample(m interface {
	Probability(n int, weeks float64) float64
}, p *Population) []Bin {
	out, ages := emptyBins(), map[float64]float64{}
	for _, h := range p.histories {
		b := &out[min(int(h.X), bins-1)]
		b.Customers += h.Count
		b.Actual += float64(h.Count)
		ages[h.T] += float64(h.Count)
	}
	for _, t := range p.times {
		rest := ages[t]
		for n := 0; n < bins-1 && rest > 0; n++ {
			expected := ages[t] * m.Probability(n, t)
			out[n].Predicted += expected
			rest -= expected
		}
		out[bins-1].Predicted += rest
	}
	return out
}
