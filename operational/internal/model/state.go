// Package model owns the life of fitted models: a fit starts in shadow beside the one in use, takes its place when it does
// no worse on what came later, weakens and expires with its validity verdicts, and is retired when it is replaced.
//
// Everything here decides and is pure: when a model is fitted, on what it is held out, and where its life is kept is for
// package fitting. [Transitions] is the whole life cycle as a table; [Line] applies it to all fits of one model of some
// customers ([Subject]), and tells how it stood by the data until any day ([Line.AsOf]).
package model

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Event is what changes the state of a fit.
type Event string

// The events.
const (
	Promote  Event = "promote"  // no worse on the hold-out than the one in use, or the first
	Reject   Event = "reject"   // worse
	Weaken   Event = "weaken"   // a verdict weakens
	Recover  Event = "recover"  // all verdicts hold again
	Fall     Event = "fall"     // a verdict fails
	Replace  Event = "replace"  // another fit has taken its place
	Withdraw Event = "withdraw" // taken out of use by decision
)

// Actor is who may cause an event.
type Actor string

// The actors. Which person may is for policy.
const (
	ByHoldOut   Actor = "hold_out"
	ByValidity  Actor = "validity"
	BySuccessor Actor = "successor"
	ByPerson    Actor = "person"
)

// Transition is one row of the life cycle.
type Transition struct {
	From  contract.ModelState
	Event Event
	To    contract.ModelState
	By    Actor
}

// Transitions is the whole life cycle: what is not here is refused. A fall is final: what comes back is another fit.
var Transitions = []Transition{
	{contract.ModelShadow, Promote, contract.ModelActive, ByHoldOut},
	{contract.ModelShadow, Reject, contract.ModelRetired, ByHoldOut},
	{contract.ModelShadow, Replace, contract.ModelRetired, BySuccessor},
	{contract.ModelShadow, Withdraw, contract.ModelRetired, ByPerson},
	{contract.ModelActive, Weaken, contract.ModelWeakening, ByValidity},
	{contract.ModelActive, Fall, contract.ModelExpired, ByValidity},
	{contract.ModelActive, Replace, contract.ModelRetired, BySuccessor},
	{contract.ModelActive, Withdraw, contract.ModelRetired, ByPerson},
	{contract.ModelWeakening, Recover, contract.ModelActive, ByValidity},
	{contract.ModelWeakening, Fall, contract.ModelExpired, ByValidity},
	{contract.ModelWeakening, Replace, contract.ModelRetired, BySuccessor},
	{contract.ModelWeakening, Withdraw, contract.ModelRetired, ByPerson},
	{contract.ModelExpired, Replace, contract.ModelRetired, BySuccessor},
	{contract.ModelExpired, Withdraw, contract.ModelRetired, ByPerson},
}

// Next returns the state after an event caused by an actor, or a Conflict fault (illegal_transition) that names what the
// state allows.
func Next(from contract.ModelState, e Event, by Actor) (contract.ModelState, error) {
	var allowed []Event
	for _, t := range Transitions {
		if t.From != from {
			continue
		}
		if t.Event == e && t.By == by {
			return t.To, nil
		}
		if !slices.Contains(allowed, t.Event) {
			allowed = append(allowed, t.Event)
		}
	}
	return from, fault.New(fault.Conflict, fault.IllegalTransition, "a model in state %q cannot %s by %s; it allows %v", from, e, by, allowed)
}

// Asks returns the event that verdicts ask for in a state, "" for none: the gravest decides, fails before weakening. As
// long as one is not enough data and none is graver nothing is known anew, and nothing changes.
func Asks(state contract.ModelState, v contract.Verdicts) Event {
	all := []contract.Verdict{v.Volume, v.Velocity, v.Variety, v.Variability, v.Veracity}
	hold := !slices.ContainsFunc(all, func(v contract.Verdict) bool { return v != contract.Holds })
	inUse := state == contract.ModelActive || state == contract.ModelWeakening
	switch {
	case inUse && slices.Contains(all, contract.Fails):
		return Fall
	case state == contract.ModelActive && slices.Contains(all, contract.Weakening):
		return Weaken
	case state == contract.ModelWeakening && hold:
		return Recover
	}
	return ""
}
