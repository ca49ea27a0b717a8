// Package directive owns what has been ordered for each goal and what came back: one record per goal holds the goal, every
// directive for it, the answers to them, the information on it, and what was frozen of its measurement. The record is the
// aggregate root: two approvals, the one directive in force and what supersedes it are invariants of one document, whose
// version every change checks and raises.
//
// The functions here decide and are pure; [Service] runs them in transactions. Storing is the Store's, and how a goal
// stands is package scorecard's.
package directive

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// maxChanges bounds the kept splits of changes, as the series itself is bounded below.
const maxChanges = 120

// Record is everything about one goal.
type Record struct {
	Version     int64                 `json:"version"` // rises with every change
	At          time.Time             `json:"at"`      // wall clock of the last change
	Goal        goal.Goal             `json:"goal"`
	Directives  []Directive           `json:"directives"` // oldest first
	Information *contract.Information `json:"information,omitempty"`
	Changes     []contract.Change     `json:"changes,omitempty"` // what drove each change, as it was told last; ascending
	Insight     *contract.Insight     `json:"insight,omitempty"` // on the goal's own metric, without what its charts show
	Ground      *scorecard.Ground     `json:"ground,omitempty"`  // what became of that insight
	Frozen      scorecard.Frozen      `json:"frozen"`
}

// Directive is one strategic directive with its life.
type Directive struct {
	ID          contract.DirectiveID         `json:"id"`
	Goal        contract.GoalID              `json:"goal"`
	Revision    int64                        `json:"revision"` // rises with every change of state; that of Order is what was sent
	State       State                        `json:"state"`
	Impact      contract.Impact              `json:"impact"`
	Constraints contract.Constraints         `json:"constraints"`
	Expires     *time.Time                   `json:"expires,omitempty"` // as asked for; nil: after the deadline's window and its lateness
	Supersedes  contract.DirectiveID         `json:"supersedes,omitempty"`
	ProposedBy  string                       `json:"proposedBy,omitempty"`
	Approvals   []Approval                   `json:"approvals,omitempty"`
	Order       *contract.StrategicDirective `json:"order,omitempty"`  // as last sent; nil before it was issued
	Answer      *contract.Acknowledgement    `json:"answer,omitempty"` // as last received
	History     []lifecycle.Entry            `json:"history"`
}

// Approval is one person's approval.
type Approval struct {
	Subject  string            `json:"subject"`
	Roles    []string          `json:"roles"`
	At       time.Time         `json:"at"`
	Decision contract.Decision `json:"decision"`
}

// Directive returns the directive of the id; NotFound if the record has none.
func (r *Record) Directive(id contract.DirectiveID) (*Directive, error) {
	for i := range r.Directives {
		if r.Directives[i].ID == id {
			return &r.Directives[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "", "there is no directive %s", id)
}

// Current returns the directive by which the goal is pursued: the one that was sent and has not ended, else the one that
// is being prepared, else the last that was; nil if there never was one.
func (r *Record) Current() *Directive {
	var prepared, sent *Directive
	for i := range r.Directives {
		d := &r.Directives[i]
		switch {
		case d.State.Sent():
			sent = d
		case !d.State.Ended():
			prepared = d
		}
	}
	switch {
	case sent != nil:
		return sent
	case prepared != nil:
		return prepared
	case len(r.Directives) > 0:
		return &r.Directives[len(r.Directives)-1]
	}
	return nil
}

// Judging returns what the goal's state is computed from, as of an instant; zero means the latest closed window.
func (r *Record) Judging(zone *time.Location, asOf time.Time) scorecard.Input {
	in := scorecard.Input{
		Goal: r.Goal.Goal, Zone: zone, Changes: r.Changes, Insight: r.Insight, Ground: r.Ground, Frozen: r.Frozen, AsOf: asOf,
	}
	if i := r.Information; i != nil {
		in.Series, in.Currency, in.Projection, in.Trend = i.Series, i.Currency, i.Projection, i.Trend
	}
	if d := r.Current(); d != nil {
		in.Constraints, in.Answer, in.Ended = d.Constraints, d.Answer, d.State.Ended()
	}
	return in
}

// freeze keeps the baseline and the decision, once they are there, so that no restatement changes them.
func (r *Record) freeze(zone *time.Location) {
	s := scorecard.Judge(r.Judging(zone, time.Time{}))
	if r.Frozen.Baseline == nil && s.Baseline != nil && s.Baseline.Window != nil {
		r.Frozen.Baseline = s.Baseline
	}
	if r.Frozen.Decided == nil {
		r.Frozen.Decided = s.Decided
	}
}
