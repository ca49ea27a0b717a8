package govern

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	rules "github.com/strata-crm/strata/functional/policy"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/signin"
)

// shelf is a store of one governance directive, and of no definitions.
type shelf struct{ g *contract.GovernanceDirective }

func (s *shelf) LatestGovernance(context.Context) (contract.GovernanceDirective, error) {
	if s.g == nil {
		return contract.GovernanceDirective{}, fault.New(fault.NotFound, "", "none")
	}
	return *s.g, nil
}

func (s *shelf) Load(context.Context) error { return nil }

func governed(t *testing.T) (Plans, *shelf) {
	t.Helper()
	e, err := policy.New(t.Context(), policy.Options{Layer: "functional", Files: rules.Files, Inputs: rules.Inputs(), Canaries: rules.Canaries(),
		Record: func(context.Context, policy.Record) error { return nil }, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{}
	return Plans{Engine: e, Watch: NewWatch(s, e, s)}, s
}

func version(revision int64, s contract.Standing) *contract.GovernanceDirective {
	return &contract.GovernanceDirective{Order: contract.Order{ID: "gd-1", Revision: revision, Standing: s}, Version: 1, MinimumGroup: 10,
		Retention: map[contract.DataType]int{contract.Transactional: 365},
		Purposes:  []contract.PurposeRule{{Purpose: "retention_analysis", Categories: []contract.DataType{contract.Transactional}}}}
}

// aPlan is one that the rules of version allow.
func aPlan() *plan.Plan {
	p := &plan.Plan{Constraints: contract.Constraints{MinimumGroup: 10, RetentionDays: 30}}
	p.Parts = []plan.Part{{Collect: []contract.Collection{{Parameter: contract.Parameter{Name: "x", DataType: contract.Transactional, Purpose: "retention_analysis"}}}}}
	return p
}

var manager = directive.Approver{Subject: "mia", Roles: []string{string(signin.Manager)}}

// What was allowed is so only as long as the governance directive that allowed it has not ended.
func TestRulesEndWithTheirDirective(t *testing.T) {
	t.Parallel()
	plans, store := governed(t)
	for _, step := range []struct {
		what    string
		g       *contract.GovernanceDirective
		allowed bool
	}{
		{"none", nil, false},
		{"in force", version(1, contract.InForce), true},
		{"superseded, and the next one not here yet", version(2, contract.SupersededEnd), true},
		{"withdrawn", version(3, contract.WithdrawnEnd), false},
		{"in force again", version(4, contract.InForce), true},
		{"expired", version(5, contract.ExpiredEnd), false},
	} {
		store.g = step.g
		if _, ok, err := plans.Plan(t.Context(), nil, aPlan(), manager); err != nil || ok != step.allowed {
			t.Errorf("%s: allowed %v, %v; want %v", step.what, ok, err, step.allowed)
		}
	}
}

// A rule that does not answer in time says nothing about a plan or a call: neither is refused for a reason that is not true.
func TestAPolicyThatCannotDecide(t *testing.T) {
	t.Parallel()
	plans, store := governed(t)
	store.g = version(1, contract.InForce)
	over, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	if _, ok, err := plans.Plan(over, nil, aPlan(), manager); ok || !fault.Is(err, fault.Transient) {
		t.Errorf("a plan: %v, %v; want nothing decided", ok, err)
	}
	if _, ok, err := plans.Trial(over, aPlan(), manager); ok || !fault.Is(err, fault.Transient) {
		t.Errorf("a trial: %v, %v; want nothing decided", ok, err)
	}
	who := signin.Identity{Subject: "mia", Roles: []signin.Role{signin.Manager}}
	for _, action := range []string{Reading, "approve_plan"} {
		if err := Gate(plans.Engine, plans.Watch)(over, who, action); !fault.Is(err, fault.Transient) {
			t.Errorf("%s: %v; want to be asked again", action, err)
		}
	}
}
