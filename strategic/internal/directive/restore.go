package directive

import (
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// Restore puts a directive that this layer once sent back into the record of its goal, if it is newer than what is there.
// The goal comes with it, whole. Who proposed and approved does not travel, so only the decision is known; an open
// directive is issued again, which the answer that the layer below then repeats brings on to where it was. Drafts, and
// what was frozen, do not travel either: what was frozen is taken from the information anew.
func (r *Record) Restore(o contract.StrategicDirective, t lifecycle.Turn) {
	d, err := r.Directive(o.ID)
	if err != nil {
		r.Directives = append(r.Directives, Directive{ID: o.ID, Goal: o.Goal.ID})
		d = &r.Directives[len(r.Directives)-1]
	}
	if d.Order != nil && o.Revision <= d.Order.Revision {
		return
	}
	t.Reason, t.Decision = "read back from the layer's own messages", &o.Decision
	d.Order, d.Revision, d.Impact, d.Constraints, d.Supersedes = &o, o.Revision, o.Impact, o.Constraints, o.Supersedes
	d.State = restored[o.Standing]
	d.History = append(d.History, entry("directive/"+string(o.ID), string(d.State), t))
	if r.Goal.ID == "" || o.Goal.Revision >= r.Goal.Revision {
		r.Goal.Goal = o.Goal
	}
	r.Goal.State = goal.Active
	r.Goal.History = []lifecycle.Entry{entry("goal/"+string(o.Goal.ID), string(goal.Active), t)}
	if r.withdrawnOnly() {
		// A goal is closed by withdrawing what was ordered for it; one whose directives merely ended is still judged.
		r.Goal.State = goal.Closed
		r.Goal.History[0].To = string(goal.Closed)
	}
}

var restored = map[contract.Standing]State{
	contract.InForce: Issued, contract.WithdrawnEnd: Withdrawn, contract.SupersededEnd: Superseded, contract.ExpiredEnd: Expired,
}

func entry(entity, to string, t lifecycle.Turn) lifecycle.Entry {
	return lifecycle.Entry{Entity: entity, To: to, Event: "restore", At: t.Now, By: t.By, Reason: t.Reason, Decision: t.Decision, Trace: t.Trace}
}

func (r *Record) withdrawnOnly() bool {
	for _, d := range r.Directives {
		if d.State != Withdrawn && d.State != Superseded {
			return false
		}
	}
	return true
}
