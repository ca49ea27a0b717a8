package validity

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

const leastBaseline = 13 // windows: fewer do not tell the noise of a window from what customers differ by

// Shift is how far a closed window lies from the baseline.
type Shift struct {
	Effect float64 // relative for a value, of the natural log for a spread
	StdErr float64 // of Effect, paired: the same customer's baseline is subtracted
	N      int64   // customers in either
}

// Baseline is what customers contributed in the windows before publication: the yardstick of later windows. It is
// immutable and safe for concurrent use.
type Baseline struct {
	windows int
	worth   float64   // windows that share nothing which these are worth; 0: as many
	ratio   float64   // ΣNum/ΣDen over all customers and windows
	usual   []float64 // per customer, the mean over windows of the influence on ln ratio
	noise   float64   // mean over customers of the variance between their windows
}

// NewBaseline takes terms[w][i] of window w and customer i: at least 13 windows of equal length, the same customers in
// the same order in each (the zero [Term] where one was not there). It fails (Invalid) on fewer, on windows with
// different numbers of customers, and (zero_denominator) when nothing is left to compare with: no denominator, or a value
// of 0, around which a relative tolerance has no meaning.
func NewBaseline(terms [][]Term) (*Baseline, error) {
	if err := checkWindows(len(terms), func(w int) int { return len(terms[w]) }); err != nil {
		return nil, err
	}
	num, den := sums(slices.Concat(terms...))
	if num == 0 || den == 0 {
		return nil, fault.New(fault.Invalid, fault.ZeroDenominator, "the baseline's value is 0 or has no denominator: there is nothing to compare with")
	}
	n, b := len(terms[0]), len(terms)
	ratio, scale := num/den, num/float64(n*b) // scale: the mean numerator of one customer and window
	base := &Baseline{windows: b, ratio: ratio}
	var err error
	base.usual, base.noise, err = between(n, b, func(w, i int) float64 {
		t := terms[w][i]
		return (float64(t.Num) - ratio*float64(t.Den)) / scale
	})
	return base, err
}

// NewLinearBaseline is a baseline of a value of any form: influence(w, i) is by how much customer i moved it in window w, in
// the unit of the effects to come, linearised at the value over all windows and with mean 0 over customers and windows. It
// fails (Invalid) on fewer than 13 windows, without a customer, and on influences that are not finite.
func NewLinearBaseline(customers, windows int, influence func(w, i int) float64) (*Baseline, error) {
	if err := checkWindows(windows, func(int) int { return customers }); err != nil {
		return nil, err
	}
	b := &Baseline{windows: windows, ratio: 1}
	var err error
	b.usual, b.noise, err = between(customers, windows, influence)
	return b, err
}

// CompareLinear is how far a closed window lies from a baseline of NewLinearBaseline: its effect, and by how much each
// customer moves its value, with mean 0. Customers are those of the baseline in the same order, and then who came since. It
// fails (Invalid) when baseline customers are missing.
func (b *Baseline) CompareLinear(effect float64, influence []float64) (Shift, error) {
	if len(influence) < len(b.usual) {
		return Shift{}, fault.New(fault.Invalid, fault.InvalidItem, "a window of %d customers against a baseline of %d: give those who are gone 0",
			len(influence), len(b.usual))
	}
	n := float64(len(influence))
	return shift(effect, len(influence), func(i int) float64 { return influence[i] - b.usualOf(i, n) })
}

// ShiftOf is how far a closed window lies from a statement: its effect, and by how much each customer moves the difference
// of both, with mean 0. That the statement was itself only measured is left to the baseline error of [Velocity]. It fails
// (Invalid) without a customer and on influences that are not finite.
func ShiftOf(effect float64, influence []float64) (Shift, error) {
	if len(influence) == 0 {
		return Shift{}, fault.New(fault.Invalid, fault.NoData, "a window without customers has no value")
	}
	return shift(effect, len(influence), func(i int) float64 { return influence[i] })
}

func checkWindows(windows int, customers func(w int) int) error {
	if windows < leastBaseline {
		return fault.New(fault.Invalid, fault.LowSample, "a baseline of %d windows: need %d; wait, or use shorter windows", windows, leastBaseline)
	}
	for w := range windows {
		if customers(w) != customers(0) || customers(0) == 0 {
			return fault.New(fault.Invalid, fault.InvalidItem, "window %d of the baseline has %d customers, window 0 has %d: need the same, at least one",
				w, customers(w), customers(0))
		}
	}
	return nil
}

// between returns each customer's mean over windows, and the mean over customers of the variance between a customer's
// windows, divisor b-1. Standard deviations are rounded as in [FromInfluences] before their squares are summed.
func between(customers, windows int, at func(w, i int) float64) (means []float64, noise float64, err error) {
	means = make([]float64, customers)
	sum, err := NewMoments(1)
	if err != nil {
		return nil, 0, err
	}
	deviations := make([]float64, customers)
	for i := range customers {
		for w := range windows {
			means[i] += at(w, i) / float64(windows)
		}
		squares := 0.0
		for w := range windows {
			squares += (at(w, i) - means[i]) * (at(w, i) - means[i])
		}
		deviations[i] = math.Sqrt(squares / float64(windows-1))
	}
	unit := unitOf(deviations)
	for _, d := range deviations {
		units, err := Fixed(d / unit)
		if err != nil {
			return nil, 0, err
		}
		if err := sum.Add([]int64{units}); err != nil {
			return nil, 0, err
		}
	}
	return means, sum.product(0, 0).float() * (unit / fixedPoint) * (unit / fixedPoint) / float64(customers), nil
}

// Overlapping returns the baseline of windows each of which is step times as long as the next one lies from it, so that they share their data:
// a window correlates with the d-th after it by 1 - d/step (the overlap of two moving sums). Their mean is then known as well
// as that of fewer windows, and what they differ by underrates the noise of a window that shares nothing with them: both are put right, the
// first by the variance of a mean of correlated numbers (Box, Jenkins & Reinsel 1994, Time Series Analysis, section 2.1).
// Later windows must not share data with each other. A step below 2 changes nothing.
func (b *Baseline) Overlapping(step int) *Baseline {
	if step < 2 {
		return b
	}
	n, shared := float64(b.windows), 0.0
	for d := 1; d < min(step, b.windows); d++ {
		shared += 2 * (n - float64(d)) * (1 - float64(d)/float64(step)) / (n * (n - 1)) // the mean correlation of two of them
	}
	out := *b
	out.noise, out.worth = b.noise/(1-shared), n/(1+(n-1)*shared)
	return &out
}

func (b *Baseline) independent() float64 {
	if b.worth > 0 {
		return b.worth
	}
	return float64(b.windows)
}

// StdErr is s0, the standard error of the baseline's window noise, relative to its value: the band of V2 is widened by
// it, since the baseline is itself only measured.
func (b *Baseline) StdErr() float64 {
	return math.Sqrt(b.noise / b.independent() / float64(len(b.usual)))
}

// Value is the baseline's value, in units of Num per Den.
func (b *Baseline) Value() float64 { return b.ratio }

// WindowError is the standard error to expect of the effect of a window as long as length baseline windows, with
// customers as many as in the baseline.
func (b *Baseline) WindowError(length int) float64 {
	return math.Sqrt(b.noise * (1/float64(length) + 1/b.independent()) / float64(len(b.usual)))
}

// WindowLength chooses the window for V2, in baseline windows: the shortest whose expected error is at most a quarter of
// the tolerance. It is chosen at publication and kept. ok is false when none up to a whole baseline is long enough: more
// customers are needed.
func (b *Baseline) WindowLength(tolerance float64) (length int, ok bool) {
	for length = 1; length <= b.windows; length++ {
		if b.WindowError(length) <= tolerance/4 {
			return length, true
		}
	}
	return 0, false
}

// Compare is how far a closed window lies from the baseline: the ratio of its value to the baseline's, minus 1. What is
// random is the difference customer by customer; the baseline's own noise is [Baseline.StdErr]. terms are
// of the baseline's customers in the same order; customers who came since follow them. It fails (Invalid) when baseline
// customers are missing, and (zero_denominator) on a window without a denominator.
func (b *Baseline) Compare(terms []Term) (Shift, error) {
	if len(terms) < len(b.usual) {
		return Shift{}, fault.New(fault.Invalid, fault.InvalidItem, "a window of %d customers against a baseline of %d: give those who are gone the zero term",
			len(terms), len(b.usual))
	}
	num, den := sums(terms)
	if den == 0 {
		return Shift{}, fault.New(fault.Invalid, fault.ZeroDenominator, "a window without a denominator has no value")
	}
	ratio, n := num/den, float64(len(terms))
	return shift(ratio/b.ratio-1, len(terms), func(i int) float64 {
		t := terms[i]
		return (float64(t.Num)-ratio*float64(t.Den))/(den/n*b.ratio) - b.usualOf(i, n)
	})
}

// CompareForecast is how far a closed window lies from a forecast: Σactual/Σforecast - 1, one number of each per customer, in
// order of priority. What is random is the difference customer by customer; that the forecast is itself only estimated
// is left to the baseline error of [Velocity.CloseAgainst]. It fails (Invalid) on lengths that differ or are 0, and
// (zero_denominator) on a forecast that is not positive.
func CompareForecast(actual, forecast []float64) (Shift, error) {
	n := float64(len(actual))
	if len(actual) != len(forecast) || n == 0 {
		return Shift{}, fault.New(fault.Invalid, fault.InvalidItem, "%d actual numbers against %d forecasts: need one of each per customer",
			len(actual), len(forecast))
	}
	var seen, expected float64
	for i := range actual {
		seen, expected = seen+actual[i], expected+forecast[i]
	}
	if !(expected > 0) {
		return Shift{}, fault.New(fault.Invalid, fault.ZeroDenominator, "a forecast of %g in all: there is nothing to compare with", expected)
	}
	return shift(seen/expected-1, len(actual), func(i int) float64 { return (actual[i] - forecast[i]) / (expected / n) })
}

// usualOf is the baseline influence of customer i among n: 0 for one who came since.
func (b *Baseline) usualOf(i int, n float64) float64 {
	if i >= len(b.usual) {
		return 0
	}
	return b.usual[i] * n / float64(len(b.usual))
}

func shift(effect float64, customers int, influence func(i int) float64) (Shift, error) {
	psi := make([]float64, customers)
	for i := range psi {
		psi[i] = influence(i)
	}
	e, err := FromInfluences(effect, psi, 0, false)
	if err != nil {
		return Shift{}, err
	}
	return Shift{Effect: effect, StdErr: e.SD / math.Sqrt(float64(customers)), N: int64(customers)}, nil
}
