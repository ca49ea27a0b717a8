package information

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/strata-crm/strata/functional/internal/forecast"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
)

func month(y int, m time.Month, value float64, n int64, parts ...contract.Part) contract.Measurement {
	start := time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
	return contract.Measurement{
		Metric: "month_on_month_retention", Version: "1.0.0", Grain: contract.GrainMonth, Unit: contract.Ratio, N: n,
		Window: contract.Window{Start: start, End: start.AddDate(0, 1, 0)}, Closed: true, Value: &value, Parts: parts, Revision: 1,
		AsOf: start.AddDate(0, 1, 0),
	}
}

func directive(deadline contract.Day) *contract.StrategicDirective {
	return &contract.StrategicDirective{TimeZone: "UTC", Goal: contract.Goal{ID: "g", Deadline: deadline, Grain: contract.GrainMonth}}
}

func TestSplitSumsToTheChange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := func(key string) contract.Part {
			return contract.Part{Key: key, N: rapid.Int64Range(10, 1e6).Draw(t, key), Value: rapid.Float64Range(-1e3, 1e3).Draw(t, key+"v")}
		}
		pick := func(name string) (ps []contract.Part) {
			ps = append(ps, part("always"+""))
			for _, k := range []string{"a", "b", "c"} {
				if rapid.Bool().Draw(t, name+k) {
					ps = append(ps, part(k))
				}
			}
			return ps
		}
		from, to := month(1997, 1, 0, 0, pick("from")...), month(1997, 2, 0, 0, pick("to")...)
		*from.Value, *to.Value = whole(from.Parts), whole(to.Parts)
		c := Split(&from, &to)
		var sum float64
		for _, d := range c.Drivers {
			sum += d.Mix + d.Rate
		}
		if math.Abs(sum-c.Total) > 1e-9*(1+math.Abs(*from.Value)+math.Abs(*to.Value)) {
			t.Fatalf("drivers sum to %v, the change is %v", sum, c.Total)
		}
	})
}

func whole(ps []contract.Part) float64 {
	var n, sum float64
	for _, p := range ps {
		n += float64(p.N)
		sum += float64(p.N) * p.Value
	}
	return sum / n
}

func TestSplitTellsMixFromRate(t *testing.T) {
	t.Parallel()
	// Newcomers return at 10 %, established customers at 40 %, in both months: only the mix changed.
	from := month(1997, 1, .25, 200, contract.Part{Key: "newcomers", N: 100, Value: .1}, contract.Part{Key: "established", N: 100, Value: .4})
	to := month(1997, 2, .34, 200, contract.Part{Key: "newcomers", N: 40, Value: .1}, contract.Part{Key: "established", N: 160, Value: .4})
	for _, d := range Split(&from, &to).Drivers {
		if d.Rate != 0 || d.Mix <= 0 {
			t.Errorf("%s: mix %v, rate %v; want all mix", d.Key, d.Mix, d.Rate)
		}
	}
	if Split(&from, &contract.Measurement{}) != nil {
		t.Error("a window without parts must not be split")
	}
}

func TestBuildProjectsToTheDeadline(t *testing.T) {
	t.Parallel()
	var ms []contract.Measurement
	for i, v := range []float64{.20, .22, .24, .26} {
		ms = append(ms, month(1997, time.Month(4-i), .26-float64(i)*.02, 100))
		_ = v
	}
	info, ok := Build(Input{Directive: directive("1997-06-30"), Own: ms})
	if !ok || len(info.Series) != 4 || !info.Series[0].Window.Start.Equal(time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC)) {
		t.Fatalf("series is not ascending: %+v", info.Series)
	}
	if p := info.Projection; p == nil || math.Abs(p.Value-.30) > 1e-9 || p.Low > p.Value || p.High < p.Value {
		t.Errorf("projection %+v, want .30 two months on", info.Projection)
	}
	if math.Abs(info.Trend.Slope-.02) > 1e-12 {
		t.Errorf("slope %v, want .02 a month", info.Trend.Slope)
	}
}

// A level with a season of a year: 24 months of it are enough for the forecast, which knows July from December.
func TestBuildForecastsWhereThereIsEnough(t *testing.T) {
	t.Parallel()
	var ms []contract.Measurement
	for i := range 24 {
		ms = append(ms, month(1996+i/12, time.Month(1+i%12), .5+.3*math.Sin(2*math.Pi*float64(i)/12)+.01*math.Cos(7*float64(i)), 100))
	}
	asked := 0
	in := Input{Directive: directive("1998-04-30"), Own: ms, Forecast: func(s forecast.Series, ahead int, g forecast.Gates) (*forecast.Forecast, error) {
		asked++
		if len(s.Values) != 24 || s.Season != 12 || ahead != 4 || *s.Bounds.High != 1 {
			t.Errorf("%d values, season %d, %d ahead, bounds %+v", len(s.Values), s.Season, ahead, s.Bounds)
		}
		return forecast.Of(s, ahead, g)
	}}
	info, _ := Build(in)
	if p := info.Projection; asked != 1 || p == nil || p.How != string(forecast.SeasonalNaive) || math.Abs(p.Value-.8) > .05 || p.Low < 0 || p.High > 1 || p.High-p.Low < .01 {
		t.Errorf("projection %+v; want last year's April again, about .8", p)
	}
	in.Own, in.Forecast = ms[:14], nil // one too few for the gates
	if info, _ := Build(in); info.Projection == nil || info.Projection.How != "linear_trend" {
		t.Errorf("projection %+v; want a line through so few windows", info.Projection)
	}
}

func TestProjectionsOfRatiosThatAreNoShares(t *testing.T) {
	t.Parallel()
	flat := func(value float64, n int) (ms []contract.Measurement) {
		for i := range n {
			ms = append(ms, month(1996+i/12, time.Month(1+i%12), value+.001*math.Cos(7*float64(i)), 100))
		}
		return ms
	}
	for name, value := range map[string]float64{"revenue against a year ago": 1.12, "growth": -.05} {
		for how, n := range map[string]int{"a line": 6, "a forecast": 24} {
			info, _ := Build(Input{Directive: directive(map[int]contract.Day{6: "1996-09-30", 24: "1998-04-30"}[n]), Own: flat(value, n)})
			if p := info.Projection; p == nil || math.Abs(p.Value-value) > .01 || p.Low >= p.Value || p.High <= p.Value {
				t.Errorf("%s by %s: %+v, want about %v", name, how, p, value)
			}
		}
	}
}

func TestSeriesOfLeavesGapsOpen(t *testing.T) {
	t.Parallel()
	none, open := month(1997, 4, 0, 0), month(1997, 6, .9, 50)
	none.Value, open.Closed = nil, false
	s, end := SeriesOf([]contract.Measurement{open, month(1997, 5, .3, 50), month(1997, 1, .1, 50), none, month(1997, 2, .2, 50)})
	if len(s.Values) != 5 || !math.IsNaN(s.Values[2]) || !math.IsNaN(s.Values[3]) || s.Values[4] != .3 || end.Month() != time.June {
		t.Errorf("%v until %s; want January, February and May, and two windows without a value", s.Values, end)
	}
	for name, c := range map[string]struct {
		unit      contract.Unit
		value     float64
		low, high bool
	}{
		"a share":               {contract.Ratio, .2, true, true},
		"a ratio above one":     {contract.Ratio, 1.2, true, false},
		"a change, negative":    {contract.Ratio, -.2, false, false},
		"money":                 {contract.Money, 500, true, false},
		"money after refunds":   {contract.Money, -500, false, false},
		"a count":               {contract.Count, 3, true, false},
		"values per a customer": {contract.PerPerson, 0, true, false},
	} {
		m := month(1997, 1, c.value, 50)
		m.Unit = c.unit
		if s, _ := SeriesOf([]contract.Measurement{m}); (s.Bounds.Low != nil) != c.low || (s.Bounds.High != nil) != c.high {
			t.Errorf("%s: bounds %+v", name, s.Bounds)
		}
	}
}

func TestBuildKnowsNoProjectionAfterTheDeadline(t *testing.T) {
	t.Parallel()
	ms := []contract.Measurement{month(1997, 1, .1, 50), month(1997, 2, .3, 50), month(1997, 3, .2, 50)}
	info, _ := Build(Input{Directive: directive("1997-03-31"), Own: ms})
	if info.Projection != nil {
		t.Errorf("projected %+v though the deadline's window is measured", info.Projection)
	}
	if _, ok := Build(Input{Directive: directive("1997-03-31")}); ok {
		t.Error("information without a measurement")
	}
}

func TestBuildTakesTheNewestRevision(t *testing.T) {
	t.Parallel()
	old, restated := month(1997, 1, .1, 50), month(1997, 1, .2, 51)
	restated.Revision = 2
	info, _ := Build(Input{Directive: directive("1997-12-31"), Own: []contract.Measurement{restated, old}})
	if len(info.Series) != 1 || *info.Series[0].Value != .2 {
		t.Errorf("series %+v, want the restated value alone", info.Series)
	}
}

func TestNotesTellThatNobodyNewComes(t *testing.T) {
	t.Parallel()
	months := func(newcomers ...float64) []contract.Measurement {
		var ms []contract.Measurement
		for i, v := range newcomers {
			m := month(1997, time.Month(1+i), v, int64(v))
			m.Metric = "new_customers_month"
			ms = append(ms, m)
		}
		return ms
	}
	got := notes(months(7846, 8476, 7248, 0, 0, 0))
	want := contract.Window{Start: time.Date(1997, 1, 1, 0, 0, 0, 0, time.UTC), End: time.Date(1997, 4, 1, 0, 0, 0, 0, time.UTC)}
	if len(got) != 1 || got[0].Code != contract.ClosedBase || got[0].Window != want {
		t.Errorf("%+v; want a base closed since April", got)
	}
	for name, ms := range map[string][]contract.Measurement{
		"a quiet spell": months(7846, 0, 0), "newcomers again": months(7846, 0, 0, 0, 12), "nobody ever": months(0, 0, 0, 0), "no such metric": nil,
	} {
		if n := notes(ms); n != nil {
			t.Errorf("%s: %+v", name, n)
		}
	}
	for hidden, said := range map[int]bool{0: false, 1: true, 4: false, 5: false} {
		ms := months(7846, 8476, 7248, 0, 0, 0)
		ms[hidden].Value, ms[hidden].Reason = nil, &contract.Reason{Code: "group_too_small"}
		if n := notes(ms); (n != nil) != said {
			t.Errorf("with too few newcomers to be shown in window %d: %+v", hidden, n)
		}
	}
	in := Input{Directive: directive("1997-12-31"), Own: months(7846, 0, 0, 0)}
	if info, _ := Build(in); len(info.Notes) != 1 {
		t.Errorf("a goal on newcomers themselves: %+v", info.Notes)
	}
}

// Windows that came together, as after one import of many, are all split, and the newest is the change that is told.
func TestEveryWindowIsSplit(t *testing.T) {
	t.Parallel()
	part := func(n int64, v float64) contract.Part { return contract.Part{Key: "newcomers", N: n, Value: v} }
	gap := month(1997, 3, 0, 0)
	gap.Value = nil
	own := []contract.Measurement{month(1997, 1, .1, 50, part(50, .1)), month(1997, 2, .2, 50, part(50, .2)), gap, month(1997, 4, .4, 50, part(50, .4))}
	revenue := month(1997, 4, 900, 50)
	revenue.Metric, revenue.Unit, revenue.Currency = "revenue_month", contract.Money, "JPY"
	info, _ := Build(Input{Directive: directive("1997-12-31"), Own: own, Supporting: []contract.Measurement{revenue}})
	var totals []float64
	for _, c := range info.Changes {
		totals = append(totals, math.Round(c.Total*10)/10)
	}
	if len(totals) != 2 || totals[0] != .1 || totals[1] != .2 || info.Change == nil || !info.Change.To.Start.Equal(own[3].Window.Start) {
		t.Errorf("changes of %v, the last %+v", totals, info.Change)
	}
	if s := info.Supporting; len(s) != 1 || s[0].Currency != "JPY" {
		t.Errorf("a metric in money beside a goal that is none: %+v", s)
	}
}

// However many groups a metric has, the information fits into a message; what is left out is the oldest.
func TestChangesFitIntoAMessage(t *testing.T) {
	t.Parallel()
	var parts []contract.Part
	for i := range MaxDrivers / 50 {
		parts = append(parts, contract.Part{Key: fmt.Sprintf("a group with a name that is as long as names are, number %d", i), N: 50, Value: 1.0 / 3})
	}
	var own []contract.Measurement
	for i := range MaxWindows {
		own = append(own, month(1988, time.Month(i+1), 1.0/3, 50, parts...))
	}
	info, _ := Build(Input{Directive: directive("1999-12-31"), Own: own})
	raw, err := json.Marshal(info)
	if err != nil || len(raw) > bus.MaxMessageBytes {
		t.Errorf("%d bytes, %v", len(raw), err)
	}
	if n := len(info.Changes); n != 50 || !info.Changes[n-1].To.Start.Equal(own[MaxWindows-1].Window.Start) {
		t.Errorf("%d changes", n)
	}
}
