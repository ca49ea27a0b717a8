package forecast

import (
	"math"

	"github.com/strata-crm/strata/shared/contract"
)

// Tried is how a method did when it forecast what is known by now: refitted at each of the last origins, on the windows
// before it alone, and compared with the windows after it.
type Tried struct {
	Method Method
	MAE    float64 // mean absolute error, in the metric's unit
	// MASE is MAE over the mean absolute error of repeating the last season one season ahead, over the whole series (Hyndman
	// & Koehler 2006): below 1 is better than that. It is 0 for a series that never changes.
	MASE float64
	// WAPE is the sum of absolute errors over the sum of absolute values; 0 where those are all 0.
	WAPE float64
}

// Backtest is how the chosen method did, and its intervals.
type Backtest struct {
	Tried
	Origins    int
	Values     int     // values forecast, over all origins and distances
	Coverage80 float64 // share of them inside the 80 % interval as it would have been given then
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

// trial is what is needed of a method that was tried.
type trial struct {
	Tried
	fits     []fitted  // at each origin
	byOrigin []float64 // mean absolute error from each origin with values after it
}

// misses are squared errors in units of the method's own standard deviation, at the windows that were forecast.
type misses struct {
	ahead  int
	window []int
	square []float64
}

func (m *misses) add(window int, z float64) {
	m.window, m.square = append(m.window, window), append(m.square, z*z)
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

// try reports false when the method cannot be fitted at one of the origins.
func (t trimmed) try(m Method, origins []int, ahead int) (trial, bool) {
	b := trial{Tried: Tried{Method: m}}
	var near []float64
	var absolute, values, n float64
	for _, origin := range origins {
		past := t.until(origin)
		f, err := m.fit(past, near)
		if err != nil {
			return b, false
		}
		if s, smoothing := f.(smoothed); smoothing {
			near = s.x
		}
		b.fits = append(b.fits, f)
		sum, seen := 0.0, 0.0
		for i, mean := range past.means(f, min(ahead, len(t.y)-origin)) {
			if y := t.y[origin+i]; !math.IsNaN(y) {
				sum, seen = sum+math.Abs(y-t.bounds.within(mean)), seen+1
				values += math.Abs(y)
			}
		}
		if absolute, n = absolute+sum, n+seen; seen > 0 {
			b.byOrigin = append(b.byOrigin, sum/seen)
		}
	}
	if n == 0 || math.IsNaN(absolute) {
		return b, false
	}
	b.MAE = absolute / n
	if scale := t.scale(); scale > 0 {
		b.MASE = b.MAE / scale
	}
	if values > 0 {
		b.WAPE = absolute / values
	}
	return b, true
}

// backtest looks at the intervals of the method that was chosen, each widened by what was known then, and returns by how
// much they are to be widened now.
func (t trimmed) backtest(chosen trial, origins []int, ahead int) (b Backtest, wider float64) {
	b = Backtest{Tried: chosen.Tried, Origins: len(origins)}
	missed := misses{ahead: ahead}
	for o, origin := range origins {
		points, sds := t.until(origin).points(chosen.fits[o], min(ahead, len(t.y)-origin), missed.wider(origin))
		for i, p := range points {
			y := t.y[origin+i]
			if math.IsNaN(y) {
				continue
			}
			b.Values++
			b.Coverage80 += one(p.Low80 <= y && y <= p.High80)
			b.Coverage95 += one(p.Low95 <= y && y <= p.High95)
			if sds[i] > 0 {
				missed.add(origin+i, (y-p.Mean)/sds[i])
			}
		}
	}
	b.Coverage80, b.Coverage95 = b.Coverage80/float64(b.Values), b.Coverage95/float64(b.Values)
	return b, missed.wider(len(t.y))
}

// choose returns the simplest trial, of at least one, whose error is within one standard error of the smallest, over origins
// (Breiman et al. 1984): on few origins the smallest is often so by chance, and the richer method then does worse on what is
// to come.
func choose(trials []trial) trial {
	best := trials[0]
	for _, t := range trials {
		if t.MAE < best.MAE {
			best = t
		}
	}
	for _, t := range trials {
		n := float64(len(t.byOrigin))
		sum, squares := 0.0, 0.0
		for o, e := range t.byOrigin {
			d := e - best.byOrigin[o]
			sum, squares = sum+d, squares+d*d
		}
		mean := sum / n
		if spread := math.Max(0, squares/n-mean*mean); mean <= math.Sqrt(spread/math.Max(1, n-1)) {
			return t
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
