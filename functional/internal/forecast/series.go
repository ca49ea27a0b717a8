package forecast

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Series is a metric's values by equal windows, in order of time.
type Series struct {
	Values []float64 // NaN for a window without a value
	Season int       // windows in a season: 12 for months of a year, 7 for days of a week; 0 or 1 for none
	Bounds Bounds    // of what a value can be
}

// Bounds are what a value lies between; forecasts and intervals are cut off there. The zero value has none.
type Bounds struct {
	Low, High *float64 // nil for none
}

// Ratio is the bounds of a share or rate: 0 to 1.
func Ratio() Bounds {
	low, high := 0.0, 1.0
	return Bounds{&low, &high}
}

// Positive is the bounds of a count or of money: 0 and up.
func Positive() Bounds {
	low := 0.0
	return Bounds{Low: &low}
}

func (b Bounds) within(v float64) float64 {
	if b.Low != nil {
		v = math.Max(v, *b.Low)
	}
	if b.High != nil {
		v = math.Min(v, *b.High)
	}
	return v
}

// Gates says what a series must have before it is forecast.
type Gates struct {
	MinValues  int     // windows with a value
	MaxMissing float64 // share of windows without one, between the first and the last value
	MinOrigins int     // from which the backtest can forecast
	MaxOrigins int     // the last so many are used; 0 for all
}

// DefaultGates are those of the product: on fewer values the interval's own error is as large as what it says.
func DefaultGates() Gates { return Gates{MinValues: 15, MaxMissing: .2, MinOrigins: 5, MaxOrigins: 24} }

// leastTrained is the number of windows that a backtest's first origin has behind it at least.
const leastTrained = 10

// trimmed is a series from its first to its last value.
type trimmed struct {
	y      []float64
	season int // 1 for none
	bounds Bounds
	after  int // windows after the last value, that have none
	seen   int // windows with a value
}

// trim checks the values. It fails (Invalid) on one that is infinite or outside the bounds, and on bounds or a season that
// cannot be.
func (s Series) trim() (trimmed, error) {
	if b := s.Bounds; s.Season < 0 || b.Low != nil && b.High != nil && !(*b.Low < *b.High) {
		return trimmed{}, fault.New(fault.Invalid, fault.InvalidItem, "a season of %d, bounds %+v: need 0 or more, and low below high", s.Season, b)
	}
	t := trimmed{season: max(1, s.Season), bounds: s.Bounds}
	first, last := -1, -1
	for i, v := range s.Values {
		switch {
		case math.IsNaN(v):
			continue
		case math.IsInf(v, 0) || s.Bounds.within(v) != v:
			return trimmed{}, fault.New(fault.Invalid, fault.InvalidItem, "value %g of window %d: need a number within the bounds, NaN for none", v, i)
		case first < 0:
			first = i
		}
		last = i
		t.seen++
	}
	if t.seen > 0 {
		t.y, t.after = s.Values[first:last+1], len(s.Values)-1-last
	}
	if len(t.y) < 2*t.season {
		t.season = 1 // seen once, a season cannot be told from chance
	}
	return t, nil
}

func (t trimmed) check(g Gates) error {
	switch missing := 1 - float64(t.seen)/float64(max(1, len(t.y))); {
	case t.seen < g.MinValues:
		return refuse("%d windows have a value and a forecast needs %d: wait for more data", t.seen, g.MinValues)
	case missing > g.MaxMissing:
		return refuse("%.0f %% of the windows have no value and a forecast allows %.0f %%: fill the gaps or take longer windows",
			100*missing, 100*g.MaxMissing)
	}
	return nil
}

func refuse(format string, args ...any) error {
	return fault.New(fault.Conflict, fault.ModelNotIdentified, format, args...)
}

// until is the series as it was at an origin: its first n windows. A last window without a value is trimmed off.
func (t trimmed) until(n int) trimmed {
	t.y, t.after = t.y[:n], 0
	for len(t.y) > 0 && math.IsNaN(t.y[len(t.y)-1]) {
		t.y, t.after = t.y[:len(t.y)-1], t.after+1
	}
	t.seen = 0
	for _, v := range t.y {
		if !math.IsNaN(v) {
			t.seen++
		}
	}
	return t
}

func (t trimmed) positive() bool {
	for _, v := range t.y {
		if v <= 0 {
			return false
		}
	}
	return true
}
