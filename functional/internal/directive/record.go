// Package directive owns what has become of each directive the functional layer received: the plan that answers it, the
// operational directives it issued, what was answered below, and the answer given above. All of that is one record per
// directive, so its invariants (one active plan, one answer) hold because every change goes through the record.
//
// The functions here decide and are pure; [Service] runs them in transactions. Storing is the Store's.
package directive

import (
	"time"

	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/trial"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Record is everything about one received directive. One of Strategic and Governance is set; neither is while a record
// that was restored from the layer's own messages waits for its directive to be published again.
type Record struct {
	Version    int64                                             `json:"version"` // rises with every change
	Strategic  *contract.StrategicDirective                      `json:"strategic,omitempty"`
	Governance *contract.GovernanceDirective                     `json:"governance,omitempty"`
	Plan       *plan.Plan                                        `json:"plan,omitempty"`
	Past       []plan.Plan                                       `json:"past,omitempty"` // superseded plans, oldest first
	Orders     []contract.OperationalDirective                   `json:"orders,omitempty"`
	Answers    map[contract.DirectiveID]contract.Acknowledgement `json:"answers,omitempty"` // from the operational layer
	Answer     contract.Acknowledgement                          `json:"answer"`            // to the strategic layer
	Trials     []trial.Trial                                     `json:"trials,omitempty"`  // dry runs of metrics, oldest first; they are part of no answer
}

// ID returns the directive's id.
func (r *Record) ID() contract.DirectiveID {
	if r.Governance != nil {
		return r.Governance.ID
	}
	if r.Strategic != nil {
		return r.Strategic.ID
	}
	return r.Answer.Directive
}

// Order returns what the directive has in common with others.
func (r *Record) Order() *contract.Order {
	if r.Governance != nil {
		return &r.Governance.Order
	}
	return &r.Strategic.Order
}

// Turn is the circumstances of one change.
type Turn struct {
	Tenant   contract.TenantID
	Now      time.Time
	Trace    string             // trace id
	Decision *contract.Decision // what policy said of it, if it was asked
}

// answer appends a step to the upward answer, unless it says what the last one said.
func (r *Record) answer(s contract.State, why []contract.Reason, t Turn) {
	a := &r.Answer
	if a.State == s && sameReasons(a.Reasons, why) && a.DirectiveRevision == r.Order().Revision && len(a.History) > 0 {
		r.summarise()
		return
	}
	a.Directive, a.DirectiveRevision, a.Layer = r.ID(), r.Order().Revision, contract.Functional
	a.State, a.Reasons, a.At = s, why, t.Now
	a.History = append(a.History, contract.Step{
		State: s, At: t.Now, By: string(contract.Functional), Reasons: why, Decision: t.Decision, Trace: t.Trace,
	})
	r.summarise()
}

// sealed gives the answer a new revision, for it to be published.
func (r *Record) sealed(t Turn) {
	r.Answer.AckRevision = contract.NextRevision(r.Answer.AckRevision, t.Now)
}

func sameReasons(a, b []contract.Reason) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Code != b[i].Code || a[i].Item != b[i].Item || !sameFigure(a[i].Have, b[i].Have) || !sameFigure(a[i].Need, b[i].Need) {
			return false
		}
	}
	return true
}

func sameFigure(a, b *float64) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }

// summarise writes the plan into the answer as the layer above sees it.
func (r *Record) summarise() {
	p := r.Plan
	if p == nil {
		r.Answer.Plan = nil
		return
	}
	p.Missing = plan.Lacking(r.Answers, r.orderIDs())
	s := &contract.PlanSummary{
		ID: p.ID, Revision: p.Revision, Playbook: p.Playbook, State: string(p.State), Customers: p.Customers, Missing: p.Missing,
	}
	coverage := r.coverage()
	for _, part := range p.Parts {
		for _, m := range part.Metrics {
			s.Metrics = append(s.Metrics, contract.MetricUse{
				ID: m.Definition.ID, Version: m.Definition.Version, Label: m.Definition.Label, Description: m.Definition.Description,
				Required: m.Required, Part: part.Unit, Owner: m.Definition.Owner,
			})
		}
		for _, c := range part.Collect {
			needs := c.Needs(p.Constraints)
			s.Parameters = append(s.Parameters, contract.ParameterUse{
				Name: c.Parameter.Name, DataType: c.Parameter.DataType, Purpose: c.Parameter.Purpose, Required: c.Required,
				Part: part.Unit, Owner: c.Parameter.Owner, Steward: c.Parameter.Steward, Coverage: coverage[c.Parameter.Name], Needs: &needs,
			})
		}
	}
	for _, o := range r.Orders {
		s.Operational = append(s.Operational, r.operational(o))
		if o.Standing.Ended() {
			continue
		}
		for _, i := range o.Insights {
			s.Insights = append(s.Insights, contract.InsightUse{
				ID: i.ID, Kind: i.Kind, Metric: i.Metric.ID, Tolerance: i.Tolerance, Absolute: i.Absolute, Part: o.Part,
			})
		}
	}
	r.Answer.Plan = s
}

func (r *Record) operational(o contract.OperationalDirective) contract.OperationalSummary {
	s := contract.OperationalSummary{ID: o.ID, Part: o.Part, Revision: o.Revision, State: contract.Received, At: o.At}
	if a, ok := r.Answers[o.ID]; ok {
		s.State, s.Reasons, s.At, s.Jobs = a.State, a.Reasons, a.At, a.Jobs
		last := a.History[len(a.History)-1]
		s.Decision, s.Trace = last.Decision, last.Trace
	}
	return s
}

func (r *Record) coverage() map[contract.ParameterName]*float64 {
	c := map[contract.ParameterName]*float64{}
	for _, a := range r.Answers {
		for _, j := range a.Jobs {
			if j.Kind == "collect" && j.Coverage != nil {
				c[contract.ParameterName(j.Item)] = j.Coverage
			}
		}
	}
	return c
}

func (r *Record) orderIDs() []contract.DirectiveID {
	var ids []contract.DirectiveID
	for _, o := range r.Orders {
		ids = append(ids, o.ID)
	}
	return ids
}

// ended maps a standing to the answer that is given when nothing remains to be done.
var ended = map[contract.Standing]contract.State{
	contract.WithdrawnEnd: contract.Withdrawn, contract.SupersededEnd: contract.Withdrawn, contract.ExpiredEnd: contract.Expired,
}

// endReasons says why a directive ended.
var endReasons = map[contract.Standing]fault.Code{
	contract.WithdrawnEnd: fault.Withdrawn, contract.SupersededEnd: fault.Superseded, contract.ExpiredEnd: fault.Expired,
}
