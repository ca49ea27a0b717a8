package forecast

import (
	"math"

	"github.com/strata-crm/strata/shared/contract"
)

// Backtest is how a method did when it forecast what is known by now: refitted at each of the last origins, on the windows
// before it alone, and compared with the windows after it.
type Backtest struct {
	Method  Method
	Origins int
	Values  int     // values forecast, over all origins and distances
	MAE     float64 // mean absolute error, in the metric's unit
	// MASE is MAE over the mean absolute error of repeating the last season one season ahead, over the whole series (Hyndman
	// & Koehler 2006): below 1 is better than that. It is 0 for a series that never changes.
	MASE float64
	// WAPE is the sum of absolute errors over the sum of absolute values; 0 where those are all 0.
	WAPE       float64
	Coverage80 float64 // share of values inside the 80 % interval
	Coverage95 float64
}

const (
	leastCovered = 20  // values, before a coverage is judged
	coverageGap  = .10 // by which it may fall short
)

// Bands says whether the intervals hold what they promise: weakening when the share of values inside one of them is more
// than 10 points short, not enough data on fewer than 20 values.
func (b Backtest) Bands() contract.Verdict {
	switch {
	case b.Values < leastCovered:
		return contract.NotEnoughData
	case .80-b.Coverage80 > coverageGap || .95-b.Coverage95 > coverageGap:
		return contract.Weakening
	}
	return contract.Holds
}

// candidate is a method that can be backtested, and the windows that it needs.
type candidate struct {
	method Method
	needs  int
}

// candidates are the methods that can be fitted to the series so early that enough origins are left.
func (t trimmed) candidates(g Gates) []candidate {
	var out []candidate
	if needs := max(leastTrained, t.season+spare); len(t.y)-needs >= g.MinOrigins {
		out = append(out, candidate{SeasonalNaive, needs})
	}
	for _, f := range forms {
		needs := leastTrained
		for needs < len(t.y) && !f.fits(t.until(needs)) {
			needs++
		}
		if len(t.y)-needs >= g.MinOrigins {
			out = append(out, candidate{f.method, needs})
		}
	}
	return out
}

// origins are the numbers of windows before each forecast, the same for all candidates.
func (t trimmed) origins(all []candidate, g Gates) []int {
	first := 0
	for _, c := range all {
		first = max(first, c.needs)
	}
	if g.MaxOrigins > 0 {
		first = max(first, len(t.y)-g.MaxOrigins)
	}
	var out []int
	for n := first; n < len(t.y); n++ {
		out = append(out, n)
	}
	return out
}

// trial is a backtest with what else is needed of it.
type trial struct {
	Backtest
	byOrigin []float64 // mean absolute error from each origin
	missed   misses
}

// misses are squared errors in units of the method's own standard deviation, at the windows that were forecast.
type misses struct {
	ahead  int
	window []int
	square []float64
}

// trusted is the number of origins that a method's own deviation counts for beside the errors of the backtest.
const trusted = 5

// wider is the factor by which intervals are widened in view of the errors at windows before n: the root of the mean square
// miss, drawn towards 1, and never below it. Errors from one origin go together, so that they count as one.
func (m misses) wider(n int) float64 {
	sum, weight := float64(trusted), float64(trusted)
	for i, at := range m.window {
		if at < n {
			sum += m.square[i] / float64(m.ahead)
			weight += 1 / float64(m.ahead)
		}
	}
	return math.Max(1, math.Sqrt(sum/weight))
}

// backtest reports false when the method cannot be fitted at one of the origins.
func (t trimmed) backtest(m Method, origins []int, ahead int) (trial, bool) {
	b := trial{Backtest: Backtest{Method: m, Origins: len(origins)}, missed: misses{ahead: ahead}}
	var near []float64
	absolute, values := 0.0, 0.0
	for _, n := range origins {
		past := t.until(n)
		f, err := m.fit(past, near)
		if err != nil {
			return b, false
		}
		if s, smoothing := f.(smoothed); smoothing {
			near = s.x
		}
		a, v := b.look(t, past, f, n, min(ahead, len(t.y)-n))
		absolute, values = absolute+a, values+v
	}
	if b.Values == 0 || math.IsNaN(absolute) {
		return b, false
	}
	v := float64(b.Values)
	b.MAE, b.Coverage80, b.Coverage95 = absolute/v, b.Coverage80/v, b.Coverage95/v
	if scale := t.scale(); scale > 0 {
		b.MASE = b.MAE / scale
	}
	if values > 0 {
		b.WAPE = absolute / values
	}
	return b, true
}

// look compares the forecasts from one origin with what came, and returns the sums of absolute errors and values.
func (b *trial) look(t, past trimmed, f fitted, n, ahead int) (absolute, values float64) {
	means, deviations := past.moments(f, ahead)
	seen := 0.0
	for i, p := range past.points(f, ahead, b.missed.wider(n)) {
		y := t.y[n+i]
		if math.IsNaN(y) {
			continue
		}
		seen++
		absolute += math.Abs(y - p.Mean)
		values += math.Abs(y)
		b.Coverage80 += one(p.Low80 <= y && y <= p.High80)
		b.Coverage95 += one(p.Low95 <= y && y <= p.High95)
		if z := (y - means[i]) / deviations[i]; deviations[i] > 0 {
			b.missed.window, b.missed.square = append(b.missed.window, n+i), append(b.missed.square, z*z)
		}
	}
	b.Values += int(seen)
	if seen > 0 {
		b.byOrigin = append(b.byOrigin, absolute/seen)
	}
	return absolute, values
}

// choose returns the simplest trial whose error is within one standard error of the smallest, over origins (Breiman et al.
// 1984): on few origins the smallest is often so by chance, and the richer method then does worse on what is to come. -1
// without trials.
func choose(trials []trial) int {
	best := -1
	for i, t := range trials {
		if best < 0 || t.MAE < trials[best].MAE {
			best = i
		}
	}
	for i, t := range trials {
		n := float64(len(t.byOrigin))
		sum, squares := 0.0, 0.0
		for o, e := range t.byOrigin {
			d := e - trials[best].byOrigin[o]
			sum, squares = sum+d, squares+d*d
		}
		mean := sum / n
		if spread := math.Max(0, squares/n-mean*mean); mean <= math.Sqrt(spread/math.Max(1, n-1)) {
			return i
		}
	}
	return best
}

func one(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// scale is the mean absolute difference from season to season.
func (t trimmed) scale() float64 {
	sum, n := 0.0, 0.0
	for i := t.season; i < len(t.y); i++ {
		if d := math.Abs(t.y[i] - t.y[i-t.season]); !math.IsNaN(d) {
			sum, n = sum+d, n+1
		}
	}
	return sum / math.Max(1, n)
}
