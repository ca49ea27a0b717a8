package query

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

const metric contract.MetricID = "month_on_month_retention"

// desk is a reader of one directive's measurements, newest last.
type desk struct {
	ms   []contract.Measurement
	gets int
	fail error
}

func record() directive.Record {
	def := contract.Definition{ID: metric, Version: "1.2.0", Label: "Retention", Unit: contract.Ratio}
	return directive.Record{
		Strategic: &contract.StrategicDirective{Order: contract.Order{ID: "sd-1"}, Goal: contract.Goal{ID: "g-1", Metric: metric}, TimeZone: "Europe/Vienna"},
		Plan:      &plan.Plan{Parts: []plan.Part{{Metrics: []plan.Metric{{Definition: def, Required: true}}}}},
	}
}

func (d *desk) Of(_ context.Context, id contract.DirectiveID) (directive.Record, error) {
	d.gets++
	if id != "sd-1" {
		return directive.Record{}, fault.New(fault.NotFound, "", "there is no directive %s", id)
	}
	return record(), d.fail
}

func (d *desk) Pursuing(context.Context, contract.GoalID) (directive.Record, error) {
	return record(), d.fail
}

func (d *desk) Windows(_ context.Context, s Span) ([]contract.Measurement, error) {
	var out []contract.Measurement
	for i := len(d.ms) - 1; i >= 0 && len(out) < s.Limit; i-- {
		m := d.ms[i]
		def := contract.Definition{Version: m.Version}
		start := m.Window.Start
		switch {
		case s.Closed && !m.Closed, s.Major != def.Major(), s.Metric != m.Metric, s.Before != nil && !start.Before(*s.Before):
		case s.From != nil && start.Before(*s.From), s.To != nil && m.Window.End.After(*s.To), s.At != nil && !start.Equal(*s.At):
		default:
			out = append(out, m)
		}
	}
	return out, nil
}

var vienna = func() *time.Location {
	z, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		panic(err)
	}
	return z
}()

func month(n int, v float64) contract.Measurement {
	start := time.Date(1997, time.Month(n), 1, 0, 0, 0, 0, vienna)
	low, high := v-.1, v+.1
	return contract.Measurement{
		ID: contract.MeasurementID(start.Format("2006-01")), Revision: int64(n), Metric: metric, Version: "1.2.0", Grain: contract.GrainMonth, Closed: true,
		Window: contract.Window{Start: start.UTC(), End: start.AddDate(0, 1, 0).UTC()}, AsOf: start.AddDate(0, 1, 0).UTC(), Value: &v, Low: &low, High: &high,
		Unit: contract.Ratio, N: 500, Quality: contract.Quality{Coverage: map[contract.ParameterName]float64{"order_time": .97}, Suspects: map[string]int64{"zero_amount": 3}},
		Parts: []contract.Part{{Key: "established", N: int64(300 - n), Value: v + .1}, {Key: "newcomers", N: int64(200 + n), Value: v - .1}},
	}
}

// year is fourteen months, the last one open.
func year() *desk {
	d := &desk{}
	for n := 1; n <= 14; n++ {
		d.ms = append(d.ms, month(n, float64(n)/100))
	}
	d.ms[13].Closed = false
	return d
}

func ask(t *testing.T, d *desk, tiles ...Tile) []Result {
	t.Helper()
	for i := range tiles {
		if tiles[i].Goal == "" && tiles[i].Directive == "" {
			tiles[i].Goal = "g-1"
		}
	}
	a, err := Run(t.Context(), d, Request{tiles})
	if err != nil {
		t.Fatal(err)
	}
	return a.Tiles
}

func one(t *testing.T, d *desk, tile Tile) Result {
	t.Helper()
	r := ask(t, d, tile)[0]
	if r.Problem != nil {
		t.Fatalf("%s: %+v", tile.Kind, r.Problem)
	}
	return r
}

func TestLatestHasEverythingBesideTheNumber(t *testing.T) {
	t.Parallel()
	r := one(t, year(), Tile{ID: "a", Kind: Latest})
	if len(r.Points) != 1 {
		t.Fatalf("%+v", r)
	}
	p := r.Points[0]
	if r.ID != "a" || r.Metric != metric || r.Label != "Retention" || r.Unit != contract.Ratio || r.Version != "1.2.0" || r.Grain != contract.GrainMonth || r.Directive != "sd-1" || r.Goal != "g-1" ||
		*p.Value != .13 || p.N != 500 || *p.Low >= *p.High || p.Revision != 13 || p.Coverage["order_time"] != .97 || p.Suspects["zero_amount"] != 3 || r.AsOf == nil || !r.AsOf.Equal(p.AsOf) {
		t.Errorf("%+v", r)
	}
	if open := one(t, year(), Tile{Kind: Latest, Open: true}); *open.Points[0].Value != .14 || open.Points[0].Closed {
		t.Errorf("%+v", open.Points)
	}
}

func TestASeriesComesInPagesFromTheNewestBack(t *testing.T) {
	t.Parallel()
	var got []float64
	tile, pages := Tile{Kind: Series, Limit: 5}, 0
	for {
		r := one(t, year(), tile)
		pages++
		var page []float64
		for _, p := range r.Points {
			page = append(page, math.Round(*p.Value*100))
		}
		got = append(page, got...)
		if r.Next == "" {
			break
		}
		tile.Cursor = r.Next
	}
	var want []float64
	for n := 1; n <= 13; n++ {
		want = append(want, float64(n))
	}
	if d := cmp.Diff(want, got); d != "" || pages != 3 {
		t.Errorf("%d pages (-want +got):\n%s", pages, d)
	}
	from, to := month(3, 0).Window.Start, month(5, 0).Window.End
	if r := one(t, year(), Tile{Kind: Series, From: &from, To: &to}); len(r.Points) != 3 || r.Next != "" {
		t.Errorf("a range: %d windows, next %q", len(r.Points), r.Next)
	}
}

func TestGroupsAndGrids(t *testing.T) {
	t.Parallel()
	r := one(t, year(), Tile{Kind: Breakdown})
	if len(r.Groups) != 2 || r.Groups[0].Key != "established" || math.Abs(r.Groups[0].Share-.574) > 1e-9 || r.Groups[0].N != 287 || len(r.Points) != 1 {
		t.Errorf("%+v", r.Groups)
	}
	d := year()
	d.ms[11].Parts = d.ms[11].Parts[:1]
	d.ms[12].Parts = nil // suppressed as a whole
	r = one(t, d, Tile{Kind: Cohorts, Limit: 3})
	want := &Grid{
		Windows: []contract.Window{d.ms[10].Window, d.ms[11].Window, d.ms[12].Window},
		Rows: []Row{
			{"established", []Cell{{0, 289, .21000000000000002}, {1, 288, .22}}},
			{"newcomers", []Cell{{0, 211, .009999999999999995}}},
		},
	}
	if diff := cmp.Diff(want, r.Grid); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !r.AsOf.Equal(month(13, 0).AsOf) || !r.Points[2].AsOf.Equal(*r.AsOf) {
		t.Errorf("as of %s; want the newest window's", r.AsOf)
	}
}

func TestMoversSumToTheChangeExactly(t *testing.T) {
	t.Parallel()
	d := year()
	for i, key := range []string{"a", "b", "c", "d"} {
		d.ms[12].Parts = append(d.ms[12].Parts, contract.Part{Key: key, N: int64(20 * (i + 1)), Value: .2 * float64(i)})
	}
	// The whole's value is the weighted mean of its groups'.
	for _, i := range []int{11, 12} {
		var n, sum float64
		for _, p := range d.ms[i].Parts {
			n, sum = n+float64(p.N), sum+float64(p.N)*p.Value
		}
		v := sum / n
		d.ms[i].Value = &v
	}
	r := one(t, d, Tile{Kind: Movers, Limit: 2})
	if len(r.Change.Movers) != 2 || r.Change.Others == nil || len(r.Points) != 2 {
		t.Fatalf("%+v", r.Change)
	}
	sum, last := 0.0, math.Inf(1)
	for _, m := range append(slices.Clone(r.Change.Movers), *r.Change.Others) {
		sum += m.Mix + m.Rate
	}
	for _, m := range r.Change.Movers {
		if size := math.Abs(m.Mix + m.Rate); size > last {
			t.Errorf("%s comes after a smaller one", m.Key)
		} else {
			last = size
		}
	}
	if math.Abs(sum-r.Change.Total) > 1e-12 {
		t.Errorf("they sum to %v of %v", sum, r.Change.Total)
	}
}

func TestPeriodsAgainstPeriods(t *testing.T) {
	t.Parallel()
	r := one(t, year(), Tile{Kind: Compare})
	if len(r.Points) != 2 || math.Abs(*r.Against.Difference-.01) > 1e-12 || *r.Points[0].Value != .12 {
		t.Errorf("the window before: %+v", r.Against)
	}
	r = one(t, year(), Tile{Kind: Compare, Offset: &contract.Offset{Count: 1, Grain: contract.GrainYear}})
	if math.Abs(*r.Against.Difference-.12) > 1e-12 || math.Abs(*r.Against.Relative-12) > 1e-9 {
		t.Errorf("a year before: %+v", r.Against)
	}
	// July begins at another offset from UTC than January: months are the zone's.
	r = one(t, year(), Tile{Kind: Compare, Offset: &contract.Offset{Count: 2, Grain: contract.GrainQuarter}})
	if *r.Points[0].Value != .07 {
		t.Errorf("half a year before: %v", *r.Points[0].Value)
	}
}

// TestATileThatCannotBeAnsweredFailsNoOther asks everything wrong beside one thing right.
func TestATileThatCannotBeAnsweredFailsNoOther(t *testing.T) {
	t.Parallel()
	bare := year()
	for i := range bare.ms {
		bare.ms[i].Parts = nil
	}
	for name, c := range map[string]struct {
		d    *desk
		tile Tile
		want fault.Code
	}{
		"no kind":          {year(), Tile{Kind: "pie"}, fault.BadRequest},
		"both":             {year(), Tile{Kind: Latest, Goal: "g-1", Directive: "sd-1"}, fault.BadRequest},
		"no such":          {year(), Tile{Kind: Latest, Directive: "sd-9"}, fault.Code(fault.NotFound.String())},
		"other metric":     {year(), Tile{Kind: Latest, Metric: "happiness"}, fault.UnknownMetric},
		"another major":    {year(), Tile{Kind: Latest, Major: 7}, fault.NoData},
		"nothing measured": {&desk{}, Tile{Kind: Series}, fault.NoData},
		"limit":            {year(), Tile{Kind: Series, Limit: MaxWindows + 1}, fault.BadRequest},
		"grid limit":       {year(), Tile{Kind: Cohorts, Limit: MaxCohorts + 1}, fault.BadRequest},
		"negative":         {year(), Tile{Kind: Movers, Limit: -1}, fault.BadRequest},
		"cursor":           {year(), Tile{Kind: Series, Cursor: "@@"}, fault.BadRequest},
		"no groups":        {bare, Tile{Kind: Breakdown}, fault.GroupTooSmall},
		"no grid":          {bare, Tile{Kind: Cohorts}, fault.GroupTooSmall},
		"nobody moved":     {bare, Tile{Kind: Movers}, fault.GroupTooSmall},
		"one window":       {&desk{ms: year().ms[:1]}, Tile{Kind: Movers}, fault.NoData},
		"nothing before":   {year(), Tile{Kind: Compare, Offset: &contract.Offset{Count: 9, Grain: contract.GrainYear}}, fault.NoData},
		"no offset":        {year(), Tile{Kind: Compare, Offset: &contract.Offset{Count: 1, Grain: "fortnight"}}, fault.BadRequest},
	} {
		rs := ask(t, c.d, c.tile, Tile{ID: "right", Kind: Latest})
		if p := rs[0].Problem; p == nil || p.Code != c.want || p.Text == "" || rs[0].Points != nil {
			t.Errorf("%s: %+v; want %s", name, rs[0], c.want)
		}
		if len(c.d.ms) > 0 && rs[1].Problem != nil {
			t.Errorf("%s failed another tile: %+v", name, rs[1].Problem)
		}
	}
}

func TestLimitsOfACall(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, MaxTiles + 1} {
		if _, err := Run(t.Context(), year(), Request{make([]Tile, n)}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%d tiles: %v", n, err)
		}
	}
	d := year()
	tiles := make([]Tile, MaxTiles)
	for i := range tiles {
		tiles[i] = Tile{Kind: Latest, Directive: "sd-1"}
	}
	if ask(t, d, tiles...); d.gets != 1 {
		t.Errorf("the directive was read %d times for one call", d.gets)
	}
	d.fail = fault.New(fault.Transient, "", "no database")
	if _, err := Run(t.Context(), d, Request{tiles}); !fault.Is(err, fault.Transient) {
		t.Errorf("%v; a database that is away is nobody's tile", err)
	}
	d.fail = errors.New("broken")
	if _, err := Run(t.Context(), d, Request{tiles}); err == nil {
		t.Error("a defect was told as a tile's problem")
	}
}

// TestBackIsTheDayThatMetricsAreComparedWith checks that an offset leads to the window that a metric's own offset means.
func TestBackIsTheDayThatMetricsAreComparedWith(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	for from, want := range map[contract.Day]contract.Day{"2026-03-31": "2026-02-28", "2024-03-30": "2024-02-29", "2026-04-01": "2026-03-01"} {
		at, err := back(from.Start(vienna), contract.Offset{Count: 1, Grain: contract.GrainMonth}, "Europe/Vienna")
		if err != nil || !at.Equal(want.Start(vienna)) {
			t.Errorf("a month before %s: %s, %v; want %s", from, at, err, want)
		}
	}
}
