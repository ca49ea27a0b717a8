package knowledge

import "github.com/strata-crm/strata/strategic/internal/lifecycle"

// State of an insight in the strategic layer.
type State string

// The states. They are those that package wording knows.
const (
	Candidate State = "candidate"
	Known     State = "knowledge"
	TakenBack State = "taken_back"
	Expired   State = "expired" // it is not examined any more
)

// Event changes the state.
type Event string

// The events.
const (
	Accept   Event = "accept"    // policy made knowledge of it
	TakeBack Event = "take_back" // a verdict fell, or policy allows it no more
	Lapse    Event = "lapse"     // its expiry has passed
	Expire   Event = "expire"    // the layers below examine it no more
)

// Events returns every event.
func Events() []Event { return []Event{Accept, TakeBack, Lapse, Expire} }

// LifeCycle of knowledge. What was taken back may become knowledge again, as when the claim is published anew or is examined
// again after its expiry.
var LifeCycle = lifecycle.Table[State, Event]{Entity: "insight", Rows: []lifecycle.Row[State, Event]{
	{From: Candidate, Event: Accept, To: Known, By: lifecycle.Policy},
	{From: TakenBack, Event: Accept, To: Known, By: lifecycle.Policy},
	{From: Known, Event: TakeBack, To: TakenBack, By: lifecycle.Policy},
	{From: Known, Event: Lapse, To: TakenBack, By: lifecycle.Clock},
	{From: Candidate, Event: Expire, To: Expired, By: lifecycle.Functional},
	{From: Known, Event: Expire, To: Expired, By: lifecycle.Functional},
	{From: TakenBack, Event: Expire, To: Expired, By: lifecycle.Functional},
}}
