package plan

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Edited returns p with the parts and constraints of an edit, or a fault: an edit may leave out what the goal's own
// metric does not need, and tighten constraints; it may never widen what the directive or the draft asked for.
func Edited(p Plan, parts []Part, c contract.Constraints, d *contract.StrategicDirective) (Plan, error) {
	if err := Narrows(c, d.Constraints); err != nil {
		return p, err
	}
	for _, part := range parts {
		i := slices.IndexFunc(p.Parts, func(o Part) bool { return o.Unit == part.Unit })
		if i < 0 {
			return p, widens("/parts/"+part.Unit, "the plan has no such part")
		}
		if err := within(part, p.Parts[i]); err != nil {
			return p, err
		}
	}
	for _, o := range p.Parts {
		i := slices.IndexFunc(parts, func(n Part) bool { return n.Unit == o.Unit })
		if err := keepsRequired(o, i, parts); err != nil {
			return p, err
		}
	}
	p.Parts, p.Constraints = parts, c
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
	case limit.Budget != nil && (c.Budget == nil || c.Budget.Currency != limit.Budget.Currency || c.Budget.Minor > limit.Budget.Minor):
		return widens("/constraints/budget", "may not be larger than the directive's")
	}
	return nil
}

func within(n, o Part) error {
	for _, m := range n.Metrics {
		if !slices.ContainsFunc(o.Metrics, func(x Metric) bool {
			return x.Definition.ID == m.Definition.ID && x.Definition.Version == m.Definition.Version && x.Required == m.Required
		}) {
			return widens("/parts/"+n.Unit+"/metrics", string(m.Definition.ID)+" is not in the draft")
		}
	}
	for _, c := range n.Collect {
		i := slices.IndexFunc(o.Collect, func(x contract.Collection) bool { return x.Parameter.Name == c.Parameter.Name })
		if i < 0 || o.Collect[i].Required != c.Required || o.Collect[i].Parameter.Purpose != c.Parameter.Purpose {
			return widens("/parts/"+n.Unit+"/collect", string(c.Parameter.Name)+" is not in the draft in this form")
		}
	}
	return nil
}

func keepsRequired(o Part, i int, parts []Part) error {
	var kept Part
	if i >= 0 {
		kept = parts[i]
	}
	for _, m := range o.Metrics {
		if m.Required && !slices.ContainsFunc(kept.Metrics, func(x Metric) bool { return x.Definition.ID == m.Definition.ID }) {
			return fault.New(fault.Invalid, fault.BadRequest, "/parts/%s/metrics: %s is the goal's own metric and must stay", o.Unit, m.Definition.ID)
		}
	}
	for _, c := range o.Collect {
		if c.Required && !slices.ContainsFunc(kept.Collect, func(x contract.Collection) bool { return x.Parameter.Name == c.Parameter.Name }) {
			return fault.New(fault.Invalid, fault.BadRequest, "/parts/%s/collect: the goal's own metric needs %s", o.Unit, c.Parameter.Name)
		}
	}
	return nil
}

func widens(at, text string) error {
	return &fault.Error{Kind: fault.Invalid, Code: fault.WidensDirective, At: at, Text: text}
}
