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

// boundsOf returns what values of a unit lie between, as contract.Unit has it, where a forecast wants it.
func boundsOf(u contract.Unit, values []float64) forecast.Bounds {
	var b forecast.Bounds
	low, high := u.Limits(values...)
	if !math.IsInf(low, 0) {
		b.Low = &low
	}
	if !math.IsInf(high, 0) {
		b.High = &high
	}
	return b
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
	return &contract.Projection{At: g.Deadline, Value: p.Mean, Low: p.Low95, High: p.High95, How: string(f.Method)}
}
