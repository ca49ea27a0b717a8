package contract

import (
	"math"

	"github.com/strata-crm/strata/shared/fault"
)

// Variable is what the company wants more of.
type Variable string

// The strategic variables that ship; a company may add its own.
const (
	Loyalty        Variable = "loyalty"
	Advocacy       Variable = "advocacy"
	LifetimeValue  Variable = "lifetime_value"
	Satisfaction   Variable = "satisfaction"
	Centricity     Variable = "centricity"
	Resilience     Variable = "resilience"
	Sustainability Variable = "sustainability"
	Innovation     Variable = "innovation"
	Acquisition    Variable = "acquisition"
	Retention      Variable = "retention"
)

// GoalKind says when a goal is decided.
type GoalKind string

// A reach goal is cumulative and decided when reached; a level goal is a rate and decided only in its deadline's window.
const (
	Reach GoalKind = "reach"
	Level GoalKind = "level"
)

// Direction says which way is better.
type Direction string

// The two directions.
const (
	Up   Direction = "up"
	Down Direction = "down"
)

// Unit of a value.
type Unit string

// Units. Ratios are fractions of one, money is minor units, points are percentage points or score points.
const (
	Ratio     Unit = "ratio"
	Money     Unit = "money"
	Count     Unit = "count"
	Points    Unit = "points"
	PerPerson Unit = "per_customer"
)

// Goal is a SMART objective as it travels down, whole. The target is given as exactly one of value, relative and delta.
type Goal struct {
	ID        GoalID     `json:"id"`
	Revision  int64      `json:"revision"`
	Name      string     `json:"name"`
	Variable  Variable   `json:"variable"`
	Metric    MetricID   `json:"metric"`
	Kind      GoalKind   `json:"kind"`
	Direction Direction  `json:"direction"`
	Scope     *Condition `json:"scope,omitempty"` // a segment; nil means all customers
	Baseline  Baseline   `json:"baseline"`
	Target    Target     `json:"target"`
	Unit      Unit       `json:"unit"`
	Start     Day        `json:"start"`    // first day of the pursuit
	Deadline  Day        `json:"deadline"` // last day; its window is the one that ends on it
	Owner     string     `json:"owner"`    // a function or role, such as head of retention
	Relevance string     `json:"relevance"`
	BackTest  bool       `json:"backTest,omitempty"` // the deadline lay in the past when the goal was set
	Grain     Grain      `json:"grain"`              // the length of the windows it is judged by
}

// Baseline is a known value, or a day until which it is still to be measured.
type Baseline struct {
	Value        *float64 `json:"value,omitempty"`
	MeasureUntil Day      `json:"measureUntil,omitempty"`
}

// Target is exactly one of: an absolute value, a relative change (0.15 for +15 %), a change in the unit.
type Target struct {
	Value    *float64 `json:"value,omitempty"`
	Relative *float64 `json:"relative,omitempty"`
	Delta    *float64 `json:"delta,omitempty"`
}

// Of returns the target's value for a baseline. A relative change is one of the baseline's size, so that +10 % is upwards
// from a baseline below zero, too: −40 becomes −36.
func (t Target) Of(baseline float64) float64 {
	switch {
	case t.Value != nil:
		return *t.Value
	case t.Relative != nil:
		return baseline + math.Abs(baseline)**t.Relative
	case t.Delta != nil:
		return baseline + *t.Delta
	}
	return baseline
}

// Forms returns how many of the three forms are given; a valid target has one.
func (t Target) Forms() int {
	n := 0
	for _, v := range []*float64{t.Value, t.Relative, t.Delta} {
		if v != nil {
			n++
		}
	}
	return n
}

// Check implements Payload.
func (g *Goal) Check() error {
	switch {
	case g.ID == "" || g.Revision <= 0:
		return invalid("goal", "needs an id and a positive revision")
	case g.Metric == "" || g.Variable == "":
		return invalid("goal.metric", "needs a variable and a metric")
	case g.Kind != Reach && g.Kind != Level:
		return invalid("goal.kind", "must be reach or level")
	case g.Direction != Up && g.Direction != Down:
		return invalid("goal.direction", "must be up or down")
	case g.Target.Forms() != 1:
		return invalid("goal.target", "needs exactly one of value, relative and delta")
	case (g.Baseline.Value == nil) == (g.Baseline.MeasureUntil == ""):
		return invalid("goal.baseline", "needs exactly one of value and measureUntil")
	case g.Start == "" || g.Deadline == "" || g.Deadline <= g.Start:
		return invalid("goal.deadline", "needs a start and a later deadline")
	}
	return nil
}

func invalid(at, text string) error {
	return &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: at, Text: text}
}
