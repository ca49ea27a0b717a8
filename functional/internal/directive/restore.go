package directive

import (
	"github.com/strata-crm/strata/functional/internal/insight"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
)

// RestoreAnswer puts an answer that this layer once gave back into the record, if it is newer than what is there.
func RestoreAnswer(r *Record, a contract.Acknowledgement) {
	if a.AckRevision > r.Answer.AckRevision {
		r.Answer = a
		r.restorePlan()
	}
}

// RestoreOrder puts an operational directive that this layer once issued back into the record, if it is newer than what
// is there, and with it the part of the plan that it came from: edits that people made are in it.
func RestoreOrder(r *Record, o contract.OperationalDirective) {
	for i := range r.Orders {
		if r.Orders[i].ID != o.ID {
			continue
		}
		if o.Revision > r.Orders[i].Revision {
			r.Orders[i] = o
		}
		r.restorePlan()
		return
	}
	r.Orders = append(r.Orders, o)
	if r.Answer.Directive == "" {
		r.Answer.Directive = o.Strategic
	}
	r.restorePlan()
}

// RestoreGovernance puts a governance directive that this layer once passed on back into the record, if it is newer than
// what is there.
func RestoreGovernance(r *Record, g contract.GovernanceDirective) {
	if r.Governance == nil || g.Revision > r.Governance.Revision {
		r.Governance = &g
	}
}

func (r *Record) restorePlan() {
	if r.Strategic != nil || len(r.Orders) == 0 || r.Answer.Plan == nil {
		return
	}
	s := r.Answer.Plan
	p := &plan.Plan{
		ID: s.ID, Revision: s.Revision, Directive: r.ID(), DirectiveRevision: r.Answer.DirectiveRevision, Playbook: s.Playbook,
		State: plan.State(s.State), Customers: s.Customers, Missing: s.Missing,
	}
	for _, o := range r.Orders {
		if o.Plan != s.ID || o.Standing.Ended() {
			continue
		}
		p.Constraints = o.Constraints
		p.Parts = append(p.Parts, part(o, s))
	}
	r.Plan = p
}

func part(o contract.OperationalDirective, s *contract.PlanSummary) plan.Part {
	p := plan.Part{Unit: o.Part, Collect: o.Collect}
	own := map[contract.MetricID]*contract.Condition{}
	for _, c := range o.Compute {
		p.Metrics = append(p.Metrics, plan.Metric{Definition: c.Metric, Required: c.Required})
		if c.Required {
			own[c.Metric.ID] = c.Scope
		}
	}
	for _, i := range o.Insights {
		p.Insights = append(p.Insights, insight.FromOrder(i, own))
	}
	for _, m := range s.Metrics {
		if m.Part == o.Part {
			p.Owner = m.Owner
		}
	}
	return p
}
