// Package plan owns the functional layer's answer to one strategic directive: which metrics, parameters and methods
// serve it, in parts by functional unit, each with its owner. It drafts from a playbook, checks that an edit narrows
// and never widens the directive, turns an approved plan into operational directives, and says what to answer upward.
// It does not compute metrics, and it stores nothing.
package plan

import (
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/functional/internal/insight"
	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/sequence"
)

// Plan answers one strategic directive.
type Plan struct {
	ID                contract.PlanID      `json:"id"`
	Revision          int64                `json:"revision"`
	Directive         contract.DirectiveID `json:"directive"`
	DirectiveRevision int64                `json:"directiveRevision"`
	Playbook          string               `json:"playbook"`
	State             State                `json:"state"`
	Parts             []Part               `json:"parts"`
	Missing           []contract.Missing   `json:"missing"`
	Customers         int                  `json:"customersNeeded"`  // in one window, for the tolerance of the goal's own metric; 0 where no spread of it is known
	Spread            float64              `json:"spread,omitempty"` // of the goal's own metric, as the playbook plans it; 0: not known
	Constraints       contract.Constraints `json:"constraints"`
	History           []Change             `json:"history"`
}

// Part is what one functional unit contributes; it becomes one operational directive.
type Part struct {
	Unit    string                `json:"unit"`
	Owner   string                `json:"owner"`
	Metrics []Metric              `json:"metrics"`
	Collect []contract.Collection `json:"collect"`
	// Insights are the claims that are made and examined for as long as the directive lasts. An edit keeps
	// them with their metrics where it does not mention them.
	Insights []insight.Asked `json:"insights,omitempty"`
}

// Metric is a metric that a part computes.
type Metric struct {
	Definition contract.Definition `json:"definition"`
	Required   bool                `json:"required"` // the goal's own
}

// Library is what drafting needs to know.
type Library interface {
	// For returns the playbook of a variable.
	For(contract.Variable) (playbook.Playbook, bool)
	// Metric returns the definition in use of a metric.
	Metric(contract.MetricID) (contract.Definition, bool)
	// Parameter returns a parameter's definition.
	Parameter(contract.ParameterName) (contract.Parameter, bool)
}

// Draft returns the plan for a directive, or the reasons why there can be none: the directive is then refused.
func Draft(id contract.PlanID, d *contract.StrategicDirective, l Library, now time.Time) (Plan, []contract.Reason) {
	if unknown := contract.Unsupported(d.Requires); len(unknown) > 0 {
		return Plan{}, reasons(fault.UnsupportedFeature, unknown)
	}
	book, ok := l.For(d.Goal.Variable)
	if !ok {
		return Plan{}, []contract.Reason{{Code: fault.NoPlaybook, Item: string(d.Goal.Variable)}}
	}
	if !slices.Contains(d.Constraints.Purposes, book.Purpose) {
		return Plan{}, []contract.Reason{{Code: fault.PurposeNotAllowed, Item: string(book.Purpose)}}
	}
	p := Plan{
		ID: id, Directive: d.ID, DirectiveRevision: d.Revision, Playbook: book.ID, State: Drafted,
		Constraints: narrowed(d.Constraints, book),
	}
	uses, own := usesFor(book, d.Goal.Metric)
	def, ok := l.Metric(own.Metric)
	if !ok {
		return Plan{}, []contract.Reason{{Code: fault.UnknownMetric, Item: string(d.Goal.Metric)}}
	}
	if code := contrary(&d.Goal, &def); code != "" {
		return Plan{}, []contract.Reason{{Code: code, Item: string(d.Goal.Metric)}}
	}
	for _, u := range book.Units {
		part, missing := draftPart(u, uses, book, d.Goal.Metric, l)
		if len(missing) > 0 {
			return Plan{}, missing
		}
		part.claim(book, d.Goal.Scope, p.Constraints.Tolerance)
		if len(part.Metrics)+len(part.Collect) > 0 {
			p.Parts = append(p.Parts, part)
		}
	}
	p.Spread = own.Spread
	p.Customers = p.needed()
	return p, nil
}

// contrary says by what a goal contradicts its metric's definition, which the layer that sets goals does not know; empty if
// by nothing. A target in another unit would be judged as a number that nobody meant.
func contrary(g *contract.Goal, def *contract.Definition) fault.Code {
	switch {
	case g.Unit != "" && g.Unit != def.Unit:
		return fault.OtherUnit
	case def.Better != "" && g.Direction != def.Better:
		return fault.OtherDirection
	case def.Share() && !withinShare(g):
		return fault.NotSMART
	}
	return ""
}

// withinShare reports whether the goal's baseline and target, as far as they are known, can be values of a share.
func withinShare(g *contract.Goal) bool {
	share := func(v float64) bool { return v >= 0 && v <= 1 }
	switch b, t := g.Baseline.Value, g.Target; {
	case b != nil:
		return share(*b) && share(t.Of(*b))
	case t.Value != nil:
		return share(*t.Value)
	case t.Delta != nil:
		return share(math.Abs(*t.Delta))
	}
	return true
}

func reasons[T ~string](code fault.Code, items []T) []contract.Reason {
	var rs []contract.Reason
	for _, i := range items {
		rs = append(rs, contract.Reason{Code: code, Item: string(i)})
	}
	return rs
}

// usesFor returns the playbook's metrics with the goal's own among them: a goal may name a metric that the playbook
// does not, which its first unit then answers for.
func usesFor(b playbook.Playbook, own contract.MetricID) ([]playbook.Use, playbook.Use) {
	for _, u := range b.Metrics {
		if u.Metric == own {
			return b.Metrics, u
		}
	}
	u := playbook.Use{Metric: own, Unit: b.Units[0].Name} // and nobody has planned its spread
	return append([]playbook.Use{u}, b.Metrics...), u
}

func draftPart(u playbook.Unit, uses []playbook.Use, b playbook.Playbook, own contract.MetricID, l Library) (Part, []contract.Reason) {
	part := Part{Unit: u.Name, Owner: u.Owner}
	for _, use := range uses {
		if use.Unit != u.Name {
			continue
		}
		def, ok := l.Metric(use.Metric)
		if !ok {
			return part, []contract.Reason{{Code: fault.UnknownMetric, Item: string(use.Metric)}}
		}
		part.Metrics = append(part.Metrics, Metric{def, use.Metric == own})
		for _, name := range def.Parameters {
			if r := part.ask(name, use.Metric == own, b, l); r != nil {
				return part, r
			}
		}
	}
	for _, w := range b.Wishes {
		if w.Unit == u.Name {
			if r := part.ask(w.Parameter, false, b, l); r != nil {
				return part, r
			}
		}
	}
	return part, nil
}

// claim adds what the playbook claims of the part's metrics.
func (p *Part) claim(b playbook.Playbook, scope *contract.Condition, tolerance float64) {
	for i := range p.Metrics {
		m := &p.Metrics[i]
		p.Insights = append(p.Insights, insight.Ask(b.Insights, &m.Definition, m.Required, scope, tolerance)...)
	}
}

// ask adds a parameter to the part, or makes it required if it is there already.
func (p *Part) ask(name contract.ParameterName, required bool, b playbook.Playbook, l Library) []contract.Reason {
	for i := range p.Collect {
		if p.Collect[i].Parameter.Name == name {
			p.Collect[i].Required = p.Collect[i].Required || required
			return nil
		}
	}
	def, ok := l.Parameter(name)
	if !ok {
		return []contract.Reason{{Code: fault.UnknownParameter, Item: string(name)}}
	}
	def.Purpose, def.Coverage = b.Purpose, min(def.Coverage, b.Coverage)
	p.Collect = append(p.Collect, contract.Collection{Parameter: def, Required: required})
	return nil
}

// narrowed returns the directive's constraints with the playbook's own, wherever those are stricter.
func narrowed(c contract.Constraints, b playbook.Playbook) contract.Constraints {
	c.Purposes = []contract.Purpose{b.Purpose}
	if c.Tolerance == 0 {
		c.Tolerance = b.Tolerance
	}
	return c
}

// needed returns how many customers one window needs for the plan's tolerance of the goal's own metric; 0 where no spread is
// known to say it from.
func (p *Plan) needed() int {
	for _, part := range p.Parts {
		for i := range part.Metrics {
			if m := &part.Metrics[i]; m.Required && p.Spread > 0 {
				return CustomersNeeded(&m.Definition, p.Spread, p.Constraints.Tolerance)
			}
		}
	}
	return 0
}

// CustomersNeeded returns the number of customers from which a value of the metric is published within a relative tolerance, as
// [sequence.Needed] has it, where spread is the coefficient of variation of one customer's contribution. A tolerance of 0 means
// the smallest number that may decide anything.
func CustomersNeeded(d *contract.Definition, spread, tolerance float64) int {
	return int(sequence.Needed(spread, tolerance, d.Bounded()))
}
