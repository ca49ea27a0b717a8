// Package goal owns goals: what makes one SMART, and its life cycle. It does not own how a goal stands, which package
// scorecard computes, nor what has been ordered for it, which is package directive's.
package goal

import (
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// State of a goal. How it stands is not a state: that is computed.
type State string

// The states.
const (
	Draft  State = "draft"
	Active State = "active"
	Closed State = "closed"
)

// Event changes a goal's state.
type Event string

// The events.
const (
	Edit     Event = "edit"
	Activate Event = "activate"
	Close    Event = "close"
)

// LifeCycle of a goal. An active goal is not edited, because nobody may move a target after the fact: another is set, and
// it is closed, which withdraws what is ordered for it. A directive supersedes one of the same goal only.
var LifeCycle = lifecycle.Table[State, Event]{Entity: "goal", Rows: []lifecycle.Row[State, Event]{
	{From: Draft, Event: Edit, To: Draft, By: lifecycle.Person},
	{From: Draft, Event: Activate, To: Active, By: lifecycle.Person},
	{From: Draft, Event: Close, To: Closed, By: lifecycle.Person},
	{From: Active, Event: Close, To: Closed, By: lifecycle.Person},
}}

// Goal is a goal with its life. The embedded part is what travels down.
type Goal struct {
	contract.Goal
	State     State             `json:"state"`
	CreatedBy string            `json:"createdBy"` // a subject
	History   []lifecycle.Entry `json:"history"`
}

// New returns a draft of the proposal, which must have passed Check.
func New(id contract.GoalID, p Proposal, t lifecycle.Turn, today contract.Day) Goal {
	g := Goal{Goal: p.goal(id, today), State: Draft, CreatedBy: t.By}
	g.Revision = contract.NextRevision(0, t.Now)
	g.History = []lifecycle.Entry{{Entity: "goal/" + string(id), To: string(Draft), Event: "draft", At: t.Now, By: t.By, Decision: t.Decision, Trace: t.Trace}}
	return g
}

// Move changes the goal's state and raises its revision.
func (g *Goal) Move(e Event, t lifecycle.Turn) error {
	to, history, err := LifeCycle.Move(g.History, string(g.ID), g.State, e, lifecycle.Person, t)
	if err != nil {
		return err
	}
	g.State, g.History = to, history
	g.Revision = contract.NextRevision(g.Revision, t.Now)
	return nil
}

// Activated makes a draft a goal that can be ordered. Whether it is a back-test is settled here: a draft may have waited beyond
// its deadline.
func (g *Goal) Activated(t lifecycle.Turn, today contract.Day) error {
	if err := g.Move(Activate, t); err != nil {
		return err
	}
	g.BackTest = g.Deadline < today
	return nil
}

// Replace puts an edited proposal, which must have passed Check, in the place of a draft.
func (g *Goal) Replace(p Proposal, t lifecycle.Turn, today contract.Day) error {
	if err := g.Move(Edit, t); err != nil {
		return err
	}
	revision := g.Revision
	g.Goal = p.goal(g.ID, today)
	g.Revision = revision
	return nil
}
