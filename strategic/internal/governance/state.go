package governance

import "github.com/strata-crm/strata/strategic/internal/lifecycle"

// State of one version of the governance directive.
type State string

// The states.
const (
	Proposed   State = "proposed"
	Seconded   State = "approved_once" // one executive approved; a different one must
	Issued     State = "issued"        // approved by two, sent, not yet carried out below
	InForce    State = "in_force"      // acknowledged by every layer
	Refused    State = "refused"
	Withdrawn  State = "withdrawn"
	Superseded State = "superseded"
)

// Event changes a version's state.
type Event string

// The events.
const (
	Second    Event = "second" // the first of two approvals
	Issue     Event = "issue"  // the second approval, by another executive
	Accept    Event = "accept"
	Refuse    Event = "refuse"
	Withdraw  Event = "withdraw"
	Supersede Event = "supersede"
)

// LifeCycle of a version. A version that was sent is never withdrawn, which would leave the company without rules and so
// deny everything: a newer one takes its place.
var LifeCycle = lifecycle.Table[State, Event]{Entity: "governance", Rows: []lifecycle.Row[State, Event]{
	{From: Proposed, Event: Second, To: Seconded, By: lifecycle.Person},
	{From: Proposed, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},
	{From: Seconded, Event: Issue, To: Issued, By: lifecycle.Person},
	{From: Seconded, Event: Withdraw, To: Withdrawn, By: lifecycle.Person},
	{From: Issued, Event: Accept, To: InForce, By: lifecycle.Functional},
	{From: Issued, Event: Refuse, To: Refused, By: lifecycle.Functional},
	{From: InForce, Event: Refuse, To: Refused, By: lifecycle.Functional},
	{From: Refused, Event: Accept, To: InForce, By: lifecycle.Functional},
	{From: Issued, Event: Supersede, To: Superseded, By: lifecycle.Successor},
	{From: InForce, Event: Supersede, To: Superseded, By: lifecycle.Successor},
	{From: Refused, Event: Supersede, To: Superseded, By: lifecycle.Successor},
}}

// sent reports whether the layers below were told the version and none newer.
func (s State) sent() bool { return s == Issued || s == InForce || s == Refused }
