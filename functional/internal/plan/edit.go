package plan

import (
	"slices"

	"github.com/strata-crm/strata/functional/internal/insight"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Edited returns p with the parts and constraints of an edit, or a fault: an edit may leave out what the goal's own
// metric does not need, and tighten constraints; it may never widen what the directive or the draft asked for. A tighter tolerance needs
// more customers, which the plan then says.
func Edited(p Plan, parts []Part, c contract.Constraints, d *contract.StrategicDirective) (Plan, error) {
	if err := Narrows(c, d.Constraints); err != nil {
		return p, err
	}
	parts = slices.Clone(parts)
	for n, part := range parts {
		if slices.ContainsFunc(parts[:n], func(o Part) bool { return o.Unit == part.Unit }) {
			return p, fault.New(fault.Invalid, fault.BadRequest, "/parts: %s is there twice", part.Unit)
		}
		i := slices.IndexFunc(p.Parts, func(o Part) bool { return o.Unit == part.Unit })
		if i < 0 {
			return p, widens("/parts/"+part.Unit, "the plan has no such part")
		}
		if part.Insights == nil {
			part.Insights = p.Parts[i].Insights
		}
		part.Insights = kept(part.Insights, part)
		parts[n] = part
		if err := within(part, p.Parts[i], c.Purposes); err != nil {
			return p, err
		}
	}
	for _, o := range p.Parts {
		i := slices.IndexFunc(parts, func(n Part) bool { return n.Unit == o.Unit })
		if err := keepsRequired(o, i, parts); err != nil {
			return p, err
		}
	}
	stays := c.Tolerance == p.Constraints.Tolerance
	p.Parts, p.Constraints = parts, c
	if p.Spread > 0 || !stays { // a plan of old knows its number and not from what spread it came
		p.Customers = p.needed()
	}
	return p, nil
}

// Narrows returns nil if c allows nothing that limit does not.
func Narrows(c, limit contract.Constraints) error {
	for _, purpose := range c.Purposes {
		if !slices.Contains(limit.Purposes, purpose) {
			return widens("/constraints/purposes", "the directive does not allow the purpose "+string(purpose))
		}
	}
	switch {
	case c.MinimumGroup < limit.MinimumGroup:
		return widens("/constraints/minimumGroup", "may not be smaller than the directive's")
	case c.MinimumN < limit.MinimumN:
		return widens("/constraints/minimumN", "may not be smaller than the directive's")
	case c.RequiredCoverage < limit.RequiredCoverage:
		return widens("/constraints/requiredCoverage", "may not be smaller than the directive's")
	case limit.RetentionDays > 0 && (c.RetentionDays == 0 || c.RetentionDays > limit.RetentionDays):
		return widens("/constraints/retentionDays", "may not be longer than the directive's")
	case limit.Tolerance > 0 && (c.Tolerance <= 0 || c.Tolerance > limit.Tolerance):
		return widens("/constraints/tolerance", "may not be larger than the directive's")
	case limit.Budget != nil && (c.Budget == nil || c.Budget.Currency != limit.Budget.Currency || c.Budget.Minor > limit.Budget.Minor):
		return widens("/constraints/budget", "may not be larger than the directive's")
	}
	return nil
}

// within returns nil if everything in n is in the draft o as it is there: a definition or a method in other words would
// be another one. Only a parameter's coverage may be asked higher.
func within(n, o Part, purposes []contract.Purpose) error {
	at := "/parts/" + n.Unit
	for _, m := range n.Metrics {
		if !slices.ContainsFunc(o.Metrics, func(x Metric) bool { return contract.Same(x, m) }) {
			return widens(at+"/metrics", string(m.Definition.ID)+" is not in the draft in this form")
		}
		for _, name := range m.Definition.Parameters {
			if !slices.ContainsFunc(n.Collect, func(c contract.Collection) bool { return c.Parameter.Name == name }) {
				return fault.New(fault.Invalid, fault.BadRequest, "%s/collect: %s needs %s: leave out both or neither", at, m.Definition.ID, name)
			}
		}
	}
	for _, c := range n.Collect {
		if !slices.ContainsFunc(o.Collect, func(x contract.Collection) bool { return covers(x, c) }) {
			return widens(at+"/collect", string(c.Parameter.Name)+" is not in the draft in this form")
		}
		if !slices.Contains(purposes, c.Parameter.Purpose) {
			return fault.New(fault.Invalid, fault.BadRequest, "/constraints/purposes: %s is collected for %s", c.Parameter.Name, c.Parameter.Purpose)
		}
	}
	return claimed(n, o)
}

// kept returns the claims whose metrics the part still has: leaving out a metric leaves out what is claimed of it.
func kept(claims []insight.Asked, p Part) []insight.Asked {
	return slices.DeleteFunc(slices.Clone(claims), func(a insight.Asked) bool {
		_, has := p.metric(a.Metric)
		return !has
	})
}

// claimed returns nil if every claim of n is one of o's, as tight or tighter.
func claimed(n, o Part) error {
	at := "/parts/" + n.Unit + "/insights"
	for _, a := range n.Insights {
		if !slices.ContainsFunc(o.Insights, func(x insight.Asked) bool { return x.Narrows(a) }) {
			return widens(at, "the "+string(a.Kind)+" of "+string(a.Metric)+" is not in the draft, or not as widely")
		}
	}
	return nil
}

func covers(draft, c contract.Collection) bool {
	higher := c.Parameter.Coverage >= draft.Parameter.Coverage && c.Parameter.Coverage <= 1
	draft.Parameter.Coverage = c.Parameter.Coverage
	return higher && contract.Same(draft, c)
}

func keepsRequired(o Part, i int, parts []Part) error {
	var now Part
	if i >= 0 {
		now = parts[i]
	}
	for _, m := range o.Metrics {
		if m.Required && !slices.ContainsFunc(now.Metrics, func(x Metric) bool { return x.Definition.ID == m.Definition.ID }) {
			return fault.New(fault.Invalid, fault.BadRequest, "/parts/%s/metrics: %s is the goal's own metric and must stay", o.Unit, m.Definition.ID)
		}
	}
	for _, c := range o.Collect {
		if c.Required && !slices.ContainsFunc(now.Collect, func(x contract.Collection) bool { return x.Parameter.Name == c.Parameter.Name }) {
			return fault.New(fault.Invalid, fault.BadRequest, "/parts/%s/collect: the goal's own metric needs %s", o.Unit, c.Parameter.Name)
		}
	}
	for _, a := range o.Insights {
		// Without it less would be asked of the goal's proof, which is no narrowing.
		if a.Required && !slices.ContainsFunc(now.Insights, func(x insight.Asked) bool { return a.Narrows(x) }) {
			return fault.New(fault.Invalid, fault.BadRequest, "/parts/%s/insights: the goal's proof rests on the %s of %s, which must stay", o.Unit, a.Kind, a.Metric)
		}
	}
	return nil
}

func widens(at, text string) error {
	return &fault.Error{Kind: fault.Invalid, Code: fault.WidensDirective, At: at, Text: text}
}
