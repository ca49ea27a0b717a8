package directive

import (
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Received returns the record after a strategic directive's revision has arrived: a new order is answered received and
// a plan is drafted, or it is refused with reasons; a changed order supersedes its plan; one that was refused is asked
// anew; an ended one ends everything below it. A revision that is not newer changes nothing and is answered again as
// before.
func Received(r *Record, d *contract.StrategicDirective, l plan.Library, id contract.PlanID, t Turn) {
	if r.Strategic != nil && d.Revision <= r.Strategic.Revision {
		return
	}
	changed := !r.answers(d)
	r.Strategic = d
	switch {
	case d.Standing.Ended():
		r.end(t)
	case changed:
		r.answer(contract.Received, nil, t)
		r.draft(l, id, t)
	default:
		r.judge(t) // a restored record may have been answered from below while it waited for its directive
	}
	r.sealed(t)
}

// answers reports whether the record's plan and answer are already those to what d asks.
func (r *Record) answers(d *contract.StrategicDirective) bool {
	if r.Strategic == nil { // restored, perhaps
		kept := r.Plan != nil || r.Answer.State == contract.Refused // a draft is not restored
		return kept && len(r.Answer.History) > 0 && r.Answer.DirectiveRevision == d.Revision
	}
	return r.Answer.State != contract.Refused && sameOrder(r.Strategic, d)
}

// sameOrder reports whether two revisions ask for the same, so that a mere re-issue does not throw the plan away.
func sameOrder(a, b *contract.StrategicDirective) bool {
	return contract.Same(asked(*a), asked(*b))
}

// asked returns d without what every revision changes.
func asked(d contract.StrategicDirective) contract.StrategicDirective {
	d.Order = contract.Order{Standing: d.Standing, Expires: d.Expires, Requires: d.Requires}
	d.Goal.Revision = 0
	return d
}

func (r *Record) draft(l plan.Library, id contract.PlanID, t Turn) {
	r.retire(t)
	p, why := plan.Draft(id, r.Strategic, l, t.Now)
	if len(why) > 0 {
		r.withdraw(contract.WithdrawnEnd, t)
		r.answer(contract.Refused, why, t)
		return
	}
	p.Revision = contract.NextRevision(0, t.Now)
	r.Plan = &p
	r.answer(contract.Received, []contract.Reason{{Code: fault.AwaitingApproval, Item: string(p.ID)}}, t)
}

// retire makes room for another plan.
func (r *Record) retire(t Turn) {
	if r.Plan == nil {
		return
	}
	if r.Plan.State == plan.Active || r.Plan.State == plan.Drafted {
		// Errors are impossible here: both states allow it.
		_ = r.Plan.Move(plan.Supersede, plan.ByDirective, plan.Change{At: t.Now, By: "directive", Trace: t.Trace})
	}
	r.Past = append(r.Past, *r.Plan)
	r.Plan = nil
}

// Approved returns the record after its plan was approved by an actor: the operational directives are issued.
func Approved(r *Record, by plan.Actor, who string, t Turn) error {
	if r.Plan == nil {
		return fault.New(fault.Conflict, fault.IllegalTransition, "the directive has no plan to approve")
	}
	if err := r.Plan.Move(plan.Approve, by, plan.Change{At: t.Now, By: who, Decision: t.Decision, Trace: t.Trace}); err != nil {
		return err
	}
	r.issue(t)
	r.answer(contract.Received, nil, t)
	r.sealed(t)
	return nil
}

// Denied returns the record after policy refused its plan.
func Denied(r *Record, t Turn, item string) {
	r.answer(contract.Refused, []contract.Reason{{Code: fault.PolicyDenied, Item: item}}, t)
	r.sealed(t)
}

// Edited returns the record with an edited plan. An active plan's operational directives are issued again.
func Edited(r *Record, parts []plan.Part, c contract.Constraints, who string, t Turn) error {
	if r.Plan == nil {
		return fault.New(fault.Conflict, fault.IllegalTransition, "the directive has no plan to edit")
	}
	p, err := plan.Edited(*r.Plan, parts, c, r.Strategic)
	if err != nil {
		return err
	}
	if err := p.Move(plan.Edit, plan.ByManager, plan.Change{At: t.Now, By: who, Decision: t.Decision, Trace: t.Trace}); err != nil {
		return err
	}
	r.Plan = &p
	if p.State == plan.Active {
		r.issue(t)
	}
	r.answer(r.Answer.State, r.Answer.Reasons, t)
	r.sealed(t)
	return nil
}

// issue brings the operational directives in line with the plan: one per part; a part that is gone is withdrawn. Trials
// beside the orders as they were end.
func (r *Record) issue(t Turn) {
	r.endTrials(t)
	next := plan.Orders(t.Tenant, r.Plan, r.Strategic)
	for i := range next {
		o := &next[i]
		o.Revision, o.At = contract.NextRevision(r.revisionOf(o.ID), t.Now), t.Now
		if t.Decision != nil {
			o.Decision = *t.Decision
		}
	}
	for _, old := range r.Orders {
		if !hasOrder(next, old.ID) {
			next = append(next, endedOrder(old, contract.WithdrawnEnd, t))
		}
	}
	r.Orders = next
}

func (r *Record) revisionOf(id contract.DirectiveID) int64 {
	for _, o := range r.Orders {
		if o.ID == id {
			return o.Revision
		}
	}
	return 0
}

func hasOrder(orders []contract.OperationalDirective, id contract.DirectiveID) bool {
	for _, o := range orders {
		if o.ID == id {
			return true
		}
	}
	return false
}

func endedOrder(o contract.OperationalDirective, s contract.Standing, t Turn) contract.OperationalDirective {
	if o.Standing == s {
		return o
	}
	o.Standing, o.At = s, t.Now
	o.Revision = contract.NextRevision(o.Revision, t.Now)
	return o
}

// end closes the plan and ends its operational directives.
func (r *Record) end(t Turn) {
	s := r.Strategic.Standing
	if r.Plan != nil && r.Plan.State != plan.Closed {
		_ = r.Plan.Move(plan.Close, plan.ByDirective, plan.Change{At: t.Now, By: "directive", Reason: string(s), Trace: t.Trace})
	}
	r.withdraw(s, t)
	r.answer(ended[s], []contract.Reason{{Code: endReasons[s], Item: string(r.Strategic.ID)}}, t)
}

func (r *Record) withdraw(s contract.Standing, t Turn) {
	r.endTrials(t)
	for i := range r.Orders {
		r.Orders[i] = endedOrder(r.Orders[i], s, t)
	}
}

// Answered returns the record after the operational layer answered one of its directives; false if the answer is old.
func Answered(r *Record, a contract.Acknowledgement, t Turn) bool {
	if r.answeredTrial(a) {
		return true
	}
	if a.AckRevision <= r.Answers[a.Directive].AckRevision {
		return false
	}
	if r.Answers == nil {
		r.Answers = map[contract.DirectiveID]contract.Acknowledgement{}
	}
	r.Answers[a.Directive] = a
	switch {
	case r.Governance != nil:
		r.answerGovernance(a, t)
	case r.Strategic == nil: // restored: judged when its directive has been published again
		return true
	default:
		r.judge(t)
	}
	r.sealed(t)
	return true
}

// judge answers by what the operational layer said, as soon as that decides anything.
func (r *Record) judge(t Turn) {
	if !r.Strategic.Standing.Ended() && r.Plan != nil && r.Plan.State == plan.Active {
		if s, why, ok := plan.Answer(r.Plan, r.current(), r.standing()); ok {
			r.answer(s, why, t)
			return
		}
	}
	r.answer(r.Answer.State, r.Answer.Reasons, t)
}

// standing returns the ids of the orders in force, which are one for each part of the active plan, in the same order. A
// part that an edit left out is withdrawn and waited for no more.
func (r *Record) standing() []contract.DirectiveID {
	var ids []contract.DirectiveID
	for _, o := range r.Orders {
		if !o.Standing.Ended() {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// current returns the answers to the orders as they are now; one to an earlier revision answers nothing.
func (r *Record) current() map[contract.DirectiveID]contract.Acknowledgement {
	answers := map[contract.DirectiveID]contract.Acknowledgement{}
	for _, o := range r.Orders {
		if a, ok := r.Answers[o.ID]; ok && a.DirectiveRevision >= o.Revision {
			answers[o.ID] = a
		}
	}
	return answers
}

func (r *Record) answerGovernance(a contract.Acknowledgement, t Turn) {
	if a.State == contract.Received {
		return
	}
	r.answer(a.State, a.Reasons, t)
}

// Governed returns the record after a governance directive's revision has arrived; false if it is old.
func Governed(r *Record, g *contract.GovernanceDirective, t Turn) bool {
	if r.Governance != nil && g.Revision <= r.Governance.Revision && r.Answer.AckRevision > 0 {
		return false
	}
	r.Governance = g
	r.answer(contract.Received, nil, t)
	r.sealed(t)
	return true
}
