// Package lifecycle has what all life cycles of the strategic layer share: a table of state, event, next state and who
// may cause it, and the history that every change of state is appended to. It owns no life cycle.
package lifecycle

import (
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Actor is who causes an event.
type Actor string

// The actors. Which person may is for policy; the table says only that a person does.
const (
	Person     Actor = "person"
	Functional Actor = "functional" // the layer below, by its answers
	Clock      Actor = "clock"      // the wall clock
	Successor  Actor = "successor"  // a newer one of the kind took its place
	Policy     Actor = "policy"     // by itself, where no person is asked
)

// Row is one permitted change.
type Row[S, E ~string] struct {
	From  S
	Event E
	To    S
	By    Actor
}

// Table is a whole life cycle: what is not in it is refused.
type Table[S, E ~string] struct {
	Entity string // for texts, such as directive
	Rows   []Row[S, E]
}

// Next returns the state after an event caused by an actor, or a Conflict fault that says what the state allows.
func (t Table[S, E]) Next(from S, e E, by Actor) (S, error) {
	for _, r := range t.Rows {
		if r.From == from && r.Event == e && r.By == by {
			return r.To, nil
		}
	}
	allowed := t.Allowed(from, by)
	if len(allowed) == 0 {
		return from, fault.New(fault.Conflict, fault.IllegalTransition, "the %s is %s, and that does not change any more by a %s", t.Entity, from, by)
	}
	return from, fault.New(fault.Conflict, fault.IllegalTransition, "the %s is %s and cannot %s; it can %v", t.Entity, from, e, allowed)
}

// Allowed returns the events that an actor may cause in a state.
func (t Table[S, E]) Allowed(from S, by Actor) []E {
	var es []E
	for _, r := range t.Rows {
		if r.From == from && r.By == by && !slices.Contains(es, r.Event) {
			es = append(es, r.Event)
		}
	}
	return es
}

// States returns every state of the table, in order of first mention.
func (t Table[S, E]) States() []S {
	var ss []S
	for _, r := range t.Rows {
		for _, s := range []S{r.From, r.To} {
			if !slices.Contains(ss, s) {
				ss = append(ss, s)
			}
		}
	}
	return ss
}

// Turn is the circumstances of a change.
type Turn struct {
	Now      time.Time // the wall clock
	By       string    // a subject, a layer, or the clock; never a customer
	Reason   string
	Decision *contract.Decision // what policy said of it, if it was asked
	Trace    string             // trace id, 32 hex digits
}

// Entry is one change of state in a history.
type Entry struct {
	Entity   string             `json:"entity"` // kind and id, such as directive/018f…
	From     string             `json:"from"`
	To       string             `json:"to"`
	Event    string             `json:"event"`
	At       time.Time          `json:"at"`
	By       string             `json:"by"`
	Reason   string             `json:"reason,omitempty"`
	Decision *contract.Decision `json:"decision,omitempty"`
	Trace    string             `json:"trace,omitempty"`
}

// Move returns the state after an event, and the history with the change appended.
func (t Table[S, E]) Move(history []Entry, id string, from S, e E, by Actor, turn Turn) (S, []Entry, error) {
	to, err := t.Next(from, e, by)
	if err != nil {
		return from, history, err
	}
	return to, append(slices.Clip(history), Entry{
		Entity: t.Entity + "/" + id, From: string(from), To: string(to), Event: string(e),
		At: turn.Now, By: turn.By, Reason: turn.Reason, Decision: turn.Decision, Trace: turn.Trace,
	}), nil
}
