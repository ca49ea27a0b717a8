package forecast

import "github.com/strata-crm/strata/shared/fault"

// Method is a way to forecast.
type Method string

// The methods, the simpler before the richer. In brackets the model: error, trend and season, each none, additive,
// multiplicative or damped.
const (
	SeasonalNaive      Method = "seasonal_naive"              // what the same window of the last season was; without a season, the last window
	Simple             Method = "simple"                      // level (A,N,N)
	Holt               Method = "holt"                        // and trend (A,A,N)
	Damped             Method = "damped"                      // and a trend that levels off (A,Ad,N)
	Seasonal           Method = "seasonal"                    // level and season (A,N,A)
	HoltWinters        Method = "holt_winters"                // level, trend and season (A,A,A)
	DampedHoltWinters  Method = "damped_holt_winters"         // (A,Ad,A)
	SeasonalFactors    Method = "seasonal_multiplicative"     // level times season (M,N,M)
	HoltWintersFactors Method = "holt_winters_multiplicative" // level and trend, times season (M,A,M)
	DampedFactors      Method = "damped_multiplicative"       // (M,Ad,M)
)

// form is the structure of a model of exponential smoothing.
type form struct {
	trend, damped         bool
	seasonal, multiplying bool
}

var forms = []struct {
	method Method
	form
}{
	{Simple, form{}},
	{Holt, form{trend: true}},
	{Damped, form{trend: true, damped: true}},
	{Seasonal, form{seasonal: true}},
	{HoltWinters, form{trend: true, seasonal: true}},
	{DampedHoltWinters, form{trend: true, damped: true, seasonal: true}},
	{SeasonalFactors, form{seasonal: true, multiplying: true}},
	{HoltWintersFactors, form{trend: true, seasonal: true, multiplying: true}},
	{DampedFactors, form{trend: true, damped: true, seasonal: true, multiplying: true}},
}

func (m Method) form() (form, error) {
	for _, f := range forms {
		if f.method == m {
			return f.form, nil
		}
	}
	return form{}, fault.New(fault.Invalid, fault.InvalidItem, "no method %q of exponential smoothing", m)
}

// longestSeason that is smoothed: a longer one has more start values than data tell apart; the seasonal naive method
// serves it.
const longestSeason = 24

// spare is the degrees of freedom that a fit must leave.
const spare = 3

// fits reports whether a model of the form can be fitted to the series.
func (f form) fits(t trimmed) bool {
	if f.seasonal && (t.season < 2 || t.season > longestSeason || len(t.y) < 2*t.season) {
		return false
	}
	return t.seen >= f.parameters(t.season)+spare && (!f.multiplying || t.positive())
}

// parameters counts smoothing weights and start values.
func (f form) parameters(season int) int { return f.countWeights() + f.countStarts(season) }

func (f form) countWeights() int {
	n := 1
	for _, has := range []bool{f.trend, f.damped, f.seasonal} {
		if has {
			n++
		}
	}
	return n
}

func (f form) countStarts(season int) int {
	n := 1
	if f.trend {
		n++
	}
	if f.seasonal {
		n += season - 1
	}
	return n
}
