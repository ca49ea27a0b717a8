// Package gate asks policy on behalf of the strategic layer: it builds each rule's input from our own types, sees to it
// that the governance directive in force is the data that rules read, and turns a denial into what a person can act on.
package gate

import (
	"context"
	"errors"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	engine "github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/policy"
)

// Engine decides.
type Engine interface {
	Decide(ctx context.Context, rule string, input any) (engine.Decision, error)
	SetData(ctx context.Context, revision int64, data any) error
	// Bundle names what decides now.
	Bundle() string
}

// Rules is where the governance directive is read from.
type Rules interface {
	Governance(ctx context.Context) (governance.Record, error)
}

// Gate asks policy. It is safe for concurrent use.
type Gate struct {
	engine Engine
	rules  Rules
}

// New returns a gate, or an error naming what is missing.
func New(e Engine, r Rules) (*Gate, error) {
	if e == nil || r == nil {
		return nil, errors.New("gate: engine and rules are required")
	}
	return &Gate{e, r}, nil
}

// decide loads the governance directive, if another replica or a restart brought a newer one, and asks the rule.
func (g *Gate) decide(ctx context.Context, rule string, input any) (engine.Decision, error) {
	if _, err := g.load(ctx); err != nil {
		return engine.Decision{}, err
	}
	return g.engine.Decide(ctx, rule, input)
}

// load sees to it that the governance directive in force is what rules read, and returns its version; 0 while none is.
func (g *Gate) load(ctx context.Context) (int, error) {
	record, err := g.rules.Governance(ctx)
	if err != nil {
		return 0, err
	}
	v := record.Sent()
	if v == nil {
		return 0, nil
	}
	// A lower revision is one that another request has already overtaken.
	if err := g.engine.SetData(ctx, v.Order.Revision, v.Order); err != nil && !fault.Is(err, fault.Conflict) {
		return 0, err
	}
	return v.Number, nil
}

func made(d engine.Decision) contract.Decision {
	return contract.Decision{ID: contract.DecisionID(d.ID), Rule: string(contract.Strategic) + "." + d.Rule, Bundle: d.Bundle}
}

func names(roles []signin.Role) []string {
	out := make([]string, len(roles))
	for i, r := range roles {
		out[i] = string(r)
	}
	return out
}

// Read returns nil if somebody may see what the layer holds.
func (g *Gate) Read(ctx context.Context, who signin.Identity) error {
	d, err := g.decide(ctx, policy.Read, policy.ReadInput{Subject: who.Subject, Roles: names(who.Roles)})
	return errors.Join(err, deny(d, err))
}

// Act returns nil if somebody may do something.
func (g *Gate) Act(ctx context.Context, who signin.Identity, action string) error {
	d, err := g.decide(ctx, policy.Action, policy.ActionInput{Subject: who.Subject, Roles: names(who.Roles), Action: action})
	return errors.Join(err, deny(d, err))
}

func deny(d engine.Decision, err error) error {
	if err != nil {
		return nil
	}
	return d.Err()
}

// Impact implements directive.Policy.
func (g *Gate) Impact(ctx context.Context, q directive.Question) (directive.Weight, error) {
	in := policy.ImpactInput{Impact: string(q.Directive.Impact), Purposes: purposes(q.Directive), RetentionDays: q.Directive.Constraints.RetentionDays}
	d, err := g.decide(ctx, policy.Impact, in)
	if err != nil {
		return directive.Weight{}, err
	}
	w := directive.Weight{Impact: contract.NormalImpact, Decision: made(d)}
	if !d.Allowed {
		w.Impact, w.Why = contract.HighImpact, strings.Join(d.Reasons, "; ")
	}
	return w, nil
}

func purposes(d directive.Directive) []string {
	out := []string{}
	for _, p := range d.Constraints.Purposes {
		out = append(out, string(p))
	}
	return out
}

// Approve implements directive.Policy.
func (g *Gate) Approve(ctx context.Context, q directive.Question) (contract.Decision, error) {
	d, err := g.decide(ctx, policy.Approve, policy.ApproveInput{
		Subject: q.Who.Subject, Roles: q.Who.Roles, ProposedBy: q.Directive.ProposedBy, Impact: string(q.Directive.Impact),
	})
	if err != nil {
		return made(d), err
	}
	return made(d), secondPerson(d, q.Directive.Impact == contract.HighImpact && q.Who.Subject == q.Directive.ProposedBy)
}

// Issue implements directive.Policy.
func (g *Gate) Issue(ctx context.Context, q directive.Question) (contract.Decision, error) {
	c := q.Directive.Constraints
	in := policy.IssueInput{
		Subject: q.Who.Subject, Roles: q.Who.Roles, ProposedBy: q.Directive.ProposedBy, Impact: string(q.Directive.Impact), GoalState: string(q.Goal.State),
		Approvals: []policy.Person{}, Purposes: purposes(q.Directive), MinimumGroup: c.MinimumGroup, RetentionDays: c.RetentionDays,
	}
	alone := q.Directive.Impact == contract.HighImpact
	for _, a := range q.Directive.Approvals {
		in.Approvals = append(in.Approvals, policy.Person{Subject: a.Subject, Roles: a.Roles})
		alone = alone && a.Subject == q.Directive.ProposedBy
	}
	d, err := g.decide(ctx, policy.Issue, in)
	if err != nil {
		return made(d), err
	}
	return made(d), secondPerson(d, alone)
}

// Govern implements governance.Policy.
func (g *Gate) Govern(ctx context.Context, v governance.Version, approvals []governance.Approval) (contract.Decision, error) {
	in := policy.GovernanceInput{Approvals: []policy.Person{}, MinimumGroup: v.Rules.MinimumGroup, RetentionDays: map[string]int{}, Regions: v.Rules.Regions}
	people := map[string]bool{}
	for _, a := range approvals {
		in.Approvals = append(in.Approvals, policy.Person{Subject: a.Subject, Roles: a.Roles})
		people[a.Subject] = true
	}
	for t, days := range v.Rules.Retention {
		in.RetentionDays[string(t)] = days
	}
	d, err := g.decide(ctx, policy.Governance, in)
	if err != nil {
		return made(d), err
	}
	return made(d), secondPerson(d, len(people) < 2)
}

// secondPerson names a denial for want of another person by its own code, so that a program can tell it apart.
func secondPerson(d engine.Decision, alone bool) error {
	err := d.Err()
	if err != nil && alone {
		return fault.New(fault.Denied, fault.SecondPersonRequired, "%w", err)
	}
	return err
}
