// Package govern brings the company's rules to bear on the operational layer: it loads the governance directive into the
// policy engine, and asks the engine about directives, numbers that go up, and calls. It owns no rule; those are Rego.
package govern

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-crm/strata/operational/internal/directive"
	rules "github.com/strata-crm/strata/operational/policy"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/signin"
)

// Policy asks the engine.
type Policy struct{ Engine *policy.Engine }

// Directive implements directive.Policy: every use must be allowed, and the directive as a whole.
func (p Policy) Directive(ctx context.Context, d *contract.OperationalDirective) (directive.Verdict, error) {
	in := rules.DirectiveInput{
		ID: string(d.ID), Decision: string(d.Decision.ID), MinimumGroup: d.Constraints.MinimumGroup, RetentionDays: d.Constraints.RetentionDays,
		Purposes: []string{}, DataTypes: []string{},
	}
	var v directive.Verdict
	seen := map[rules.UseInput]bool{}
	for _, c := range d.Collect {
		use := rules.UseInput{Purpose: string(c.Parameter.Purpose), DataType: string(c.Parameter.DataType)}
		if seen[use] {
			continue
		}
		seen[use] = true
		in.Purposes, in.DataTypes = add(in.Purposes, use.Purpose), add(in.DataTypes, use.DataType)
		if d.Standing.Ended() {
			continue // an end needs nobody's leave
		}
		u, err := p.Engine.Decide(ctx, rules.Use, use)
		if err != nil {
			return v, fmt.Errorf("decide on %s for %s: %w", use.DataType, use.Purpose, err)
		}
		if !u.Allowed {
			v.Purposes = append(v.Purposes, c.Parameter.Purpose)
		}
	}
	whole, err := p.Engine.Decide(ctx, rules.Directive, in)
	if err != nil {
		return v, fmt.Errorf("decide on directive %s: %w", d.ID, err)
	}
	v.Allowed = whole.Allowed && len(v.Purposes) == 0
	v.Decision = contract.Decision{ID: contract.DecisionID(whole.ID), Rule: "operational." + whole.Rule, Bundle: whole.Bundle}
	return v, nil
}

func add(list []string, s string) []string {
	for _, have := range list {
		if have == s {
			return list
		}
	}
	return append(list, s)
}

// Egress decides whether a measurement may go up. smallest is the number of customers in the smallest group that can be
// read from it.
func (p Policy) Egress(ctx context.Context, m *contract.Measurement, inForce bool, smallest int64) (bool, error) {
	d, err := p.Engine.Decide(ctx, rules.Egress, rules.EgressInput{
		Metric: string(m.Metric), InForce: inForce, HasValue: m.Value != nil, HasWindow: m.Window.End.After(m.Window.Start), SmallestGroup: smallest,
	})
	if err != nil {
		return false, fmt.Errorf("decide on measurement %s: %w", m.ID, err)
	}
	return d.Allowed, nil
}

// Gate decides on calls of the API; a denial is a Denied fault.
func (p Policy) Gate(ctx context.Context, who signin.Identity, action string) error {
	in := rules.ActionInput{Subject: who.Subject, Roles: []string{}, Action: action}
	for _, r := range who.Roles {
		in.Roles = append(in.Roles, string(r))
	}
	d, err := p.Engine.Decide(ctx, rules.Action, in)
	if err != nil {
		return fmt.Errorf("decide on %s: %w", action, err)
	}
	return d.Err()
}

// Governance reads the governance directive in force; NotFound if there is none.
type Governance interface {
	Governance(ctx context.Context) (contract.GovernanceDirective, error)
}

// Watch keeps the engine's data in line with the database, which other replicas change too; it is a component.
type Watch struct {
	Store  Governance
	Engine *policy.Engine
}

const watchEvery = 2 * time.Second

// Name implements service.Component.
func (w *Watch) Name() string { return "governance" }

// Run loads what is in force, now and every two seconds, until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		if err := w.Load(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Load loads what is in force now; without a governance directive nothing is allowed.
func (w *Watch) Load(ctx context.Context) error {
	g, err := w.Store.Governance(ctx)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("load governance: %w", err)
	}
	if err := w.Engine.SetData(ctx, g.Revision, g); err != nil && !fault.Is(err, fault.Conflict) {
		return fmt.Errorf("govern: %w", err)
	}
	return nil
}

// Directives is a directive.Service that keeps the engine up to date.
type Directives struct {
	*directive.Service
	Watch *Watch
}

// Govern applies a governance directive and loads it, so that the next decision in this process is made by it.
func (d Directives) Govern(ctx context.Context, g contract.GovernanceDirective) error {
	if err := d.Service.Govern(ctx, g); err != nil {
		return err
	}
	return d.Watch.Load(ctx)
}
