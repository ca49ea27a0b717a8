package series

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/functional/internal/information"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/export"
	"github.com/strata-crm/strata/shared/fault"
)

// File is a table with its rows.
type File struct {
	export.Table
	Values [][]any
}

// Rows yields the rows for export.Write.
func (f File) Rows() export.Rows {
	return func(yield func([]any, error) bool) {
		for _, r := range f.Values {
			if !yield(r, nil) {
				return
			}
		}
	}
}

var windowColumns = []export.Column{
	{Name: "window_start", Type: export.Instant, Note: "the first instant of the window"},
	{Name: "window_end", Type: export.Instant, Note: "the first instant after it"},
}

// Series returns a row for each window of the subject, oldest first, with everything that a number needs beside it.
func Series(ctx context.Context, r Reader, s Subject) (File, error) {
	ms, err := s.read(ctx, r, false, MostWindows)
	if err != nil {
		return File{}, err
	}
	unit := unitNote(s.Definition.Unit, ms[len(ms)-1].Currency)
	f := File{Table: export.Table{Title: "series", Notes: s.notes(ms), Columns: slices.Concat(windowColumns, []export.Column{
		{Name: "closed", Type: export.Boolean, Note: "every source it needs is complete to the window's end"},
		{Name: "value", Type: export.Number, Note: unit + "; empty: none, see reason"},
		{Name: "reason", Type: export.Text, Note: "why there is no value"},
		{Name: "n", Type: export.Integer, Note: "customers, or rows of a count of rows, that it rests on"},
		{Name: "stderr", Type: export.Number, Note: "standard error, in the value's unit"},
		{Name: "low", Type: export.Number, Note: "95 % interval, from"},
		{Name: "high", Type: export.Number, Note: "95 % interval, to"},
		{Name: "coverage", Type: export.Number, Note: "share that have the parameter that fewest have, of those the metric needs"},
		{Name: "as_of", Type: export.Instant, Note: "the watermark it was computed at"},
		{Name: "revision", Type: export.Integer, Note: "higher: measured again"},
		{Name: "version", Type: export.Text, Note: "of the metric's definition"},
	})}}
	for i := range ms {
		f.Values = append(f.Values, seriesRow(&ms[i]))
	}
	return f, nil
}

func seriesRow(m *contract.Measurement) []any {
	reason := any(nil)
	if m.Reason != nil {
		reason = string(m.Reason.Code)
	}
	return []any{
		m.Window.Start, m.Window.End, m.Closed, number(m.Value), reason, m.N, number(m.StdErr), number(m.Low), number(m.High),
		least(m.Quality.Coverage), m.AsOf, m.Revision, m.Version,
	}
}

func number(v *float64) any {
	if v == nil || math.IsNaN(*v) || math.IsInf(*v, 0) {
		return nil
	}
	return *v
}

func least(coverage map[contract.ParameterName]float64) any {
	low := math.Inf(1)
	for _, share := range coverage {
		low = min(low, share)
	}
	return number(&low)
}

func unitNote(u contract.Unit, currency string) string {
	if u == contract.Money {
		return "minor units of " + currency
	}
	return string(u)
}

// notes says what the file is about.
func (s Subject) notes(ms []contract.Measurement) []string {
	asOf := ms[0].AsOf
	for i := range ms {
		if ms[i].AsOf.After(asOf) {
			asOf = ms[i].AsOf
		}
	}
	return []string{
		fmt.Sprintf("%s: %s", s.Definition.Label, s.Definition.Description),
		fmt.Sprintf("metric %s %s, measured for goal %s under directive %s", s.Definition.ID, s.Definition.Version, s.Directive.Goal.ID, s.Directive.ID),
		fmt.Sprintf("as of %s", asOf.UTC().Format(time.RFC3339)),
	}
}

// byCohort is the dimension whose groups are cohorts.
const byCohort = "cohort"

// Cohorts returns the retention grid: a row for each cohort, named by its month, and a column for each month since then. Cells
// are the values of closed windows; they are empty where a group was too small to be told or the month is not over. It
// fails with fault.Conflict where the metric isn't split by cohorts.
func Cohorts(ctx context.Context, r Reader, s Subject) (File, error) {
	if s.Definition.Dimension != byCohort {
		return File{}, fault.New(fault.Conflict, fault.BadDefinition, "%s is not split by cohorts: take a metric whose dimension is %s, such as monthly_cohort_retention", s.Definition.ID, byCohort)
	}
	ms, err := s.read(ctx, r, true, MostWindows)
	if err != nil {
		return File{}, err
	}
	g := newGrid(ms, s.zone())
	if len(g.cells) == 0 {
		return File{}, fault.New(fault.Conflict, fault.GroupTooSmall, "no window of %s tells of its cohorts: in each a cohort was too small to be shown", s.Definition.ID)
	}
	f := File{Table: export.Table{Title: "cohorts", Notes: s.notes(ms), Columns: []export.Column{
		{Name: "cohort", Type: export.Text, Note: "the month of the first purchase"},
		{Name: "customers", Type: export.Integer, Note: "in the newest window that tells of the cohort"},
	}}}
	for _, age := range g.ages {
		f.Columns = append(f.Columns, export.Column{
			Name: fmt.Sprintf("month_%d", age), Type: export.Number, Note: fmt.Sprintf("%s, %d months later", unitNote(s.Definition.Unit, ms[0].Currency), age),
		})
	}
	for _, key := range g.keys {
		row := []any{key, g.customers[key]}
		for _, age := range g.ages {
			row = append(row, number(g.cells[cell{key, age}]))
		}
		f.Values = append(f.Values, row)
	}
	return f, nil
}

// cell is a place in the grid: a cohort, so many months after its own.
type cell struct {
	key string
	age int
}

type grid struct {
	keys      []string // ascending
	ages      []int    // ascending
	cells     map[cell]*float64
	customers map[string]int64
}

// newGrid lays out the parts of ascending windows. A part whose key is no month is left out.
func newGrid(ms []contract.Measurement, zone *time.Location) grid {
	g := grid{cells: map[cell]*float64{}, customers: map[string]int64{}}
	for i := range ms {
		for _, p := range ms[i].Parts {
			began, err := time.Parse("2006-01", p.Key)
			if err != nil {
				continue
			}
			at := ms[i].Window.Start.In(zone)
			c := cell{p.Key, 12*(at.Year()-began.Year()) + int(at.Month()-began.Month())}
			if !slices.Contains(g.ages, c.age) {
				g.ages = append(g.ages, c.age)
			}
			if _, ok := g.customers[p.Key]; !ok {
				g.keys = append(g.keys, p.Key)
			}
			value := p.Value
			g.cells[c], g.customers[p.Key] = &value, p.N
		}
	}
	slices.Sort(g.keys)
	slices.Sort(g.ages)
	return g
}

// Expectation returns the forecast as a table; a fault where there is none.
func Expectation(ctx context.Context, r Reader, s Subject, ahead int, of information.Forecaster) (File, error) {
	f, err := Ahead(ctx, r, s, ahead, of)
	if err != nil {
		return File{}, err
	}
	if f.Problem != nil {
		return File{}, fault.New(fault.Conflict, f.Problem.Code, "%s", f.Problem.Text)
	}
	unit := unitNote(f.Unit, f.Currency)
	file := File{Table: export.Table{Title: "forecast", Columns: slices.Concat(windowColumns, []export.Column{
		{Name: "mean", Type: export.Number, Note: "what is expected, " + unit},
		{Name: "low_80", Type: export.Number, Note: "80 % prediction interval, from"}, {Name: "high_80", Type: export.Number, Note: "to"},
		{Name: "low_95", Type: export.Number, Note: "95 % prediction interval, from"}, {Name: "high_95", Type: export.Number, Note: "to"},
	}), Notes: []string{
		fmt.Sprintf("%s: metric %s %s, measured for goal %s", f.Label, f.Metric, f.Version, f.Goal),
		fmt.Sprintf("as of %s, from %d windows by %s: %s", f.AsOf.UTC().Format(time.RFC3339), f.Windows, f.Method, f.How),
		fmt.Sprintf("backtest from %d origins: MASE %.3f; the intervals of 80 and 95 %% held %.0f and %.0f %% of %d values",
			f.Backtest.Origins, f.Backtest.MASE, 100*f.Backtest.Coverage80, 100*f.Backtest.Coverage95, f.Backtest.Values),
	}}}
	for _, p := range f.Points {
		file.Values = append(file.Values, []any{p.Window.Start, p.Window.End, p.Mean, p.Low80, p.High80, p.Low95, p.High95})
	}
	return file, nil
}
