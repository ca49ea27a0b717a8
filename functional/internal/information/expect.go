package information

import (
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/functional/internal/forecast"
	"github.com/strata-crm/strata/shared/contract"
)

// Forecaster is forecast.Of, or what remembers its results.
type Forecaster func(forecast.Series, int, forecast.Gates) (*forecast.Forecast, error)

// A projection is made anew whenever a goal's series changes, while its store waits: it looks back on fewer windows and
// is tried from fewer origins than a forecast that somebody asks for.
const (
	projectedFrom   = 60
	projectionTries = 8
)

// SeriesOf returns the closed windows of one metric as a series to forecast, and where the window that follows them
// begins. A window that is missing, or has no value, is one without a value there. The measurements come in any order; of
// several for one window the newest revision counts.
func SeriesOf(ms []contract.Measurement) (forecast.Series, time.Time) {
	all := slices.DeleteFunc(sorted(ms), func(m contract.Measurement) bool { return !m.Closed })
	if len(all) == 0 {
		return forecast.Series{}, time.Time{}
	}
	grain := all[0].Grain
	s := forecast.Series{Season: seasons[grain]}
	for i := range all {
		for i > 0 && len(s.Values) < WindowsBetween(all[0].Window.Start, all[i].Window.Start, grain) {
			s.Values = append(s.Values, math.NaN())
		}
		v := math.NaN()
		if all[i].Value != nil {
			v = *all[i].Value
		}
		s.Values = append(s.Values, v)
	}
	s.Bounds = boundsOf(all[len(all)-1].Unit, s.Values)
	return s, all[len(all)-1].Window.End
}

// seasons is how many windows of a grain repeat: the days of a week, and the rest within a year.
var seasons = map[contract.Grain]int{
	contract.GrainDay: 7, contract.GrainWeek: 52, contract.GrainMonth: 12, contract.GrainQuarter: 4, contract.GrainYear: 1,
}

// boundsOf returns what values of a unit lie between. A share lies within 0 and 1, and nothing else has ever been below 0
// unless it was seen to: money after refunds may, and so may a difference that is written as a ratio.
func boundsOf(u contract.Unit, values []float64) forecast.Bounds {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) {
			low, high = min(low, v), max(high, v)
		}
	}
	switch {
	case low < 0:
		return forecast.Bounds{}
	case u == contract.Ratio && high <= 1:
		return forecast.Ratio()
	}
	return forecast.Positive()
}

// expected returns the projection to the deadline by the method that did best on the series so far; nil where the series
// is not enough for one, or the deadline has passed.
func (in Input) expected(own []contract.Measurement, zone *time.Location) *contract.Projection {
	s, end := SeriesOf(own)
	g := &in.Directive.Goal
	steps := WindowsBetween(end, g.Deadline.End(zone), g.Grain)
	if len(s.Values) == 0 || steps < 1 {
		return nil
	}
	s.Values = s.Values[max(0, len(s.Values)-projectedFrom):]
	of := in.Forecast
	if of == nil {
		of = forecast.Of
	}
	gates := forecast.DefaultGates()
	gates.MaxOrigins = projectionTries
	f, err := of(s, steps, gates)
	if err != nil {
		return nil // too little, too many gaps, or too far: the line stays
	}
	p := f.Points[steps-1]
	share := func(v float64) float64 { return v }
	if own[len(own)-1].Unit == contract.Ratio {
		share = func(v float64) float64 { return min(1, max(0, v)) }
	}
	return &contract.Projection{At: g.Deadline, Value: share(p.Mean), Low: share(p.Low95), High: share(p.High95), How: string(f.Method)}
}
