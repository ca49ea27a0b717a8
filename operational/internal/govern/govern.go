// Package govern brings the company's rules to bear on the operational layer: it loads the governance directive into the
// policy engine, and asks the engine about directives, numbers that go up, and calls. It owns no rule; those are Rego.
package govern

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/egress"
	rules "github.com/strata-crm/strata/operational/policy"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/signin"
)

// Policy asks the engine.
type Policy struct {
	Engine *policy.Engine
	// Fresh loads the rules as they are stored now, which another consumer or replica may just have received, before anybody is
	// let do something: what was taken from a role is taken at once. nil: those that were loaded are good enough.
	Fresh func(context.Context) error
}

// Directive implements directive.Policy: every use must be allowed, and the directive as a whole. The end of a directive
// needs nobody's leave. Before the first governance directive nothing is decided.
func (p Policy) Directive(ctx context.Context, d *contract.OperationalDirective) (directive.Verdict, error) {
	var v directive.Verdict
	if d.Standing.Ended() {
		v.Allowed = true
		return v, nil
	}
	if p.Engine.Revision() == 0 {
		v.Ungoverned = true
		return v, nil
	}
	in := rules.DirectiveInput{
		ID: string(d.ID), Decision: string(d.Decision.ID), MinimumGroup: d.Constraints.MinimumGroup, RetentionDays: d.Constraints.RetentionDays,
		Purposes: []string{}, DataTypes: []string{},
	}
	all := uses(d)
	for _, use := range all {
		in.Purposes, in.DataTypes = add(in.Purposes, use.Purpose), add(in.DataTypes, use.DataType)
	}
	// Each decision is recorded by a synchronous write: side by side they wait for the disk together.
	of, whole, err := p.decide(ctx, all, in)
	if err != nil {
		return v, fmt.Errorf("decide on directive %s: %w", d.ID, err)
	}
	for i, use := range all {
		if !of[i].Allowed && !of[i].Failed && !slices.Contains(v.Purposes, contract.Purpose(use.Purpose)) {
			v.Purposes = append(v.Purposes, contract.Purpose(use.Purpose))
		}
	}
	v.Allowed = whole.Allowed && !slices.ContainsFunc(of, func(d policy.Decision) bool { return !d.Allowed })
	v.Decision = contract.Decision{ID: contract.DecisionID(whole.ID), Rule: "operational." + whole.Rule, Bundle: whole.Bundle}
	return v, nil
}

// decide returns the decision on each use and on the whole; the first error to come ends all.
func (p Policy) decide(ctx context.Context, all []rules.UseInput, in rules.DirectiveInput) (of []policy.Decision, whole policy.Decision, err error) {
	of = make([]policy.Decision, len(all))
	group, ctx := errgroup.WithContext(ctx)
	for i, use := range all {
		group.Go(func() (err error) {
			if of[i], err = p.Engine.Decide(ctx, rules.Use, use); err != nil {
				return fmt.Errorf("%s for %s: %w", use.DataType, use.Purpose, err)
			}
			return nil
		})
	}
	group.Go(func() (err error) { whole, err = p.Engine.Decide(ctx, rules.Directive, in); return err })
	err = group.Wait()
	return of, whole, err
}

// Bundle implements directive.Policy.
func (p Policy) Bundle() string { return p.Engine.Bundle() }

// uses returns each pair of a purpose and a type of data that a directive asks for, once.
func uses(d *contract.OperationalDirective) []rules.UseInput {
	if len(d.Collect) == 0 {
		return computed(d)
	}
	var all []rules.UseInput
	for _, c := range d.Collect {
		use := rules.UseInput{Purpose: string(c.Parameter.Purpose), DataType: string(c.Parameter.DataType)}
		if !slices.Contains(all, use) {
			all = append(all, use)
		}
	}
	return all
}

func add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// Egress implements egress.Policy.
func (p Policy) Egress(ctx context.Context, m *contract.Measurement, inForce bool, smallest, least int64) (bool, error) {
	d, err := p.Engine.Decide(ctx, rules.Egress, rules.EgressInput{
		Metric: string(m.Metric), InForce: inForce, HasWindow: m.Window.End.After(m.Window.Start), SmallestGroup: smallest, MinimumGroup: least,
	})
	if err != nil {
		return false, fmt.Errorf("decide on measurement %s: %w", m.ID, err)
	}
	return told(d)
}

// Insight implements egress.Policy.
func (p Policy) Insight(ctx context.Context, i *contract.Insight, inForce bool, smallest, least int64) (bool, error) {
	d, err := p.Engine.Decide(ctx, rules.Insight, rules.InsightInput{
		Metric: string(i.Metric), InForce: inForce, Tells: egress.Tells(i), SmallestGroup: smallest, MinimumGroup: least,
	})
	if err != nil {
		return false, fmt.Errorf("decide on insight %s: %w", i.ID, err)
	}
	return told(d)
}

// told returns whether the decision lets go up. One that failed is an error and no denial: what is right must not be
// withdrawn as too small a group because a rule is broken.
func told(d policy.Decision) (bool, error) {
	if d.Failed {
		return false, d.Err()
	}
	return d.Allowed, nil
}

// Reading is the action of whoever changes nothing and is told of nobody.
const Reading = "read"

// Gate decides on calls of the API; a denial is a Denied fault.
func (p Policy) Gate(ctx context.Context, who signin.Identity, action string) error {
	roles := []string{}
	for _, r := range who.Roles {
		roles = append(roles, string(r))
	}
	rule, in := rules.Action, any(rules.ActionInput{Subject: who.Subject, Roles: roles, Action: action})
	if action == Reading {
		rule, in = rules.Read, rules.ReadInput{Subject: who.Subject, Roles: roles}
	} else if p.Fresh != nil {
		if err := p.Fresh(ctx); err != nil {
			return err
		}
	}
	d, err := p.Engine.Decide(ctx, rule, in)
	if err != nil {
		return fmt.Errorf("decide on %s: %w", action, err)
	}
	return d.Err()
}

// Governance reads the governance directive of the highest version, whatever its standing; NotFound if there is none.
type Governance interface {
	Governance(ctx context.Context) (contract.GovernanceDirective, error)
}

// Watch keeps the engine's data in line with the database, which other replicas change too; it is a component.
type Watch struct {
	store   Governance
	engine  *policy.Engine
	changed func()
	loaded  atomic.Int64 // revision
	once    sync.Once
	ready   chan struct{}
}

// NewWatch returns the component. changed is called after other rules came into force, and must not block.
func NewWatch(s Governance, e *policy.Engine, changed func()) *Watch {
	return &Watch{store: s, engine: e, changed: changed, ready: make(chan struct{})}
}

// Started is closed when the rules have been loaded once: whoever asks before would be denied what is allowed.
func (w *Watch) Started() <-chan struct{} { return w.ready }

const watchEvery = 2 * time.Second

// Name implements service.Component.
func (w *Watch) Name() string { return "governance" }

// Run loads what is in force, now and every two seconds, until ctx ends. It fails only after it has loaded once: as long
// as the rules cannot be read, nobody may be told what they are.
func (w *Watch) Run(ctx context.Context) error {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	for {
		if err := w.Load(ctx); err != nil && ctx.Err() == nil && w.up() {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (w *Watch) up() bool {
	select {
	case <-w.ready:
		return true
	default:
		return false
	}
}

// Load loads what is in force now. Without a governance directive, or after the latest has ended without another one in
// its place, nothing is allowed; one that was superseded stays until the other one is here.
func (w *Watch) Load(ctx context.Context) error {
	g, err := w.store.Governance(ctx)
	if fault.Is(err, fault.NotFound) {
		w.once.Do(func() { close(w.ready) })
		return nil
	}
	if err != nil {
		return fmt.Errorf("load governance: %w", err)
	}
	var data any = g
	if g.Standing == contract.WithdrawnEnd || g.Standing == contract.ExpiredEnd {
		data = struct{}{}
	}
	if err := w.engine.SetData(ctx, g.Revision, data); err != nil && !fault.Is(err, fault.Conflict) {
		return fmt.Errorf("govern: %w", err)
	}
	if w.loaded.Swap(g.Revision) != g.Revision {
		w.changed()
	}
	w.once.Do(func() { close(w.ready) })
	return nil
}

// Directives is a directive.Service whose decisions are made by the rules as they are stored: another replica may have
// received them.
type Directives struct {
	*directive.Service
	Watch *Watch
}

// Receive applies an operational directive by the rules in force now.
func (d Directives) Receive(ctx context.Context, o contract.OperationalDirective) error {
	if err := d.Watch.Load(ctx); err != nil {
		return err
	}
	return d.Service.Receive(ctx, o)
}

// Govern applies a governance directive, and loads it.
func (d Directives) Govern(ctx context.Context, g contract.GovernanceDirective) error {
	if err := d.Service.Govern(ctx, g); err != nil {
		return err
	}
	return d.Watch.Load(ctx)
}

// Purposes decides whether types of data may be looked at for a purpose; a denial is a Denied fault with the reasons.
func (p Policy) Purposes(ctx context.Context, purpose contract.Purpose, types ...contract.DataType) error {
	for _, t := range types {
		d, err := p.Engine.Decide(ctx, rules.Use, rules.UseInput{Purpose: string(purpose), DataType: string(t)})
		if err != nil {
			return fmt.Errorf("decide on %s for %s: %w", t, purpose, err)
		}
		if err := d.Err(); err != nil {
			return err
		}
	}
	return nil
}
