// Package governance owns the governance directive: the company's rules for all layers, in versions, each approved by two
// different executives before it is sent, and acknowledged below. All versions are one record, the aggregate root on which
// the two approvals hang. It does not own what the rules do: they are policy data in every layer.
//
// The functions on [Record] decide and are pure; [Service] runs them in transactions.
package governance

import (
	"cmp"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// ID of the governance directive. All versions have it: a version is a revision of the one directive.
const ID contract.DirectiveID = "governance"

// validity is how long a version is in force unless another takes its place.
const validity = 5 * 365 * 24 * time.Hour

// Rules are what a version says.
type Rules struct {
	Purposes     []contract.PurposeRule    `json:"purposes"`
	Retention    map[contract.DataType]int `json:"retentionDays"`
	MinimumGroup int                       `json:"minimumGroup"`
	Roles        map[string][]string       `json:"roles"` // role → what it may do
	Owners       []contract.DataOwner      `json:"owners"`
	Regions      []string                  `json:"regions"`
	// FallenInsight is what a fallen verdict on the insight that a goal rests on changes of the goal; empty: its proof.
	FallenInsight contract.FallenInsight `json:"fallenInsight,omitempty"`
	// HighImpact is which directives need a second person, whatever whoever drafts them says.
	HighImpact *contract.HighImpactRule `json:"highImpact,omitempty"`
}

// Approval is one executive's approval.
type Approval struct {
	Subject string    `json:"subject"`
	Roles   []string  `json:"roles"`
	At      time.Time `json:"at"`
}

// Version is one version of the rules with its life.
type Version struct {
	Number     int                           `json:"number"`
	State      State                         `json:"state"`
	Rules      Rules                         `json:"rules"`
	ProposedBy string                        `json:"proposedBy"`
	Approvals  []Approval                    `json:"approvals,omitempty"`
	Order      *contract.GovernanceDirective `json:"order,omitempty"`  // as sent
	Answer     *contract.Acknowledgement     `json:"answer,omitempty"` // as last received for it
	History    []lifecycle.Entry             `json:"history"`
}

// Expired reports whether the time for which the version was sent is over. Its rules stay in force all the same: to end them
// would leave the company without rules, and nothing could be collected, counted or kept from anybody; people are asked for a
// new version instead.
func (v *Version) Expired(now time.Time) bool {
	return v.State.sent() && v.Order != nil && !now.Before(v.Order.Expires)
}

// Record is every version, oldest first.
type Record struct {
	Version  int64     `json:"version"` // rises with every change
	At       time.Time `json:"at"`
	Versions []Version `json:"versions"`
}

// Find returns a version; NotFound if there is none of that number.
func (r *Record) Find(number int) (*Version, error) {
	for i := range r.Versions {
		if r.Versions[i].Number == number {
			return &r.Versions[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "", "there is no version %d of the governance directive", number)
}

// Sent returns the version that was sent last and rules, or nil while none was: then everything is denied.
func (r *Record) Sent() *Version {
	for i := len(r.Versions) - 1; i >= 0; i-- {
		if r.Versions[i].State.sent() {
			return &r.Versions[i]
		}
	}
	return nil
}

// Pending returns the version that waits for approval, or nil.
func (r *Record) Pending() *Version {
	for i := range r.Versions {
		if s := r.Versions[i].State; s == Proposed || s == Seconded {
			return &r.Versions[i]
		}
	}
	return nil
}

// Propose adds a version that waits for two approvals; Conflict while another one waits.
func (r *Record) Propose(rules Rules, t lifecycle.Turn) error {
	if p := r.Pending(); p != nil {
		return fault.New(fault.Conflict, fault.IllegalTransition, "version %d waits for approval: approve or withdraw it first", p.Number)
	}
	number := 1
	if n := len(r.Versions); n > 0 {
		number = r.Versions[n-1].Number + 1
	}
	r.Versions = append(r.Versions, Version{Number: number, State: Proposed, Rules: rules, ProposedBy: t.By, History: []lifecycle.Entry{
		{Entity: "governance/" + string(ID), To: string(Proposed), Event: "propose", At: t.Now, By: t.By, Decision: t.Decision, Trace: t.Trace},
	}})
	return nil
}

func (v *Version) move(e Event, by lifecycle.Actor, t lifecycle.Turn) error {
	to, history, err := LifeCycle.Move(v.History, string(ID), v.State, e, by, t)
	if err == nil {
		v.State, v.History = to, history
	}
	return err
}

// NextApproval returns the event that an approval of the version by a subject would be: the first of two, or the one that
// issues it. The same person's second approval is refused with second_person_required.
func (v *Version) NextApproval(subject string) (Event, error) {
	e := Second
	if len(v.Approvals) > 0 {
		e = Issue
	}
	if _, err := LifeCycle.Next(v.State, e, lifecycle.Person); err != nil {
		return e, err
	}
	if slices.ContainsFunc(v.Approvals, func(a Approval) bool { return a.Subject == subject }) {
		return e, fault.New(fault.Denied, fault.SecondPersonRequired, "you approved this version already: a different executive must approve it too")
	}
	return e, nil
}

// Approve adds an approval; the second one, by a different person, sends the version and ends the one before.
func (r *Record) Approve(number int, roles []string, t lifecycle.Turn) error {
	v, err := r.Find(number)
	if err != nil {
		return err
	}
	e, err := v.NextApproval(t.By)
	if err != nil {
		return err
	}
	before := r.Sent()
	if err := v.move(e, lifecycle.Person, t); err != nil {
		return err
	}
	v.Approvals = append(v.Approvals, Approval{t.By, roles, t.Now})
	if e != Issue {
		return nil
	}
	if err := v.order(r.revision(), t); err != nil {
		return err
	}
	if before == nil {
		return nil
	}
	t.Reason = "a newer version was approved"
	return before.move(Supersede, lifecycle.Successor, t)
}

func (r *Record) revision() int64 {
	var highest int64
	for _, v := range r.Versions {
		if v.Order != nil {
			highest = max(highest, v.Order.Revision)
		}
	}
	return highest
}

func (v *Version) order(previous int64, t lifecycle.Turn) error {
	o := &contract.GovernanceDirective{
		Order: contract.Order{
			ID: ID, Revision: contract.NextRevision(previous, t.Now), Standing: contract.InForce, ValidFrom: t.Now, Expires: t.Now.Add(validity), At: t.Now,
		},
		Version: v.Number, Purposes: v.Rules.Purposes, Retention: v.Rules.Retention, MinimumGroup: v.Rules.MinimumGroup,
		Roles: v.Rules.Roles, Owners: v.Rules.Owners, Regions: v.Rules.Regions, FallenInsight: v.Rules.FallenInsight, HighImpact: v.Rules.HighImpact,
	}
	if t.Decision != nil {
		o.Decision = *t.Decision
	}
	for _, a := range v.Approvals {
		o.ApprovedBy = append(o.ApprovedBy, a.Subject)
	}
	v.Order = o
	return o.Check()
}

// Withdraw takes back a version that waits for approval.
func (r *Record) Withdraw(number int, t lifecycle.Turn) error {
	v, err := r.Find(number)
	if err != nil {
		return err
	}
	return v.move(Withdraw, lifecycle.Person, t)
}

var answers = map[contract.State]Event{
	contract.Accepted: Accept, contract.Executing: Accept, contract.Completed: Accept, contract.Refused: Refuse,
}

// Answered applies an answer from below to the version that it answers.
func (r *Record) Answered(a contract.Acknowledgement, t lifecycle.Turn) error {
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Order == nil || v.Order.Revision != a.DirectiveRevision || v.Answer != nil && a.AckRevision <= v.Answer.AckRevision {
			continue
		}
		v.Answer = &a
		if n := len(a.History); n > 0 {
			t.Decision, t.Trace = a.History[n-1].Decision, cmp.Or(a.History[n-1].Trace, t.Trace)
		}
		e, known := answers[a.State]
		if to, err := LifeCycle.Next(v.State, e, lifecycle.Functional); known && err == nil && to != v.State {
			return v.move(e, lifecycle.Functional, t)
		}
	}
	return nil
}

// Restore puts a version that was once sent back, if it is newer than what is there.
func (r *Record) Restore(g contract.GovernanceDirective, t lifecycle.Turn) {
	if g.Revision <= r.revision() {
		return
	}
	if before := r.Sent(); before != nil {
		// Errors are impossible: whatever was sent can be superseded.
		_ = before.move(Supersede, lifecycle.Successor, t)
	}
	v := Version{Number: g.Version, State: Issued, Order: &g, Rules: Rules{g.Purposes, g.Retention, g.MinimumGroup, g.Roles, g.Owners, g.Regions, g.FallenInsight, g.HighImpact}}
	for _, who := range g.ApprovedBy {
		v.Approvals = append(v.Approvals, Approval{Subject: who, At: g.At})
	}
	v.History = []lifecycle.Entry{{
		Entity: "governance/" + string(ID), To: string(Issued), Event: "restore", At: t.Now, By: t.By, Reason: "read back from the layer's own messages", Decision: &g.Decision, Trace: t.Trace,
	}}
	r.Versions = slices.DeleteFunc(r.Versions, func(old Version) bool { return old.Number >= g.Version })
	r.Versions = append(r.Versions, v)
}
