package directive

import (
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// State of a strategic directive.
type State string

// The states.
const (
	Draft      State = "draft"
	Proposed   State = "proposed"
	Approved   State = "approved"
	Issued     State = "issued" // sent down, not yet answered with more than received
	InForce    State = "in_force"
	Refused    State = "refused"
	Degraded   State = "degraded"
	Withdrawn  State = "withdrawn"
	Superseded State = "superseded"
	Expired    State = "expired"
)

// Event changes a directive's state.
type Event string

// The events.
const (
	Propose   Event = "propose"
	Approve   Event = "approve"
	Issue     Event = "issue"
	Accept    Event = "accept"
	Refuse    Event = "refuse"
	Degrade   Event = "degrade"
	Withdraw  Event = "withdraw"
	Supersede Event = "supersede"
	Expire    Event = "expire"
)

// Events returns every event.
func Events() []Event {
	return []Event{Propose, Approve, Issue, Accept, Refuse, Degrade, Withdraw, Supersede, Expire}
}

// LifeCycle of a strategic directive. A refused one may be issued again, as when what was missing is there now; that is a
// new revision, which is answered anew. Until it is issued another person may approve it too: by rules that came into force
// since, it may need a second.
var LifeCycle = lifecycle.Table[State, Event]{Entity: "directive", Rows: []lifecycle.Row[State, Event]{
	{From: Draft, Event: Propose, To: Proposed, By: lifecycle.Person},
	{From: Draft, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},
	{From: Proposed, Event: Approve, To: Approved, By: lifecycle.Person},
	{From: Proposed, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},
	{From: Approved, Event: Approve, To: Approved, By: lifecycle.Person},
	{From: Approved, Event: Issue, To: Issued, By: lifecycle.Person},
	{From: Approved, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},

	{From: Issued, Event: Accept, To: InForce, By: lifecycle.Functional},
	{From: Issued, Event: Degrade, To: Degraded, By: lifecycle.Functional},
	{From: Issued, Event: Refuse, To: Refused, By: lifecycle.Functional},
	{From: InForce, Event: Degrade, To: Degraded, By: lifecycle.Functional},
	{From: InForce, Event: Refuse, To: Refused, By: lifecycle.Functional},
	{From: Degraded, Event: Accept, To: InForce, By: lifecycle.Functional},
	{From: Degraded, Event: Refuse, To: Refused, By: lifecycle.Functional},
	{From: Refused, Event: Accept, To: InForce, By: lifecycle.Functional},
	{From: Refused, Event: Degrade, To: Degraded, By: lifecycle.Functional},
	{From: Refused, Event: Approve, To: Refused, By: lifecycle.Person},
	{From: Refused, Event: Issue, To: Issued, By: lifecycle.Person},

	{From: Issued, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},
	{From: InForce, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},
	{From: Degraded, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},
	{From: Refused, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},
	{From: Issued, Event: Supersede, To: Superseded, By: lifecycle.Successor},
	{From: InForce, Event: Supersede, To: Superseded, By: lifecycle.Successor},
	{From: Degraded, Event: Supersede, To: Superseded, By: lifecycle.Successor},
	{From: Refused, Event: Supersede, To: Superseded, By: lifecycle.Successor},
	{From: Issued, Event: Expire, To: Expired, By: lifecycle.Clock},
	{From: InForce, Event: Expire, To: Expired, By: lifecycle.Clock},
	{From: Degraded, Event: Expire, To: Expired, By: lifecycle.Clock},
	{From: Refused, Event: Expire, To: Expired, By: lifecycle.Clock},
}}

// Ended reports whether the state is final.
func (s State) Ended() bool { return s == Withdrawn || s == Superseded || s == Expired }

// Sent reports whether the layer below has the directive and must hear of its end.
func (s State) Sent() bool { return s == Issued || s == InForce || s == Refused || s == Degraded }

// standings maps an end to what the layer below is told.
var standings = map[State]contract.Standing{
	Withdrawn: contract.WithdrawnEnd, Superseded: contract.SupersededEnd, Expired: contract.ExpiredEnd,
}

// answers maps what the layer below answers to the event that it is. Received, and the echoes of an end, change nothing.
var answers = map[contract.State]Event{
	contract.Accepted: Accept, contract.Executing: Accept, contract.Completed: Accept, contract.Degraded: Degrade, contract.Refused: Refuse,
}
