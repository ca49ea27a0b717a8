package gate

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	engine "github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/governance"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/policy"
)

// shelf is a store of the company's rules.
type shelf struct {
	rules *governance.Rules
	err   error
}

func (s *shelf) Governance(context.Context) (governance.Record, error) {
	if s.rules == nil || s.err != nil {
		return governance.Record{}, s.err
	}
	g := contract.GovernanceDirective{Order: contract.Order{ID: governance.ID, Revision: 1, Standing: contract.InForce}, Version: 1,
		MinimumGroup: s.rules.MinimumGroup, Retention: s.rules.Retention, Purposes: s.rules.Purposes, Roles: s.rules.Roles}
	return governance.Record{Versions: []governance.Version{{Number: 1, State: governance.InForce, Rules: *s.rules, Order: &g}}}, nil
}

func newEngine(t *testing.T) *engine.Engine {
	t.Helper()
	e, err := engine.New(t.Context(), engine.Options{Layer: "strategic", Files: policy.Files, Inputs: policy.Inputs(), Canaries: policy.Canaries(),
		Record: func(context.Context, engine.Record) error { return nil }, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// broken is an engine in which every rule fails as it decides, or is not there.
type broken struct{ *engine.Engine }

func (b broken) Decide(ctx context.Context, rule string, input any) (engine.Decision, error) {
	return b.Engine.Decide(ctx, rule+"_of_old", input)
}

// mute is an engine that cannot record what it decides.
type mute struct{ *engine.Engine }

func (mute) Decide(context.Context, string, any) (engine.Decision, error) {
	return engine.Decision{}, errors.New("the decision could not be recorded")
}

var (
	eva  = signin.Identity{Subject: "eva", Roles: []signin.Role{signin.Executive}}
	rule = governance.Default()
)

// question is one that policy says yes to, by the rules as they are proposed.
func question() directive.Question {
	by := []string{string(signin.Executive)}
	return directive.Question{
		Who:  directive.Person{Subject: "eva", Roles: by},
		Goal: goal.Goal{State: goal.Active},
		Directive: directive.Directive{Impact: contract.NormalImpact, ProposedBy: "eva", Approvals: []directive.Approval{{Subject: "eva", Roles: by}},
			Constraints: contract.Constraints{Purposes: []contract.Purpose{rule.Purposes[0].Purpose}, MinimumGroup: rule.MinimumGroup, RetentionDays: 1}},
	}
}

func insight() knowledge.Question {
	h := contract.Holds
	i := contract.Insight{State: contract.InsightPublished, N: 1000, Unit: contract.Ratio, Verdicts: contract.Verdicts{Volume: h, Velocity: h, Variety: h, Variability: h, Veracity: h}}
	return knowledge.Question{Insight: i, Tolerance: .05, Limit: .1, Left: time.Hour}
}

// gates are all that others ask of a gate, each with a question that it says yes to.
var gates = map[string]func(context.Context, *Gate) (allowed bool, err error){
	"read": func(ctx context.Context, g *Gate) (bool, error) { return said(g.Read(ctx, eva)) },
	"act":  func(ctx context.Context, g *Gate) (bool, error) { return said(g.Act(ctx, eva, "set_goal")) },
	"impact": func(ctx context.Context, g *Gate) (bool, error) {
		w, err := g.Impact(ctx, question())
		return w.Impact == contract.NormalImpact, err
	},
	"approve": func(ctx context.Context, g *Gate) (bool, error) {
		_, err := g.Approve(ctx, question())
		return said(err)
	},
	"issue": func(ctx context.Context, g *Gate) (bool, error) {
		_, err := g.Issue(ctx, question())
		return said(err)
	},
	"govern": func(ctx context.Context, g *Gate) (bool, error) {
		_, err := g.Govern(ctx, governance.Version{Rules: rule}, []governance.Approval{{Subject: "eva", Roles: []string{"executive"}}, {Subject: "max", Roles: []string{"executive"}}})
		return said(err)
	},
	"know": func(ctx context.Context, g *Gate) (bool, error) {
		v, err := g.Know(ctx, insight())
		return v.Allowed, err
	},
	"rest": func(ctx context.Context, g *Gate) (bool, error) {
		_, ok, err := g.Rest(ctx, []contract.Question{contract.VelocityOf})
		return ok, err
	},
}

// said takes a denial for the answer that it is.
func said(err error) (bool, error) {
	if fault.Is(err, fault.Denied) {
		return false, nil
	}
	return err == nil, err
}

// What a gate lets through it lets through no more when policy cannot decide: the rules or the governance directive missing,
// slow, or what was decided not on record. Each says so when asking again may help, and is never refused for a reason that is
// not true.
func TestGatesFailClosed(t *testing.T) {
	t.Parallel()
	over, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	t.Cleanup(cancel)
	away := fault.New(fault.Transient, fault.Unavailable, "the database is away")
	governed, ungoverned := newEngine(t), newEngine(t)
	slow := newEngine(t)                                                                               // asked nothing else: an answer that it remembers it would have in time
	free := map[string]bool{"read": true, "approve": true, "govern": true, "know": true, "rest": true} // need no governance directive
	for name, ask := range gates {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, c := range []struct {
				what    string
				ctx     context.Context
				engine  Engine
				store   *shelf
				allowed bool
				err     func(error) bool
			}{
				{"as it should be", t.Context(), governed, &shelf{rules: &rule}, true, none},
				{"ungoverned", t.Context(), ungoverned, &shelf{}, free[name], none},
				{"rules that cannot be read", t.Context(), ungoverned, &shelf{err: away}, false, again},
				{"slow", over, slow, &shelf{rules: &rule}, false, again},
				{"missing", t.Context(), broken{governed}, &shelf{rules: &rule}, false, none},
				{"unrecorded", t.Context(), mute{governed}, &shelf{rules: &rule}, false, func(err error) bool { return err != nil }},
			} {
				g, err := New(c.engine, c.store)
				if err != nil {
					t.Fatal(err)
				}
				if ok, err := ask(c.ctx, g); ok != c.allowed || !c.err(err) {
					t.Errorf("%s: allowed %v, %v", c.what, ok, err)
				}
			}
		})
	}
}

func none(err error) bool  { return err == nil }
func again(err error) bool { return fault.Is(err, fault.Transient) }

// TestKnowledgeOfHowMany: how many customers make knowledge is by what the definition says of a value's bounds, not by its unit: revenue against
// a year ago is a ratio, and one customer may move it by any amount.
func TestKnowledgeOfHowMany(t *testing.T) {
	t.Parallel()
	g, err := New(newEngine(t), &shelf{rules: &rule})
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	for name, c := range map[string]struct {
		n       int64
		unit    contract.Unit
		bounded *bool
		known   bool
	}{
		"a share of 399":                   {399, contract.Ratio, &yes, true},
		"a ratio of money of 399":          {399, contract.Ratio, &no, false},
		"a ratio of money of 400":          {400, contract.Ratio, &no, true},
		"a median of money, as a rank":     {100, contract.Money, &yes, true},
		"of an earlier release, a ratio":   {100, contract.Ratio, nil, true},
		"of an earlier release, an amount": {399, contract.Money, nil, false},
	} {
		q := insight()
		q.Insight.N, q.Insight.Unit, q.Insight.Bounded = c.n, c.unit, c.bounded
		if v, err := g.Know(t.Context(), q); err != nil || v.Allowed != c.known {
			t.Errorf("%s: known %v (%v), %v", name, v.Allowed, v.Reasons, err)
		}
	}
}
