package metric

import (
	"context"
	"encoding/json"
	"time"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Question is the one thing that a metric asks of the warehouse for a window: exactly one of its fields is set.
type Question struct {
	Moments   *Query
	Order     *Order
	Summaries *Query // of whose fields Window and Scope count
}

// Question returns what the metric asks for a window.
func (p *Program) Question(at Span) Question {
	switch {
	case p.c.Metric.Model != nil:
		return Question{Summaries: &Query{Entity: contract.Customer, Window: at, Scope: p.c.Scope}}
	case p.order != nil:
		o := *p.order
		o.Query = p.query(at, "")
		return Question{Order: &o}
	}
	q := p.query(at, p.c.Metric.Dimension)
	return Question{Moments: &q}
}

// Plan is how the store carries a question out.
type Plan struct {
	Collection string            `json:"collection"`
	Pipeline   []json.RawMessage `json:"pipeline"` // MongoDB's stages as extended JSON
	Winning    json.RawMessage   `json:"winningPlan"`
	Index      string            `json:"index,omitempty"` // empty if the collection is read as it lies
	Keys       int64             `json:"keysExamined"`
	Documents  int64             `json:"documentsExamined"`
}

// Planner tells how the warehouse would carry a question out; it reads what the question reads.
type Planner interface {
	Plan(ctx context.Context, q Question) (Plan, error)
}

// Explanation is what the measurement of a metric for a window takes.
type Explanation struct {
	Metric       contract.MetricID `json:"metric"`
	Version      string            `json:"version"`
	Window       contract.Window   `json:"window"`
	Reads        []Span            `json:"reads"` // days that it rests on
	Plans        []Plan            `json:"plans"`
	Milliseconds int64             `json:"milliseconds"` // of measuring it once, from the question to the value
}

// Explainer explains metrics; all fields are required.
type Explainer struct {
	Zone      *time.Location
	Calendar  Calendar
	Warehouse Warehouse
	Planner   Planner
	Gates     btyd.Gates
	Now       func() time.Time
}

// Check returns fault.Invalid when a field is missing.
func (e *Explainer) Check() error {
	if e.Zone == nil || e.Warehouse == nil || e.Planner == nil || e.Now == nil {
		return fault.New(fault.Invalid, fault.BadDefinition, "metric.Explainer needs zone, warehouse, planner and now")
	}
	return nil
}

// Explain tells how a metric is computed for the window that holds a day, by measuring it once; the value is not told.
// It fails, Invalid, with the reason why a metric cannot be computed here.
func (e *Explainer) Explain(ctx context.Context, c *contract.Computation, day contract.Day) (Explanation, error) {
	p, why := Compile(c, e.Calendar)
	if why != nil {
		return Explanation{}, fault.New(fault.Invalid, why.Code, "%s cannot be computed here: %s (%s)", c.Metric.ID, why.Code, why.Item)
	}
	at := e.Calendar.Of(c.Grain, day)
	out := Explanation{Metric: c.Metric.ID, Version: c.Metric.Version, Window: at.Window(e.Zone), Reads: p.Reads(at)}
	plan, err := e.Planner.Plan(ctx, p.Question(at))
	if err != nil {
		return out, err
	}
	out.Plans = []Plan{plan}
	began := e.Now()
	_, err = p.Measure(ctx, e.Warehouse, at, e.Gates, SmallestGroup)
	out.Milliseconds = e.Now().Sub(began).Milliseconds()
	return out, err
}
