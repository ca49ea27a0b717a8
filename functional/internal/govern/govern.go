// Package govern brings the company's rules to bear on the functional layer: it loads the governance directive into the
// policy engine, keeps the definitions that people added in use, and asks the engine about plans and calls. It owns no
// rule; those are Rego.
package govern

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	rules "github.com/strata-crm/strata/functional/policy"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/signin"
)

// Plans asks policy about plans, by the rules in force at that moment; it is directive.Policy.
type Plans struct {
	Engine *policy.Engine
	Watch  *Watch
}

// Plan implements directive.Policy.
func (p Plans) Plan(ctx context.Context, _ *contract.StrategicDirective, pl *plan.Plan, by directive.Approver) (contract.Decision, bool, error) {
	return p.decide(ctx, rules.Plan, pl, by)
}

// Trial implements directive.Policy.
func (p Plans) Trial(ctx context.Context, pl *plan.Plan, by directive.Approver) (contract.Decision, bool, error) {
	return p.decide(ctx, rules.Trial, pl, by)
}

func (p Plans) decide(ctx context.Context, rule string, pl *plan.Plan, by directive.Approver) (contract.Decision, bool, error) {
	in := rules.PlanInput{
		Subject: by.Subject, Roles: by.Roles, MinimumGroup: pl.Constraints.MinimumGroup, RetentionDays: pl.Constraints.RetentionDays,
		Uses: []rules.Use{},
	}
	for _, part := range pl.Parts {
		for _, c := range part.Collect {
			in.Uses = append(in.Uses, rules.Use{
				Parameter: string(c.Parameter.Name), DataType: string(c.Parameter.DataType), Purpose: string(c.Parameter.Purpose),
			})
		}
	}
	if err := p.Watch.load(ctx); err != nil { // another consumer or replica may just have stored newer rules
		return contract.Decision{}, false, err
	}
	d, err := p.Engine.Decide(ctx, rule, in)
	return contract.Decision{ID: contract.DecisionID(d.ID), Rule: "functional." + d.Rule, Bundle: d.Bundle}, d.Allowed, err
}

// Reading is the action of whoever changes nothing.
const Reading = "read"

// Gate returns the decision on calls of the API. Whoever changes something is judged by the rules as they are stored now: what
// was taken from a role is taken at once.
func Gate(e *policy.Engine, w *Watch) func(context.Context, signin.Identity, string) error {
	return func(ctx context.Context, who signin.Identity, action string) error {
		roles := []string{}
		for _, r := range who.Roles {
			roles = append(roles, string(r))
		}
		rule, in := rules.Action, any(rules.ActionInput{Subject: who.Subject, Roles: roles, Action: action})
		if action == Reading {
			rule, in = rules.Read, rules.ReadInput{Subject: who.Subject, Roles: roles}
		} else if err := w.load(ctx); err != nil {
			return err
		}
		d, err := e.Decide(ctx, rule, in)
		if err != nil {
			return fmt.Errorf("decide on %s: %w", action, err)
		}
		return d.Err()
	}
}

// Governance reads the governance directive of the highest version, whatever its standing; NotFound if there is none.
type Governance interface {
	LatestGovernance(ctx context.Context) (contract.GovernanceDirective, error)
}

// Definitions puts the versions of metric definitions that people certified to use.
type Definitions interface {
	Load(ctx context.Context) error
}

// Watch keeps the engine's data and the library in line with the database, which other replicas change too. Consumers
// start after it, since whatever is decided before it has loaded is denied.
type Watch struct {
	store       Governance
	engine      *policy.Engine
	definitions Definitions
	once        sync.Once
	started     chan struct{}
}

// NewWatch returns a watch; all its parts are required.
func NewWatch(s Governance, e *policy.Engine, d Definitions) *Watch {
	return &Watch{store: s, engine: e, definitions: d, started: make(chan struct{})}
}

const watchEvery = 2 * time.Second

// Started implements service.Starter: it is closed once what is in force has been loaded.
func (w *Watch) Started() <-chan struct{} { return w.started }

// Name implements service.Component.
func (w *Watch) Name() string { return "governance" }

// Run loads what is in force, now and every two seconds, until ctx ends.
func (w *Watch) Run(ctx context.Context) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		if err := w.load(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		w.once.Do(func() { close(w.started) })
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// load loads what is in force now. Without a governance directive, or after the latest has ended without another one in its
// place, nothing is allowed; one that was superseded stays until the other one is here.
func (w *Watch) load(ctx context.Context) error {
	g, err := w.store.LatestGovernance(ctx)
	switch {
	case fault.Is(err, fault.NotFound):
	case err != nil:
		return fmt.Errorf("load governance: %w", err)
	default:
		var data any = g
		if g.Standing == contract.WithdrawnEnd || g.Standing == contract.ExpiredEnd {
			data = struct{}{}
		}
		if err := w.engine.SetData(ctx, g.Revision, data); err != nil && !fault.Is(err, fault.Conflict) {
			return fmt.Errorf("govern: %w", err)
		}
	}
	return w.definitions.Load(ctx)
}

// Governed returns the service with governance in force as soon as it arrives, so that the next decision in this
// process is made by it.
func (w *Watch) Governed(s *directive.Service) Directives { return Directives{s, w} }

// Directives is a directive.Service that keeps the engine up to date.
type Directives struct {
	*directive.Service
	watch *Watch
}

// Govern applies a governance directive, passes it on, loads it, and lets policy decide on what waited for it.
func (d Directives) Govern(ctx context.Context, g contract.GovernanceDirective) error {
	if err := d.Service.Govern(ctx, g); err != nil {
		return err
	}
	if err := d.watch.load(ctx); err != nil {
		return err
	}
	return d.ApproveDrafts(ctx)
}
