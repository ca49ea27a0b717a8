package govern

import (
	"context"
	"log/slog"
	"testing"
	"time"

	rules "github.com/strata-crm/strata/operational/policy"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/signin"
)

func engine(t *testing.T) *policy.Engine {
	t.Helper()
	e, err := policy.New(t.Context(), policy.Options{Layer: "operational", Files: rules.Files, Inputs: rules.Inputs(), Canaries: rules.Canaries(),
		Record: func(context.Context, policy.Record) error { return nil }, Now: time.Now, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func governance(revision int64, purposes ...contract.Purpose) contract.GovernanceDirective {
	g := contract.GovernanceDirective{Order: contract.Order{ID: "gd-1", Revision: revision, Standing: contract.InForce}, Version: 1, MinimumGroup: 10,
		Retention: map[contract.DataType]int{contract.Transactional: 365, contract.Identification: 30}}
	for _, p := range purposes {
		g.Purposes = append(g.Purposes, contract.PurposeRule{Purpose: p, Categories: []contract.DataType{contract.Transactional}})
	}
	return g
}

func directiveFor(d contract.DataType, purposes ...contract.Purpose) *contract.OperationalDirective {
	o := &contract.OperationalDirective{Order: contract.Order{ID: "od-1", Standing: contract.InForce, Decision: contract.Decision{ID: "d-1"}},
		Constraints: contract.Constraints{MinimumGroup: 10, RetentionDays: 30}}
	for _, p := range purposes {
		o.Collect = append(o.Collect, contract.Collection{Parameter: contract.Parameter{Name: "x", DataType: d, Purpose: p}}, contract.Collection{Parameter: contract.Parameter{Name: "y", DataType: d, Purpose: p}})
	}
	return o
}

// shelf is a store of one governance directive.
type shelf struct{ g *contract.GovernanceDirective }

func (s *shelf) Governance(context.Context) (contract.GovernanceDirective, error) {
	if s.g == nil {
		return contract.GovernanceDirective{}, fault.New(fault.NotFound, "", "none")
	}
	return *s.g, nil
}

// A rule that does not answer in time, or breaks, says nothing about a directive or a measurement: neither is refused for a
// reason that is not true.
func TestAPolicyThatCannotDecide(t *testing.T) {
	t.Parallel()
	e := engine(t)
	if err := e.SetData(t.Context(), 1, governance(1, "retention_analysis")); err != nil {
		t.Fatal(err)
	}
	p, over := Policy{Engine: e}, timeIsOver(t)
	if v, err := p.Directive(over, directiveFor(contract.Transactional, "retention_analysis")); !fault.Is(err, fault.Transient) || v.Allowed || len(v.Purposes) > 0 {
		t.Errorf("a directive: %+v, %v; want nothing decided", v, err)
	}
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	m := &contract.Measurement{ID: "m", Metric: "x", Window: contract.Window{Start: day, End: day.AddDate(0, 1, 0)}}
	if ok, err := p.Egress(over, m, true, 40, 10); ok || !fault.Is(err, fault.Transient) {
		t.Errorf("a measurement: %v, %v; want nothing decided", ok, err)
	}
	if ok, err := p.Insight(over, &contract.Insight{ID: "i", Metric: "x"}, true, 40, 10); ok || !fault.Is(err, fault.Transient) {
		t.Errorf("an insight: %v, %v; want nothing decided", ok, err)
	}
	if err := p.Gate(over, signin.Identity{Subject: "s", Roles: []signin.Role{signin.Steward}}, "handle_quarantine"); !fault.Is(err, fault.Transient) {
		t.Errorf("a call: %v; want to be asked again", err)
	}
	if ok, err := told(policy.Decision{Failed: true, ID: "d", Rule: "egress"}); ok || err == nil {
		t.Errorf("a broken rule lets up: %v, %v; want an error", ok, err)
	}
}

// timeIsOver returns a context whose deadline has passed, which a decision cannot meet.
func timeIsOver(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	t.Cleanup(cancel)
	return ctx
}

func TestDirective(t *testing.T) {
	t.Parallel()
	p := Policy{Engine: engine(t)}
	ask := func(what string, d *contract.OperationalDirective, allowed bool, objected ...contract.Purpose) {
		t.Helper()
		v, err := p.Directive(t.Context(), d)
		if err != nil || v.Allowed != allowed || len(v.Purposes) != len(objected) {
			t.Errorf("%s: %+v, %v; want allowed %v, objecting to %v", what, v, err, allowed, objected)
		}
		if !d.Standing.Ended() && (v.Decision.ID == "" || v.Decision.Bundle != p.Bundle()) {
			t.Errorf("%s: the decision is %+v", what, v.Decision)
		}
	}
	good := directiveFor(contract.Transactional, "retention_analysis")
	if v, err := p.Directive(t.Context(), good); err != nil || v.Allowed || !v.Ungoverned {
		t.Errorf("without governance: %+v, %v; want nothing allowed and nothing decided", v, err)
	}
	if err := p.Engine.SetData(t.Context(), 1, governance(1, "retention_analysis")); err != nil {
		t.Fatal(err)
	}
	ask("governed", good, true)
	ask("one purpose too many", directiveFor(contract.Transactional, "retention_analysis", "advertising"), false, "advertising")
	ask("another type of data", directiveFor(contract.Identification, "retention_analysis"), false, "retention_analysis")
	small := directiveFor(contract.Transactional, "retention_analysis")
	small.Constraints.MinimumGroup = 9
	ask("small groups", small, false)
	long := directiveFor(contract.Transactional, "retention_analysis")
	long.Constraints.RetentionDays = 366
	ask("kept too long", long, false)
	trial := func(e contract.Entity, p contract.Purpose) *contract.OperationalDirective {
		d := directiveFor(contract.Transactional)
		d.Constraints.Purposes = []contract.Purpose{p}
		d.Compute = []contract.Computation{{Metric: contract.Definition{Measures: []contract.Measure{{Entity: e}}}}}
		return d
	}
	ask("computes and collects nothing", trial(contract.CustomerDay, "retention_analysis"), true)
	ask("computes for another purpose", trial(contract.CustomerDay, "advertising"), false, "advertising")
	ask("computes of answers", trial(contract.Answer, "retention_analysis"), false, "retention_analysis")
	ask("computes of profiles", trial(contract.Profile, "retention_analysis"), false, "retention_analysis")
	ask("neither collects nor computes", directiveFor(contract.Transactional), false)
	end := directiveFor(contract.Transactional, "advertising")
	end.Standing = contract.WithdrawnEnd
	ask("the end of anything", end, true)
}

func TestWatch(t *testing.T) {
	t.Parallel()
	p, store, changed := Policy{Engine: engine(t)}, &shelf{}, 0
	w := NewWatch(store, p.Engine, func() { changed++ })
	load := func(what string, g *contract.GovernanceDirective, allowed bool, changes int) {
		t.Helper()
		store.g = g
		if err := w.Load(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		v, err := p.Directive(t.Context(), directiveFor(contract.Transactional, "retention_analysis"))
		if err != nil || v.Allowed != allowed || changed != changes {
			t.Errorf("%s: allowed %v after %d changes, %v; want %v after %d", what, v.Allowed, changed, err, allowed, changes)
		}
	}
	select {
	case <-w.Started():
		t.Error("it is up before it has loaded anything")
	default:
	}
	load("none", nil, false, 0)
	<-w.Started()
	first, second := governance(1, "retention_analysis"), governance(3, "advertising")
	load("in force", &first, true, 1)
	load("the same again", &first, true, 1)
	superseded := first
	superseded.Standing, superseded.Revision = contract.SupersededEnd, 2
	load("superseded, and the next one not here yet", &superseded, true, 2)
	load("the next one", &second, false, 3)
	third := governance(4, "retention_analysis")
	load("allowed again", &third, true, 4)
	over := third
	over.Standing, over.Revision = contract.WithdrawnEnd, 5
	load("withdrawn", &over, false, 5)
}

func TestEgress(t *testing.T) {
	t.Parallel()
	p := Policy{Engine: engine(t)}
	now := time.Now()
	m := &contract.Measurement{ID: "m", Metric: "repeat_rate", Window: contract.Window{Start: now, End: now.Add(time.Hour)}}
	ask := func(what string, smallest, least int64, want bool) {
		t.Helper()
		if got, err := p.Egress(t.Context(), m, true, smallest, least); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", what, got, err, want)
		}
	}
	ask("ungoverned", 100, 10, false)
	ask("ungoverned, of nobody", 0, 10, false)
	if err := p.Engine.SetData(t.Context(), 1, governance(1, "retention_analysis")); err != nil {
		t.Fatal(err)
	}
	ask("large enough", 10, 10, true)
	ask("too small", 9, 5, false)
	ask("smaller than the directive wants", 10, 11, false)
	ask("of nobody", 0, 10, true)
}

func TestGate(t *testing.T) {
	t.Parallel()
	e := engine(t)
	gate := Policy{Engine: e}.Gate
	sam := signin.Identity{Subject: "sam", Roles: []signin.Role{signin.Steward}}
	if err := gate(t.Context(), sam, "register_source"); fault.CodeOf(err) != fault.PolicyDenied {
		t.Errorf("a steward registers without rules: %v, want policy_denied", err)
	}
	if err := gate(t.Context(), sam, "erase_person"); err != nil {
		t.Errorf("a steward erases without rules: %v", err)
	}
	g := governance(1, "retention_analysis")
	g.Roles = map[string][]string{"steward": {"register_source"}}
	if err := e.SetData(t.Context(), 1, g); err != nil {
		t.Fatal(err)
	}
	if err := gate(t.Context(), signin.Identity{Subject: "sam", Roles: []signin.Role{signin.Steward}}, "register_source"); err != nil {
		t.Errorf("a steward registers: %v", err)
	}
	err := gate(t.Context(), signin.Identity{Subject: "c", Roles: []signin.Role{signin.Collector}}, "register_source")
	if fault.KindOf(err) != fault.Denied || fault.CodeOf(err) != fault.PolicyDenied {
		t.Errorf("a collector registers: %v, want policy_denied", err)
	}
	for _, role := range []signin.Role{signin.Executive, signin.Manager, signin.Steward, signin.Machine} {
		if err := gate(t.Context(), signin.Identity{Subject: "x", Roles: []signin.Role{role}}, Reading); err != nil {
			t.Errorf("a %s reads: %v", role, err)
		}
	}
	for _, who := range []signin.Identity{{}, {Subject: "c", Roles: []signin.Role{signin.Collector}}} {
		if err := gate(t.Context(), who, Reading); fault.CodeOf(err) != fault.PolicyDenied {
			t.Errorf("%v reads: %v, want policy_denied", who, err)
		}
	}
}

// TestWhatIsTakenFromARoleIsTakenAtOnce: whoever calls is judged by the rules as they are stored then, and by none while those
// cannot be read.
func TestWhatIsTakenFromARoleIsTakenAtOnce(t *testing.T) {
	t.Parallel()
	e := engine(t)
	roles := func(revision int64, may ...string) error {
		g := governance(revision, "retention_analysis")
		g.Roles = map[string][]string{"steward": may}
		return e.SetData(t.Context(), revision, g)
	}
	if err := roles(1, "register_source"); err != nil {
		t.Fatal(err)
	}
	fresh := func(context.Context) error { return nil }
	p := Policy{Engine: e, Fresh: func(ctx context.Context) error { return fresh(ctx) }}
	register := func() error {
		return p.Gate(t.Context(), signin.Identity{Subject: "sam", Roles: []signin.Role{signin.Steward}}, "register_source")
	}
	if err := register(); err != nil {
		t.Fatalf("a steward may register sources: %v", err)
	}
	fresh = func(context.Context) error { return roles(2, "import") }
	if err := register(); fault.CodeOf(err) != fault.PolicyDenied {
		t.Errorf("when it has just been taken from stewards: %v", err)
	}
	fresh = func(context.Context) error {
		return fault.New(fault.Transient, fault.Unavailable, "the database is away")
	}
	if err := register(); !fault.Is(err, fault.Transient) {
		t.Errorf("when the rules cannot be read: %v", err)
	}
}
