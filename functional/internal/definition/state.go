package definition

import (
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// State of one version of a definition.
type State string

// The states of a version.
const (
	Draft     State = "draft"
	Reviewed  State = "reviewed"  // another person than its authors looked at it
	Certified State = "certified" // plans may use it; of several the newest is in use
	Retired   State = "retired"   // no new plan uses it; active plans keep it until they are revised
	Discarded State = "discarded" // a draft that came to nothing; it may be taken up again
)

// Event is what changes a version's state.
type Event string

// The events.
const (
	Edit    Event = "edit"
	Review  Event = "review"
	Certify Event = "certify"
	Retire  Event = "retire"
	Discard Event = "discard"
	Restore Event = "restore" // from an order that this layer once issued, after its database was lost
)

// Actor is who may cause an event.
type Actor string

// The actors. An author is whoever wrote the version or edited it; others are all other people. Recovery is the layer
// itself.
const (
	Author   Actor = "author"
	Other    Actor = "other"
	Recovery Actor = "recovery"
)

// Transition is one row of the life cycle.
type Transition struct {
	From  State
	Event Event
	To    State
	By    []Actor
}

var anybody = []Actor{Author, Other}

// Transitions is the whole life cycle: what is not here is refused. A version is never reviewed or certified by who wrote
// it. What is certified never changes: a change is a new version.
var Transitions = []Transition{
	{Draft, Edit, Draft, anybody},
	{Draft, Review, Reviewed, []Actor{Other}},
	{Draft, Discard, Discarded, anybody},
	{Draft, Restore, Certified, []Actor{Recovery}},
	{Reviewed, Edit, Draft, anybody},
	{Reviewed, Certify, Certified, []Actor{Other}},
	{Reviewed, Discard, Discarded, anybody},
	{Certified, Retire, Retired, anybody},
	{Discarded, Edit, Draft, anybody},
}

// Next returns the state after an event caused by an actor. Where only another person may, the fault says so; else it is a
// Conflict naming what the state allows.
func Next(from State, e Event, by Actor) (State, error) {
	var allowed []Event
	for _, t := range Transitions {
		if t.From != from {
			continue
		}
		allowed = append(allowed, t.Event)
		switch {
		case t.Event != e:
		case slices.Contains(t.By, by):
			return t.To, nil
		case by == Author:
			return from, fault.New(fault.Denied, fault.SecondPersonRequired, "you wrote this version: somebody else must %s it", e)
		}
	}
	if len(allowed) == 0 {
		return from, fault.New(fault.Conflict, fault.IllegalTransition, "the version is %s, and that does not change any more", from)
	}
	return from, fault.New(fault.Conflict, fault.IllegalTransition, "the version is %s and cannot %s; it allows %v", from, e, allowed)
}

// Change is one entry of a version's history.
type Change struct {
	From   State     `json:"from,omitempty"`
	To     State     `json:"to"`
	Event  Event     `json:"event"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Trace  string    `json:"trace,omitempty"`
}

// Version is one version of a definition with its life so far.
type Version struct {
	Definition contract.Definition `json:"definition"`
	State      State               `json:"state"`
	Revision   int64               `json:"revision"` // rises with every change
	Authors    []string            `json:"authors"`  // who wrote or edited it
	InUse      bool                `json:"inUse"`    // new plans take this one; set when read
	Shipped    bool                `json:"shipped"`  // comes with the product or from the library's folder
	History    []Change            `json:"history"`
}

// actor returns what a subject is to the version.
func (v *Version) actor(subject string) Actor {
	if slices.Contains(v.Authors, subject) {
		return Author
	}
	return Other
}

// move changes the version's state and appends to its history; c names at, by and why.
func (v *Version) move(e Event, by Actor, c Change) error {
	to, err := Next(v.State, e, by)
	if err != nil {
		return err
	}
	c.From, c.To, c.Event = v.State, to, e
	v.State, v.History = to, append(slices.Clip(v.History), c)
	v.Revision = contract.NextRevision(v.Revision, c.At)
	return nil
}
