package plan

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Revised returns an active plan with every metric in the version that is in use now, and with what those need beside what
// it collects; a metric that is in use no more stays as it is. What an edit left out stays out. It is a Conflict if nothing
// would change. A new major version starts a new series.
func Revised(p Plan, d *contract.StrategicDirective, l Library) (Plan, error) {
	book, ok := l.For(d.Goal.Variable)
	if !ok {
		return p, fault.New(fault.Conflict, fault.NoPlaybook, "there is no playbook for %s any more", d.Goal.Variable)
	}
	changed := false
	parts := slices.Clone(p.Parts)
	for i := range parts {
		part := &parts[i]
		part.Metrics, part.Collect = slices.Clone(part.Metrics), slices.Clone(part.Collect)
		for j := range part.Metrics {
			m := &part.Metrics[j]
			def, ok := l.Metric(m.Definition.ID)
			if !ok || contract.Same(def, m.Definition) {
				continue
			}
			changed, m.Definition = true, def
			for _, name := range def.Parameters {
				if why := part.ask(name, m.Required, book, l); why != nil {
					return p, fault.New(fault.Conflict, why[0].Code, "%s %s needs %s, which is not defined here", def.ID, def.Version, name)
				}
			}
		}
	}
	if !changed {
		return p, fault.New(fault.Conflict, fault.IllegalTransition, "the plan has every metric in the version that is in use already")
	}
	p.Parts = parts
	return p, nil
}
