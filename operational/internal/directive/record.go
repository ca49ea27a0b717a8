// Package directive owns what has become of each operational directive: whether it is carried out, by which jobs, and
// what is answered upward. Everything about one directive is one record, so that every change is one transaction.
//
// The functions here decide and are pure; [Service] runs them. No directive, no collection: the set in force, which the
// gateway and the metric engine ask, is made from these records alone.
package directive

import (
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/job"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Record is everything about one received directive. Exactly one of Order and Governance is set.
type Record struct {
	Version    int64                          `json:"version"` // rises with every change
	Order      *contract.OperationalDirective `json:"order,omitempty"`
	Governance *contract.GovernanceDirective  `json:"governance,omitempty"`
	Answer     contract.Acknowledgement       `json:"answer"`
	Jobs       []job.Job                      `json:"jobs"`
	Bundle     string                         `json:"bundle,omitempty"` // the rules under which policy last allowed it
	// Taken is what the directive was ever carried out to collect; see [Record.Collected].
	Taken []Taken `json:"taken,omitempty"`
	// Traceparent is the span in which the order's revision was received; measurements link to it. Empty for one that was
	// received outside a trace.
	Traceparent string `json:"traceparent,omitempty"`
}

// ID returns the directive's id.
func (r *Record) ID() contract.DirectiveID {
	switch {
	case r.Governance != nil:
		return r.Governance.ID
	case r.Order != nil:
		return r.Order.ID
	}
	return r.Answer.Directive
}

func (r *Record) revision() int64 {
	if r.Governance != nil {
		return r.Governance.Revision
	}
	return r.Order.Revision
}

// Running reports whether the directive is being carried out.
func (r *Record) Running() bool {
	return r.Order != nil && carriedOut(r.Answer.State)
}

// carriedOut reports whether a state is one in which a directive is carried out.
func carriedOut(s contract.State) bool {
	return s == contract.Accepted || s == contract.Executing || s == contract.Degraded
}

// Turn is the circumstances of one change.
type Turn struct {
	Now         time.Time
	Trace       string // trace id
	Traceparent string // the span, as W3C has it
	Decision    *contract.Decision
}

// Transitions is the life cycle of an operational directive as answered: what is not here does not happen. A newer
// revision of the directive starts again at received, from wherever it was.
var Transitions = map[contract.State][]contract.State{
	"":                 {contract.Received},
	contract.Received:  {contract.Received, contract.Accepted, contract.Refused, contract.Withdrawn, contract.Expired},
	contract.Accepted:  {contract.Received, contract.Executing, contract.Degraded, contract.Refused, contract.Withdrawn, contract.Expired},
	contract.Executing: {contract.Received, contract.Executing, contract.Degraded, contract.Refused, contract.Completed, contract.Withdrawn, contract.Expired},
	contract.Degraded:  {contract.Received, contract.Executing, contract.Degraded, contract.Refused, contract.Withdrawn, contract.Expired},
	contract.Refused:   {contract.Received, contract.Withdrawn, contract.Expired},
	contract.Completed: {contract.Received},
	contract.Expired:   {contract.Received},
	contract.Withdrawn: {contract.Received},
}

// step moves the answer to a state. A move that the table lacks is a defect, and an Internal fault.
func (r *Record) step(s contract.State, why []contract.Reason, t Turn) error {
	a := &r.Answer
	if !slices.Contains(Transitions[a.State], s) {
		return fault.New(fault.Internal, fault.IllegalTransition, "directive %s cannot go from %q to %q", r.ID(), a.State, s)
	}
	a.Directive, a.DirectiveRevision, a.Layer = r.ID(), r.revision(), contract.Operational
	a.State, a.Reasons, a.At = s, why, t.Now
	a.History = append(a.History, contract.Step{
		State: s, At: t.Now, By: string(contract.Operational), Reasons: why, Decision: t.Decision, Trace: t.Trace,
	})
	if n := len(a.History); n > maxHistory {
		a.History = slices.Concat(a.History[:1], a.History[n-maxHistory+1:])
	}
	return nil
}

// maxHistory bounds an answer that flickers between executing and degraded: the first step and the latest stay.
const maxHistory = 200

// seal writes the jobs into the answer and gives it a new revision, for it to be published.
func (r *Record) seal(t Turn) {
	r.Answer.Jobs = nil
	for i := range r.Jobs {
		r.Answer.Jobs = append(r.Answer.Jobs, r.Jobs[i].Summary())
	}
	r.Answer.AckRevision = contract.NextRevision(r.Answer.AckRevision, t.Now)
}

// Restore puts an answer that this layer once gave back into a record whose directive is not known yet, if it is newer
// than what is there: the next answer then has a higher revision.
func Restore(r *Record, a contract.Acknowledgement) {
	if r.Order == nil && r.Governance == nil && a.AckRevision > r.Answer.AckRevision {
		r.Answer = a
	}
}
