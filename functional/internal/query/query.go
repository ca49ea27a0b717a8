// Package query owns what a dashboard asks in one call: many tiles, each the latest value of a metric, a series, its
// groups, a grid of cohorts, what moved it most, or one period against another. It answers from measurements as they came
// up, never from data about customers, and computes nothing anew but differences. A tile that cannot be answered says why
// and fails no other.
package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Kind is what a tile shows.
type Kind string

// The kinds of tiles.
const (
	Latest    Kind = "latest"    // the newest closed window
	Series    Kind = "series"    // windows up to now, in pages from the newest back
	Breakdown Kind = "breakdown" // the newest closed window by the groups of the metric's dimension
	Cohorts   Kind = "cohorts"   // windows by groups: for a cohort metric the retention grid
	Movers    Kind = "movers"    // what drove the change between the last two closed windows, split into mix and rate
	Compare   Kind = "compare"   // the newest closed window against an earlier one
)

// Limits of one call.
const (
	MaxTiles   = 50
	MaxWindows = 500 // of a series, in one page
	MaxCohorts = 60  // windows of a grid
	MaxMovers  = 50

	defaultWindows = 60
	defaultCohorts = 24
	defaultMovers  = 10
)

// Request is the tiles of one call.
type Request struct {
	Tiles []Tile `json:"tiles"`
}

// Tile asks for one thing. It names either a goal or a directive; without a metric it is about the goal's own.
type Tile struct {
	ID        string               `json:"id"` // the caller's; given back
	Kind      Kind                 `json:"kind"`
	Goal      contract.GoalID      `json:"goal,omitempty"`
	Directive contract.DirectiveID `json:"directive,omitempty"` // strategic
	Metric    contract.MetricID    `json:"metric,omitempty"`
	Major     int                  `json:"major,omitempty"` // of the metric's version; 0: the one that the plan uses
	From      *time.Time           `json:"from,omitempty"`  // windows that start at or after
	To        *time.Time           `json:"to,omitempty"`    // and end at or before
	Open      bool                 `json:"open,omitempty"`  // of latest and series: windows that are not closed too
	Limit     int                  `json:"limit,omitempty"` // windows of a series or a grid, groups of movers
	Cursor    string               `json:"cursor,omitempty"`
	Offset    *contract.Offset     `json:"offset,omitempty"` // of compare; none: the window before
}

// Answer is the tiles in the order they were asked for.
type Answer struct {
	Tiles []Result `json:"tiles"`
}

// Result is one tile's answer: either what was asked for, or the problem.
type Result struct {
	ID        string               `json:"id"`
	Kind      Kind                 `json:"kind"`
	Directive contract.DirectiveID `json:"directive,omitempty"`
	Goal      contract.GoalID      `json:"goal,omitempty"`
	Metric    contract.MetricID    `json:"metric,omitempty"`
	Label     string               `json:"label,omitempty"`
	Version   string               `json:"version,omitempty"` // of the newest window shown
	Unit      contract.Unit        `json:"unit,omitempty"`
	Currency  string               `json:"currency,omitempty"`
	Grain     contract.Grain       `json:"grain,omitempty"`
	AsOf      *time.Time           `json:"asOf,omitempty"`    // the newest watermark among the windows shown
	Points    []Point              `json:"points,omitempty"`  // ascending
	Groups    []Group              `json:"groups,omitempty"`  // of a breakdown
	Grid      *Grid                `json:"grid,omitempty"`    // of cohorts
	Change    *Change              `json:"change,omitempty"`  // of movers
	Against   *Comparison          `json:"against,omitempty"` // of compare
	Next      string               `json:"next,omitempty"`    // of a series: the cursor of the page before in time
	Problem   *Problem             `json:"problem,omitempty"` // why there is nothing else
}

// Point is one window with everything that a number needs beside it.
type Point struct {
	contract.Point
	Numerator   *float64         `json:"numerator,omitempty"`
	Denominator *float64         `json:"denominator,omitempty"`
	Median      *float64         `json:"median,omitempty"`
	P90         *float64         `json:"p90,omitempty"`
	Suspects    map[string]int64 `json:"suspects,omitempty"` // counted oddities of the data
}

// Group is one group of a window.
type Group struct {
	Key   string  `json:"key"`
	N     int64   `json:"n"`
	Value float64 `json:"value"`
	Share float64 `json:"share"` // of the window's n
}

// Grid is windows by groups. A cell that is absent was not measured: the group was too small, or was not there.
type Grid struct {
	Windows []contract.Window `json:"windows"` // ascending
	Rows    []Row             `json:"rows"`    // by key
}

// Row is one group over the windows.
type Row struct {
	Key   string `json:"key"`
	Cells []Cell `json:"cells"`
}

// Cell is one group in one window.
type Cell struct {
	Window int     `json:"window"` // its place among the grid's
	N      int64   `json:"n"`
	Value  float64 `json:"value"`
}

// Change is what moved a value most. The movers' and the others' mix and rate sum to the total exactly.
type Change struct {
	From   contract.Window   `json:"from"`
	To     contract.Window   `json:"to"`
	Total  float64           `json:"total"`
	Movers []contract.Driver `json:"movers"` // by the size of what they moved, largest first
	Others *contract.Driver  `json:"others,omitempty"`
}

// Comparison is one window against an earlier one, which comes first among the points.
type Comparison struct {
	Difference *float64 `json:"difference,omitempty"` // where both have a value
	Relative   *float64 `json:"relative,omitempty"`   // of the earlier value; none where that is 0
}

// Problem says why a tile has no answer.
type Problem struct {
	Code fault.Code `json:"code"`
	Text string     `json:"text"`
}

// Span is which windows of a series are read.
type Span struct {
	Directive contract.DirectiveID
	Metric    contract.MetricID
	Major     int
	Closed    bool       // only closed ones
	From      *time.Time // start at or after
	Before    *time.Time // start before
	To        *time.Time // end at or before
	At        *time.Time // start exactly
	Limit     int
}

// Reader reads what was measured, by indexes alone.
type Reader interface {
	// Of returns the record of a directive; NotFound if there is none. Nobody may change it.
	Of(ctx context.Context, id contract.DirectiveID) (directive.Record, error)
	// Pursuing returns the record of the directive that pursues a goal; of several the one in force, else the newest.
	// Nobody may change it.
	Pursuing(ctx context.Context, g contract.GoalID) (directive.Record, error)
	// Windows returns the newest windows of a span, newest first. Nobody may change what they refer to.
	Windows(ctx context.Context, s Span) ([]contract.Measurement, error)
}

// Run answers a request. Only what ails the layer itself fails the whole: everything else is one tile's problem.
func Run(ctx context.Context, r Reader, q Request) (Answer, error) {
	if n := len(q.Tiles); n < 1 || n > MaxTiles {
		return Answer{}, fault.New(fault.Invalid, fault.BadRequest, "ask for 1 to %d tiles at once, not %d", MaxTiles, n)
	}
	c := &call{Reader: r, records: map[string]directive.Record{}}
	a := Answer{Tiles: make([]Result, len(q.Tiles))}
	for i := range q.Tiles {
		res, err := c.tile(ctx, q.Tiles[i])
		if err != nil {
			p := ProblemOf(err)
			if p == nil {
				return Answer{}, fmt.Errorf("tile %q: %w", q.Tiles[i].ID, err)
			}
			res = Result{ID: q.Tiles[i].ID, Kind: q.Tiles[i].Kind, Problem: p}
		}
		a.Tiles[i] = res
	}
	return a, nil
}

// ProblemOf returns what a person is told of an error; nil for one that ails the layer itself.
func ProblemOf(err error) *Problem {
	var f *fault.Error
	if !errors.As(err, &f) || f.Kind == fault.Internal || f.Kind == fault.Transient {
		return nil
	}
	return &Problem{Code: fault.CodeOf(err), Text: f.Text}
}

// call is what the tiles of one call share.
type call struct {
	Reader
	records map[string]directive.Record
}

// record returns the directive that a tile is about, read once for all tiles.
func (c *call) record(ctx context.Context, t *Tile) (rec directive.Record, err error) {
	if (t.Goal == "") == (t.Directive == "") {
		return rec, fault.New(fault.Invalid, fault.BadRequest, "name either a goal or a directive")
	}
	key := string(t.Goal) + "|" + string(t.Directive)
	if rec, ok := c.records[key]; ok {
		return rec, nil
	}
	if t.Goal != "" {
		rec, err = c.Pursuing(ctx, t.Goal)
	} else {
		rec, err = c.Of(ctx, t.Directive)
	}
	if err == nil && (rec.Strategic == nil || rec.Plan == nil) {
		err = fault.New(fault.Conflict, fault.NoData, "the directive has no plan yet, so nothing is measured for it")
	}
	if err == nil {
		c.records[key] = rec
	}
	return rec, err
}

// shows are the kinds, each with how it is answered.
var shows = map[Kind]func(*subject, context.Context, *Result) error{
	Latest: (*subject).latest, Series: (*subject).series, Breakdown: (*subject).breakdown, Cohorts: (*subject).cohorts,
	Movers: (*subject).movers, Compare: (*subject).compare,
}

func (c *call) tile(ctx context.Context, t Tile) (Result, error) {
	res := Result{ID: t.ID, Kind: t.Kind}
	show, ok := shows[t.Kind]
	if !ok {
		return res, fault.New(fault.Invalid, fault.BadRequest, "%q is not a kind of tile: use latest, series, breakdown, cohorts, movers or compare", t.Kind)
	}
	rec, err := c.record(ctx, &t)
	if err != nil {
		return res, err
	}
	s := &subject{Reader: c.Reader, tile: &t, directive: rec.Strategic}
	if t.Metric == "" {
		t.Metric = rec.Strategic.Goal.Metric
	}
	def, ok := find(rec.Plan, t.Metric)
	if !ok {
		return res, fault.New(fault.NotFound, fault.UnknownMetric, "the directive's plan does not compute %s", t.Metric)
	}
	if t.Major == 0 {
		t.Major = def.Major()
	}
	res.Directive, res.Goal, res.Metric, res.Label, res.Unit = rec.ID(), rec.Strategic.Goal.ID, def.ID, def.Label, def.Unit
	return res, show(s, ctx, &res)
}

func find(p *plan.Plan, m contract.MetricID) (contract.Definition, bool) {
	for _, part := range p.Parts {
		for _, x := range part.Metrics {
			if x.Definition.ID == m {
				return x.Definition, true
			}
		}
	}
	return contract.Definition{}, false
}
