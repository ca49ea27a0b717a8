package series_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/forecast"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/functional/internal/series"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
)

// kept is measurements in memory, ascending.
type kept []contract.Measurement

func (k kept) Windows(_ context.Context, s query.Span) ([]contract.Measurement, error) {
	var out []contract.Measurement
	for i := len(k) - 1; i >= 0 && len(out) < s.Limit; i-- {
		if m := k[i]; (m.Closed || !s.Closed) && (s.Before == nil || m.Window.Start.Before(*s.Before)) {
			out = append(out, m)
		}
	}
	return out, nil
}

type broken struct{}

func (broken) Windows(context.Context, query.Span) ([]contract.Measurement, error) {
	return nil, errors.New("the store is away")
}

var retention = contract.Definition{
	ID: "monthly_cohort_retention", Version: "1.0.0", Label: "Monthly cohort retention", Description: "Of each cohort, who came back.", Unit: contract.Ratio, Dimension: "cohort",
}

func subject() series.Subject {
	return series.Subject{Definition: retention, Directive: &contract.StrategicDirective{
		Order: contract.Order{ID: "sd-1"}, TimeZone: "America/New_York",
		Goal: contract.Goal{ID: "goal-1", Metric: retention.ID, Grain: contract.GrainMonth, Deadline: "1999-03-31"},
	}}
}

// month is a window of a calendar month in New York.
func month(i int, value float64, parts ...contract.Part) contract.Measurement {
	zone, _ := time.LoadLocation("America/New_York")
	start := time.Date(1997, time.Month(1+i), 1, 0, 0, 0, 0, zone)
	end := start.AddDate(0, 1, 0)
	return contract.Measurement{
		Metric: retention.ID, Version: "1.0.0", Grain: contract.GrainMonth, Unit: contract.Ratio, Window: contract.Window{Start: start.UTC(), End: end.UTC()},
		Closed: true, AsOf: end.UTC(), Value: &value, N: 100, Revision: 1, Parts: parts,
		Quality: contract.Quality{Coverage: map[contract.ParameterName]float64{"order_time": 1, "order_amount": .9}},
	}
}

func TestAheadTellsTheWindowsToCome(t *testing.T) {
	t.Parallel()
	var all kept
	for i := range 24 {
		all = append(all, month(i, .3+.2*math.Sin(2*math.Pi*float64(i)/12)+.01*math.Cos(5*float64(i))))
	}
	f, err := series.Ahead(t.Context(), all, subject(), 0, forecast.Of)
	if err != nil || f.Problem != nil {
		t.Fatalf("%v, %+v", err, f.Problem)
	}
	if len(f.Points) != 3 || f.Windows != 24 || f.Season != 12 || f.Method == "" || f.How == "" || f.N != 100 || len(f.Candidates) < 2 || f.Backtest.Origins < 5 {
		t.Errorf("until the deadline, three months on: %+v", f)
	}
	zone, _ := time.LoadLocation("America/New_York")
	for i, p := range f.Points {
		want := time.Date(1999, time.Month(1+i), 1, 0, 0, 0, 0, zone)
		if !p.Window.Start.Equal(want) || !p.Window.End.Equal(want.AddDate(0, 1, 0)) {
			t.Errorf("window %d is %v, want the month from %s", i, p.Window, want)
		}
		if !(0 <= p.Low95 && p.Low95 <= p.Low80 && p.Low80 <= p.Mean && p.Mean <= p.High80 && p.High80 <= p.High95 && p.High95 <= 1) {
			t.Errorf("intervals out of order: %+v", p)
		}
	}
	if f, _ := series.Ahead(t.Context(), all, subject(), 7, forecast.Of); len(f.Points) != 7 {
		t.Errorf("%d windows, want the 7 that were asked for", len(f.Points))
	}
	late := subject()
	late.Directive.Goal.Deadline = "1998-01-31"
	if f, _ := series.Ahead(t.Context(), all, late, 0, forecast.Of); len(f.Points) != 6 {
		t.Errorf("%d windows beyond a deadline that is past, want 6", len(f.Points))
	}
}

func TestAheadSaysWhyThereIsNone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kept kept
		code fault.Code
	}{
		"nothing": {nil, fault.NoData}, "too little": {kept{month(0, .1), month(1, .2)}, fault.ModelNotIdentified},
	} {
		f, err := series.Ahead(t.Context(), c.kept, subject(), 0, forecast.Of)
		if err != nil || f.Problem == nil || f.Problem.Code != c.code || f.Problem.Text == "" || f.Metric != retention.ID {
			t.Errorf("%s: %v, %+v", name, err, f)
		}
		if _, err := series.Expectation(t.Context(), c.kept, subject(), 0, forecast.Of); fault.CodeOf(err) != c.code {
			t.Errorf("%s: as a file %v", name, err)
		}
	}
	if _, err := series.Ahead(t.Context(), broken{}, subject(), 0, forecast.Of); err == nil {
		t.Error("a store that fails is no answer about the series")
	}
}

func TestCohortsAsAGrid(t *testing.T) {
	t.Parallel()
	p := func(key string, n int64, v float64) contract.Part { return contract.Part{Key: key, N: n, Value: v} }
	open := month(4, .9, p("1997-01", 50, .9))
	open.Closed = false
	all := kept{
		month(1, .4, p("1997-01", 50, .4)), month(2, .3, p("1997-01", 50, .3), p("1997-02", 20, .35)),
		month(3, .2), // a cohort was too small, so no part is told
		open,
	}
	f, err := series.Cohorts(t.Context(), all, subject())
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([][]string{{"cohort", "customers", "month_1", "month_2"}, {"1997-01", "50", "0.4", "0.3"}, {"1997-02", "20", "0.35", ""}}, written(t, f)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	other := subject()
	other.Definition.Dimension = "tenure"
	if _, err := series.Cohorts(t.Context(), all, other); !fault.Is(err, fault.Conflict) {
		t.Errorf("%v; a metric of another dimension has no cohorts", err)
	}
	if _, err := series.Cohorts(t.Context(), kept{month(3, .2)}, subject()); fault.CodeOf(err) != fault.GroupTooSmall {
		t.Errorf("%v; want why there is no grid", err)
	}
}

func written(t *testing.T, f series.File) [][]string {
	t.Helper()
	var b bytes.Buffer
	if err := export.Write(&b, export.CSV, f.Table, f.Rows()); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

func TestSeriesReadsEveryPage(t *testing.T) {
	t.Parallel()
	var all kept
	for i := range 2*query.MaxWindows + 7 {
		m := month(0, float64(i))
		m.Window.Start, m.Window.End = m.Window.Start.AddDate(0, 0, i), m.Window.Start.AddDate(0, 0, i+1)
		all = append(all, m)
	}
	none := &all[3]
	none.Value, none.Reason = nil, &contract.Reason{Code: fault.ZeroDenominator}
	f, err := series.Series(t.Context(), all, subject())
	if err != nil {
		t.Fatal(err)
	}
	lines := written(t, f)
	if len(lines) != len(all)+1 || lines[1][3] != "0" || lines[len(lines)-1][3] != fmt.Sprint(len(all)-1) {
		t.Fatalf("%d lines, the first %v, the last %v", len(lines), lines[1], lines[len(lines)-1])
	}
	at := func(name string) int { return slices.Index(lines[0], name) }
	if l := lines[4]; l[at("value")] != "" || l[at("reason")] != "zero_denominator" || l[at("coverage")] != "0.9" || l[at("n")] != "100" || l[at("revision")] != "1" {
		t.Errorf("%v: %v", lines[0], l)
	}
}

func record(id contract.DirectiveID, goal contract.GoalID, revision int64, standing contract.Standing, metrics ...contract.MetricID) directive.Record {
	p := &plan.Plan{Parts: []plan.Part{{}}}
	for _, m := range metrics {
		p.Parts[0].Metrics = append(p.Parts[0].Metrics, plan.Metric{Definition: contract.Definition{ID: m, Version: "1.0.0"}})
	}
	return directive.Record{Plan: p, Strategic: &contract.StrategicDirective{
		Order: contract.Order{ID: id, Revision: revision, Standing: standing}, Goal: contract.Goal{ID: goal, Metric: metrics[0]},
	}}
}

func TestFind(t *testing.T) {
	t.Parallel()
	all := []directive.Record{
		record("sd-old", "goal-1", 3, contract.WithdrawnEnd, "repeat_rate"), record("sd-1", "goal-1", 1, contract.InForce, "repeat_rate", "revenue_month"),
		record("sd-2", "goal-2", 1, contract.InForce, "revenue_month"), {},
	}
	for _, c := range []struct {
		metric contract.MetricID
		goal   contract.GoalID
		want   contract.DirectiveID
		says   string
	}{
		{"repeat_rate", "", "sd-1", ""}, {"", "goal-2", "sd-2", ""}, {"", "goal-1", "sd-1", ""}, {"revenue_month", "goal-1", "sd-1", ""},
		{"revenue_month", "", "", "goal-1, goal-2"}, {"", "", "", "name a metric"}, {"luck", "", "", "no plan computes luck"}, {"repeat_rate", "goal-2", "", "no plan computes"},
	} {
		got, err := series.Find(all, c.metric, c.goal)
		if c.says != "" {
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%s of %s: %v, want %q", c.metric, c.goal, err, c.says)
			}
			continue
		}
		if err != nil || got.Directive.ID != c.want {
			t.Errorf("%s of %s: %v, %v; want %s", c.metric, c.goal, got.Directive, err, c.want)
		}
	}
}
