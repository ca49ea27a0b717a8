// Package insight owns what the functional layer knows of claims about customers: which are worth having, as playbooks
// declare them; whether a claim makes sense for a metric; how it stands in a plan and is ordered of the operational layer;
// and what it is called on its way up. It examines none and stores none: the operational layer does the first, package
// mongostore the second.
package insight

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
)

// Claim is an insight that is worth having, as a playbook declares it.
type Claim struct {
	Kind    contract.InsightKind `json:"kind"`
	Metric  contract.MetricID    `json:"metric,omitempty"` // of the playbook; none: the goal's own, whatever that is
	Scope   *contract.Condition  `json:"scope,omitempty"`
	Against *contract.Condition  `json:"against,omitempty"` // the other group, for a difference
	// Tolerance of the statement, where another than the directive's is wanted. Near is for values that may lie near zero,
	// such as differences: it is then a share of the unit's whole scale (1 of a ratio, 100 of points), and in a unit without a
	// scale of what the difference is from.
	Tolerance      float64 `json:"tolerance,omitempty"`
	Near           bool    `json:"nearZero,omitempty"`
	LaterTolerance float64 `json:"laterTolerance,omitempty"` // relative, for velocity; 0 means 0.1
	Why            string  `json:"why,omitempty"`
}

// Asked is a claim as a plan asks for it.
type Asked struct {
	Kind           contract.InsightKind `json:"kind"`
	Metric         contract.MetricID    `json:"metric"` // of the same part
	Scope          *contract.Condition  `json:"scope,omitempty"`
	Against        *contract.Condition  `json:"against,omitempty"`
	Tolerance      float64              `json:"tolerance"` // a share of the value, or of its unit where absolute
	Absolute       bool                 `json:"absolute,omitempty"`
	OfLevel        bool                 `json:"ofLevel,omitempty"` // of a difference: tolerance is a share of what it is from
	LaterTolerance float64              `json:"laterTolerance,omitempty"`
	Required       bool                 `json:"required,omitempty"` // the goal's proof rests on it
}

// defaultTolerance is of a statement about a value when neither directive nor playbook says anything.
const defaultTolerance = 0.05

// Fits reports whether a claim of the kind can be made of the metric.
func Fits(k contract.InsightKind, d *contract.Definition) bool {
	model := d.Type == contract.ModelOf
	switch k {
	case contract.ChangeInsight, contract.DifferenceInsight:
		return true
	case contract.LevelInsight:
		return !model
	case contract.ForecastInsight:
		return model
	case contract.MoverInsight:
		return !model && d.Dimension != ""
	}
	return false
}

// own reports whether a claim of the kind tells how much the metric is, so that a goal's proof may rest on it.
func own(k contract.InsightKind) bool {
	return k == contract.LevelInsight || k == contract.ForecastInsight
}

// Ask returns what a plan asks for about one metric: the claims of a playbook that are about it and fit it, within the
// goal's scope and to the directive's tolerance (relative; 0 where it has none). isOwn says that it is the goal's own. A model is
// fitted anew for each group and window, so that its differences and changes are asked for by name only.
func Ask(claims []Claim, d *contract.Definition, isOwn bool, scope *contract.Condition, tolerance float64) []Asked {
	var all []Asked
	for _, c := range claims {
		about := c.Metric == d.ID || c.Metric == "" && isOwn && (own(c.Kind) || d.Type != contract.ModelOf)
		if !about || !Fits(c.Kind, d) {
			continue
		}
		a := Asked{Kind: c.Kind, Metric: d.ID, Scope: both(scope, c.Scope), LaterTolerance: c.LaterTolerance}
		if c.Kind == contract.DifferenceInsight {
			a.Against = both(scope, c.Against)
		}
		a.Required = isOwn && own(c.Kind) && c.Scope == nil
		a.Tolerance, a.Absolute = c.tolerance(d.Unit, tolerance)
		a.OfLevel = c.Near && !a.Absolute && !own(c.Kind)
		if !slices.ContainsFunc(all, a.same) {
			all = append(all, a)
		}
	}
	return all
}

// scale is the whole of a unit that has one; 0 for one that has not.
func scale(u contract.Unit) float64 {
	switch u {
	case contract.Ratio:
		return 1
	case contract.Points:
		return 100
	}
	return 0
}

// tolerance returns that of the claim about a value in the unit: never wider than the directive's.
func (c Claim) tolerance(u contract.Unit, limit float64) (size float64, absolute bool) {
	if limit <= 0 {
		limit = defaultTolerance
	}
	size = limit
	if c.Tolerance > 0 {
		size = min(c.Tolerance, limit)
	}
	if u == contract.Points || c.Near && scale(u) > 0 {
		return size * scale(u), true
	}
	return size, false
}

// both returns the condition that holds where both hold; nil holds everywhere.
func both(a, b *contract.Condition) *contract.Condition {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return &contract.Condition{All: []contract.Condition{*a, *b}}
}

// same reports whether two are the same claim, whatever their tolerances.
func (a Asked) same(b Asked) bool {
	return a.Kind == b.Kind && a.Metric == b.Metric && contract.Same(a.Scope, b.Scope) && contract.Same(a.Against, b.Against)
}

// Narrows reports whether b, of an edit, asks for nothing that a does not: the same claim, as tightly or more so.
func (a Asked) Narrows(b Asked) bool {
	return a.same(b) && a.Absolute == b.Absolute && a.OfLevel == b.OfLevel && b.Tolerance > 0 && b.Tolerance <= a.Tolerance && tighter(b.LaterTolerance, a.LaterTolerance) &&
		a.Required == b.Required
}

// tighter compares tolerances for velocity, of which 0 means 0.1.
func tighter(b, a float64) bool {
	const unsaid = 0.1
	if a == 0 {
		a = unsaid
	}
	if b == 0 {
		b = unsaid
	}
	return b > 0 && b <= a
}

// Order returns the order for the claim about the metric, under an operational directive. What the goal wants goes with the
// claim that its proof rests on.
func (a Asked) Order(t contract.TenantID, d contract.DirectiveID, m contract.Definition, goal *contract.Goal, until contract.Day) contract.InsightOrder {
	g := goal.Grain
	o := contract.InsightOrder{
		ID:   contract.InsightIdentity(t, d, a.Kind, m.ID, m.Major(), a.Scope, a.Against, g),
		Kind: a.Kind, Metric: m, Scope: a.Scope, Against: a.Against, Grain: g, Tolerance: a.Tolerance, Absolute: a.Absolute,
		LaterTolerance: a.LaterTolerance, Until: until, OfLevel: a.OfLevel,
	}
	if a.Required {
		o.Aim = &contract.Aim{Direction: goal.Direction, Baseline: goal.Baseline, Target: goal.Target}
	}
	return o
}

// FromOrder returns what was asked by an order that this layer once gave. required are the metrics of the goal's own, with
// the goal's scope.
func FromOrder(o contract.InsightOrder, required map[contract.MetricID]*contract.Condition) Asked {
	a := Asked{
		Kind: o.Kind, Metric: o.Metric.ID, Scope: o.Scope, Against: o.Against, Tolerance: o.Tolerance, Absolute: o.Absolute, OfLevel: o.OfLevel,
		LaterTolerance: o.LaterTolerance,
	}
	scope, isOwn := required[a.Metric]
	a.Required = isOwn && own(a.Kind) && contract.Same(scope, a.Scope)
	return a
}

// Labelled returns an insight with the name of its metric, as the plan's definitions have it; as it is where none does.
func Labelled(i contract.Insight, labels map[contract.MetricID]string) contract.Insight {
	if l := labels[i.Metric]; l != "" {
		i.Label = l
	}
	return i
}
