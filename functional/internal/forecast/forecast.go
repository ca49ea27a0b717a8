package forecast

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Forecast is what a series is expected to be, how that was found, and how well it did before.
type Forecast struct {
	Method     Method
	Points     []Point
	Backtest   Backtest // of Method
	Candidates []Tried  // all methods that could be tried, from the simplest to the richest
	Season     int      // windows in the season that was looked for; 1 for none, or when the series is shorter than two
	Values     int      // windows with a value that it rests on
}

// farthest is the most windows that are forecast.
const farthest = 1000

// Of forecasts the next windows of a series, ahead of them, by the simplest method whose error in the backtest is within one
// standard error of the smallest. It fails (Invalid) on a series that cannot be or a number of windows outside 1 to 1,000, and refuses
// (Conflict, model_not_identified) a series that fails a gate or that no method can be tried on.
func Of(s Series, ahead int, g Gates) (*Forecast, error) {
	if ahead < 1 || ahead > farthest {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "a forecast of %d windows: name 1 to %d", ahead, farthest)
	}
	t, err := s.trim()
	if err != nil {
		return nil, err
	}
	if err := t.check(g); err != nil {
		return nil, err
	}
	all := t.candidates(g)
	origins := t.origins(all, g)
	f := &Forecast{Season: t.season, Values: t.seen}
	var trials []trial
	for _, c := range all {
		if b, ok := t.try(c.method, origins, ahead); ok {
			trials, f.Candidates = append(trials, b), append(f.Candidates, b.Tried)
		}
	}
	if len(trials) == 0 {
		return nil, refuse("%d windows leave fewer than %d from which a method could be tried: wait for more data", len(t.y), g.MinOrigins)
	}
	best := choose(trials)
	model, err := best.Method.fit(t, nil)
	if err != nil {
		return nil, err
	}
	var wider float64
	f.Method = best.Method
	f.Backtest, wider = t.backtest(best, origins, ahead)
	f.Points, _ = t.points(model, ahead, wider)
	return f, nil
}

// By forecasts the next windows of a series by one method, without a backtest. It fails as [Of] does, and refuses a series
// that the method cannot be fitted to.
func By(m Method, s Series, ahead int) ([]Point, error) {
	if ahead < 1 || ahead > farthest {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "a forecast of %d windows: name 1 to %d", ahead, farthest)
	}
	t, err := s.trim()
	if err != nil {
		return nil, err
	}
	f, err := m.fit(t, nil)
	if err != nil {
		return nil, err
	}
	points, _ := t.points(f, ahead, 1)
	return points, nil
}

// WAPE is the sum of absolute errors over the sum of absolute values, 20 % for errors of 10, 10 and 10 of 100, 0 and 50. It is
// unknown where the values are all 0 or the lengths differ.
func WAPE(actual, forecast []float64) (wape float64, known bool) {
	if len(actual) != len(forecast) {
		return 0, false
	}
	errors, values := 0.0, 0.0
	for i, a := range actual {
		errors += math.Abs(a - forecast[i])
		values += math.Abs(a)
	}
	return errors / values, values > 0
}
