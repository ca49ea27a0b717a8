package plan

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// State of a plan.
type State string

// The states of a plan.
const (
	Drafted    State = "drafted"
	Active     State = "active"
	Superseded State = "superseded"
	Closed     State = "closed"
)

// Event is what changes a plan's state.
type Event string

// The events.
const (
	Edit      Event = "edit"
	Approve   Event = "approve"
	Supersede Event = "supersede"
	Close     Event = "close"
)

// Actor is who may cause an event.
type Actor string

// The actors. Policy approves where the layers overlap; the directive stands for the layer above.
const (
	ByManager   Actor = "manager"
	ByPolicy    Actor = "policy"
	ByDirective Actor = "directive"
)

// Transition is one row of the life cycle.
type Transition struct {
	From  State
	Event Event
	To    State
	By    []Actor
}

// Transitions is the whole life cycle: what is not here is refused.
var Transitions = []Transition{
	{Drafted, Edit, Drafted, []Actor{ByManager}},
	{Drafted, Approve, Active, []Actor{ByManager, ByPolicy}},
	{Drafted, Supersede, Superseded, []Actor{ByDirective}},
	{Drafted, Close, Closed, []Actor{ByDirective, ByManager}},
	{Active, Edit, Active, []Actor{ByManager}},
	{Active, Supersede, Superseded, []Actor{ByDirective}},
	{Active, Close, Closed, []Actor{ByDirective}},
}

// Change is one entry of a plan's history.
type Change struct {
	From     State              `json:"from"`
	To       State              `json:"to"`
	Event    Event              `json:"event"`
	At       time.Time          `json:"at"`
	By       string             `json:"by"`
	Reason   string             `json:"reason,omitempty"`
	Decision *contract.Decision `json:"decision,omitempty"`
	Trace    string             `json:"trace,omitempty"`
}

// Next returns the state after an event caused by an actor, or a Conflict fault naming what the state allows.
func Next(from State, e Event, by Actor) (State, error) {
	var allowed []Event
	for _, t := range Transitions {
		if t.From != from {
			continue
		}
		allowed = append(allowed, t.Event)
		if t.Event != e {
			continue
		}
		for _, a := range t.By {
			if a == by {
				return t.To, nil
			}
		}
	}
	return from, fault.New(fault.Conflict, fault.IllegalTransition, "a %s plan cannot %s by %s; it allows %v", from, e, by, allowed)
}

// Move changes the plan's state and appends to its history; at is the wall clock. The revision rises.
func (p *Plan) Move(e Event, by Actor, c Change) error {
	to, err := Next(p.State, e, by)
	if err != nil {
		return err
	}
	c.From, c.To, c.Event = p.State, to, e
	p.History = append(p.History, c)
	p.State = to
	p.Revision = contract.NextRevision(p.Revision, c.At)
	return nil
}
