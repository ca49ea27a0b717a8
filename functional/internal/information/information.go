// Package information owns what the functional layer makes of measurements: the series of a goal's metric with trend,
// projection to the deadline, and what drove the last change. How a series is forecast is package forecast's; what of the
// measurements it is made from is decided here. It is pure: it stores and sends nothing.
package information

import (
	"cmp"
	"math"
	"slices"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/strata-crm/strata/shared/contract"
)

// MaxWindows bounds the series sent up: ten years of months. Older windows are left out.
const MaxWindows = 120

// MaxDrivers bounds the groups of all changes that are sent up together, to about a third of a message: a metric of many groups
// over many windows would not fit into one. Whole changes are left out, the oldest first.
const MaxDrivers = 3000

// trendWindows is how many closed windows a trend looks back on: half a year of months, enough for a slope with an
// error and short enough to follow a turn.
const trendWindows = 6

// minTrend is the fewest windows a line with an error can be drawn through.
const minTrend = 3

// Input is what information is made of.
type Input struct {
	Directive  *contract.StrategicDirective
	Plan       contract.PlanID
	Own        []contract.Measurement // of the goal's own metric, any order
	Supporting []contract.Measurement // of the plan's other metrics
	Labels     map[contract.MetricID]string
	Missing    []contract.Missing
	Forecast   Forecaster // forecast.Of where nil
}

// Build returns the information on a goal; false while nothing has been measured. The revision is the caller's to set.
func Build(in Input) (contract.Information, bool) {
	own := sorted(in.Own)
	if len(own) == 0 {
		return contract.Information{}, false
	}
	if len(own) > MaxWindows {
		own = own[len(own)-MaxWindows:]
	}
	last := own[len(own)-1]
	info := contract.Information{
		Goal: in.Directive.Goal.ID, Strategic: in.Directive.ID, Plan: in.Plan, Metric: last.Metric, Version: last.Version,
		Unit: last.Unit, Currency: last.Currency, Grain: last.Grain, Proposals: in.Missing,
	}
	for i := range own {
		info.Series = append(info.Series, PointOf(&own[i]))
		if own[i].AsOf.After(info.AsOf) {
			info.AsOf = own[i].AsOf
		}
	}
	closed := decided(own)
	zone := zoneOf(in.Directive.TimeZone)
	info.Trend, info.Projection = project(closed, &in.Directive.Goal, zone, last.Unit)
	if p := in.expected(own, zone); p != nil {
		info.Projection = p
	}
	for i := 1; i < len(closed); i++ {
		c := Split(&closed[i-1], &closed[i])
		if c != nil {
			info.Changes = append(info.Changes, *c)
		}
		if i == len(closed)-1 {
			info.Change = c
		}
	}
	info.Changes = newest(info.Changes)
	info.Supporting = supporting(in)
	info.Notes = notes(slices.Concat(in.Own, in.Supporting))
	return info, true
}

// newest returns the last changes that have no more than MaxDrivers groups together.
func newest(changes []contract.Change) []contract.Change {
	drivers := 0
	for i, c := range slices.Backward(changes) {
		if drivers += len(c.Drivers); drivers > MaxDrivers {
			return changes[i+1:]
		}
	}
	return changes
}

func zoneOf(name string) *time.Location {
	if z, err := time.LoadLocation(name); err == nil {
		return z
	}
	return time.UTC
}

// sorted returns the measurements by window start; of several for one window the newest revision.
func sorted(ms []contract.Measurement) []contract.Measurement {
	ms = slices.Clone(ms)
	slices.SortFunc(ms, func(a, b contract.Measurement) int {
		return cmp.Or(a.Window.Start.Compare(b.Window.Start), cmp.Compare(b.Revision, a.Revision))
	})
	return slices.CompactFunc(ms, func(a, b contract.Measurement) bool { return a.Window.Start.Equal(b.Window.Start) })
}

func decided(ms []contract.Measurement) []contract.Measurement {
	return slices.DeleteFunc(slices.Clone(ms), func(m contract.Measurement) bool { return !m.Closed || m.Value == nil })
}

// PointOf returns a measurement as one window of a series.
func PointOf(m *contract.Measurement) contract.Point {
	p := contract.Point{
		Window: m.Window, Closed: m.Closed, Measurement: m.ID, Revision: m.Revision, AsOf: m.AsOf, Value: m.Value,
		Reason: m.Reason, N: m.N, StdErr: m.StdErr, Low: m.Low, High: m.High, Coverage: m.Quality.Coverage,
	}
	if m.Model != nil {
		p.Weeks, p.Model = &m.Model.Weeks, m.Model.InUse()
	}
	return p
}

func supporting(in Input) []contract.Supporting {
	latest := map[contract.MetricID]contract.Measurement{}
	for _, m := range in.Supporting {
		if o, ok := latest[m.Metric]; m.Closed && (!ok || m.Window.Start.After(o.Window.Start)) {
			latest[m.Metric] = m
		}
	}
	var list []contract.Supporting
	for id, m := range latest {
		list = append(list, contract.Supporting{Metric: id, Version: m.Version, Label: in.Labels[id], Unit: m.Unit, Currency: m.Currency, Point: PointOf(&m)})
	}
	slices.SortFunc(list, func(a, b contract.Supporting) int { return cmp.Compare(a.Metric, b.Metric) })
	return list
}

// project fits a line by least squares through the last closed windows, and reads it off at the window that ends with
// the deadline, with the 95 % prediction interval of a new window (Student's t, n−2 degrees of freedom; Draper & Smith,
// Applied Regression Analysis, section 1.4). What is projected stays within what values of the unit can be.
func project(closed []contract.Measurement, g *contract.Goal, zone *time.Location, unit contract.Unit) (*contract.Trend, *contract.Projection) {
	low, high := limits(closed, unit)
	if len(closed) > trendWindows {
		closed = closed[len(closed)-trendWindows:]
	}
	n := len(closed)
	if n < minTrend {
		return nil, nil
	}
	l := fit(closed)
	t := &contract.Trend{Windows: n, Slope: l.slope, StdErr: l.sigma / math.Sqrt(l.sxx)}
	ahead := WindowsBetween(closed[n-1].Window.End, g.Deadline.End(zone), g.Grain)
	if ahead < 1 {
		return t, nil
	}
	x := float64(n-1+ahead) - l.meanX
	v := l.meanY + l.slope*x
	half := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(n - 2)}.Quantile(0.975) *
		l.sigma * math.Sqrt(1+1/float64(n)+x*x/l.sxx)
	clamp := func(v float64) float64 { return min(high, max(low, v)) }
	return t, &contract.Projection{At: g.Deadline, Value: clamp(v), Low: clamp(v - half), High: clamp(v + half), How: "linear_trend"}
}

// limits are those of the unit by every window that has a value, however long ago.
func limits(closed []contract.Measurement, unit contract.Unit) (low, high float64) {
	seen := make([]float64, len(closed))
	for i := range closed {
		seen[i] = *closed[i].Value
	}
	return unit.Limits(seen...)
}

type line struct{ meanX, meanY, slope, sxx, sigma float64 }

func fit(ms []contract.Measurement) line {
	n := float64(len(ms))
	l := line{meanX: (n - 1) / 2}
	for i := range ms {
		l.meanY += *ms[i].Value / n
	}
	var sxy float64
	for i := range ms {
		dx := float64(i) - l.meanX
		l.sxx += dx * dx
		sxy += dx * (*ms[i].Value - l.meanY)
	}
	l.slope = sxy / l.sxx
	var rss float64
	for i := range ms {
		r := *ms[i].Value - l.meanY - l.slope*(float64(i)-l.meanX)
		rss += r * r
	}
	l.sigma = math.Sqrt(rss / (n - 2))
	return l
}

// WindowsBetween returns how many whole windows of the grain lie from end to until, rounded.
func WindowsBetween(end, until time.Time, g contract.Grain) int {
	days := until.Sub(end).Hours() / 24
	length := map[contract.Grain]float64{
		contract.GrainDay: 1, contract.GrainWeek: 7, contract.GrainMonth: 365.25 / 12, contract.GrainQuarter: 365.25 / 4, contract.GrainYear: 365.25,
	}[g]
	if length == 0 {
		return 0
	}
	return int(math.Round(days / length))
}

// Split returns what drove the change of a value between two windows, by the groups of its dimension: for each group
// the part from its weight having changed (mix, at the mean of its values) and the part from its value having changed
// (rate, at the mean of its weights). The parts sum to the change exactly (the symmetric form of Kitagawa 1955). It is
// nil where either window has no parts.
//
// A group that is absent from one window has no value there; the other window's is taken, so that its coming or going
// is all mix. Mix is taken against the mean of the two whole values, so that a group of average value moves nothing by
// growing; over all groups this changes no sum, because weights sum to one.
func Split(from, to *contract.Measurement) *contract.Change {
	if len(from.Parts) == 0 || len(to.Parts) == 0 || from.Value == nil || to.Value == nil {
		return nil
	}
	w0, v0 := weights(from.Parts)
	w1, v1 := weights(to.Parts)
	level := (*from.Value + *to.Value) / 2
	c := &contract.Change{From: from.Window, To: to.Window, Total: *to.Value - *from.Value}
	for _, key := range keys(from.Parts, to.Parts) {
		a, b := v0[key], v1[key]
		if _, ok := v0[key]; !ok {
			a = b
		}
		if _, ok := v1[key]; !ok {
			b = a
		}
		c.Drivers = append(c.Drivers, contract.Driver{
			Key: key, Mix: (w1[key] - w0[key]) * ((a+b)/2 - level), Rate: (b - a) * (w0[key] + w1[key]) / 2,
		})
	}
	return c
}

func weights(parts []contract.Part) (w, v map[string]float64) {
	w, v = map[string]float64{}, map[string]float64{}
	var total float64
	for _, p := range parts {
		total += float64(p.N)
	}
	for _, p := range parts {
		w[p.Key], v[p.Key] = float64(p.N)/total, p.Value
	}
	return w, v
}

func keys(a, b []contract.Part) []string {
	var ks []string
	for _, p := range slices.Concat(a, b) {
		if !slices.Contains(ks, p.Key) {
			ks = append(ks, p.Key)
		}
	}
	slices.Sort(ks)
	return ks
}
