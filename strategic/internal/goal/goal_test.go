package goal

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/lifecycle/lifecycletest"
	"github.com/strata-crm/strata/strategic/internal/variable"
)

func TestLifeCycle(t *testing.T) {
	t.Parallel()
	lifecycletest.Test(t, LifeCycle, Draft, []Event{Edit, Activate, Close}, Closed)
}

type none struct{}

func (none) AddVariable(context.Context, variable.Variable) error      { return nil }
func (none) OwnVariables(context.Context) ([]variable.Variable, error) { return nil, nil }

func number(v float64) *float64 { return &v }

func good() Proposal {
	return Proposal{
		Name: "Keep customers buying", Variable: contract.Retention, Metric: "month_on_month_retention", Kind: contract.Level, Direction: contract.Up,
		Baseline: contract.Baseline{MeasureUntil: "1997-09-30"}, Target: contract.Target{Relative: number(.15)}, Unit: contract.Ratio,
		Deadline: "1998-06-30", Owner: "head of retention", Relevance: "Keeping a customer costs less than finding one.",
	}
}

// missing returns the places that the check names.
func missing(t *testing.T, p Proposal) []string {
	t.Helper()
	err := p.Check(t.Context(), variable.NewCatalogue(none{}), "2026-11-24", time.UTC, time.Monday)
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		t.Fatalf("not a list: %v", err)
	}
	var at []string
	for _, e := range joined.Unwrap() {
		var f *fault.Error
		if !errors.As(e, &f) || f.Kind != fault.Invalid || f.Code != fault.NotSMART || f.Text == "" {
			t.Errorf("not a reason that a person can act on: %v", e)
		}
		at = append(at, f.At)
	}
	slices.Sort(at)
	return at
}

func TestSMART(t *testing.T) {
	t.Parallel()
	if at := missing(t, good()); at != nil {
		t.Fatalf("a SMART goal is refused: %v", at)
	}
	for _, c := range []struct {
		name  string
		spoil func(*Proposal)
		want  []string
	}{
		{"no name", func(p *Proposal) { p.Name = "  " }, []string{"/name"}},
		{"unknown variable", func(p *Proposal) { p.Variable = "fame" }, []string{"/variable"}},
		{"no metric", func(p *Proposal) { p.Metric = "" }, []string{"/metric"}},
		{"no direction", func(p *Proposal) { p.Direction = "" }, []string{"/direction"}},
		{"no kind", func(p *Proposal) { p.Kind = "" }, []string{"/kind"}},
		{"no unit", func(p *Proposal) { p.Unit = "furlongs" }, []string{"/unit"}},
		{"a scope of two forms", func(p *Proposal) {
			p.Scope = &contract.Condition{Field: "a", Op: contract.Eq, Value: 1, Any: []contract.Condition{{}}}
		}, []string{"/scope"}},
		{"a scope with a query", func(p *Proposal) { p.Scope = &contract.Condition{Field: "$where", Op: contract.Eq, Value: "1"} }, []string{"/scope"}},
		{"no baseline", func(p *Proposal) { p.Baseline = contract.Baseline{} }, []string{"/baseline"}},
		{"two baselines", func(p *Proposal) { p.Baseline.Value = number(.2) }, []string{"/baseline"}},
		{"no target", func(p *Proposal) { p.Target = contract.Target{} }, []string{"/target"}},
		{"two targets", func(p *Proposal) { p.Target.Delta = number(.1) }, []string{"/target"}},
		{"worse", func(p *Proposal) { p.Target.Relative = number(-.1) }, []string{"/target/relative"}},
		{"better downwards", func(p *Proposal) { p.Direction = contract.Down }, []string{"/target/relative"}},
		{"baseline is target (check 6)", func(p *Proposal) {
			p.Baseline, p.Target, p.Start = contract.Baseline{Value: number(.3)}, contract.Target{Value: number(.3)}, "1997-10-01"
		}, []string{"/target"}},
		{"worse than the baseline", func(p *Proposal) {
			p.Baseline, p.Target, p.Start = contract.Baseline{Value: number(.3)}, contract.Target{Value: number(.2)}, "1997-10-01"
		}, []string{"/target"}},
		{"relative to zero", func(p *Proposal) { p.Baseline, p.Start = contract.Baseline{Value: number(0)}, "1997-10-01" }, []string{"/target/relative"}},
		{"a share that is to fall", func(p *Proposal) { p.Direction, p.Target = contract.Down, contract.Target{Delta: number(-.05)} }, nil},
		{"worse than a baseline below zero", func(p *Proposal) {
			p.Unit, p.Baseline, p.Target, p.Start = contract.Points, contract.Baseline{Value: number(-35.9)}, contract.Target{Relative: number(-.1)}, "1997-10-01"
		}, []string{"/target"}},
		{"better than a baseline below zero", func(p *Proposal) {
			p.Unit, p.Baseline, p.Target, p.Start = contract.Points, contract.Baseline{Value: number(-35.9)}, contract.Target{Relative: number(.1)}, "1997-10-01"
		}, nil},
		{"more than a year ago", func(p *Proposal) {
			p.Metric, p.Baseline, p.Target, p.Start = "revenue_on_year", contract.Baseline{Value: number(1.12)}, contract.Target{Value: number(1.2)}, "1997-10-01"
		}, nil},
		{"a fall that becomes less steep", func(p *Proposal) {
			p.Metric, p.Baseline, p.Target, p.Start = "revenue_growth_month", contract.Baseline{Value: number(-.05)}, contract.Target{Value: number(-.01)}, "1997-10-01"
		}, nil},
		{"no owner", func(p *Proposal) { p.Owner = "" }, []string{"/owner"}},
		{"no relevance", func(p *Proposal) { p.Relevance = "" }, []string{"/relevance"}},
		{"no deadline", func(p *Proposal) { p.Deadline = "" }, []string{"/deadline"}},
		{"no such day", func(p *Proposal) { p.Deadline = "1998-02-30" }, []string{"/deadline"}},
		{"a deadline inside a window", func(p *Proposal) { p.Deadline = "1998-06-15" }, []string{"/deadline"}},
		{"a deadline before the start", func(p *Proposal) { p.Start = "1998-07-01" }, []string{"/deadline"}},
		{"a baseline measured too late", func(p *Proposal) { p.Baseline.MeasureUntil, p.Start = "1998-06-30", "1997-10-01" }, []string{"/baseline/measureUntil"}},
		{"no such grain", func(p *Proposal) { p.Grain = "fortnight" }, []string{"/grain"}},
		{"nothing at all", func(p *Proposal) { *p = Proposal{} }, []string{
			"/baseline", "/deadline", "/direction", "/kind", "/metric", "/name", "/owner", "/relevance", "/target", "/unit", "/variable",
		}},
	} {
		p := good()
		c.spoil(&p)
		if d := cmp.Diff(c.want, missing(t, p)); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestDefaultsAndBackTest(t *testing.T) {
	t.Parallel()
	turn := lifecycle.Turn{Now: time.UnixMilli(1700000000000), By: "eva"}
	g := New("g", good(), turn, "2026-11-24")
	if g.Start != "1997-10-01" || g.Grain != contract.GrainMonth || !g.BackTest || g.State != Draft || len(g.History) != 1 {
		t.Errorf("%+v", g)
	}
	if err := g.Goal.Check(); err != nil {
		t.Errorf("it cannot travel: %v", err)
	}
	p := good()
	p.Deadline, p.Baseline, p.Target = "2027-06-30", contract.Baseline{Value: number(.2)}, contract.Target{Value: number(.3)}
	if g := New("g", p, turn, "2026-11-24"); g.BackTest || g.Start != "2026-11-24" {
		t.Errorf("%+v", g)
	}
}

// A draft that waited until its deadline had passed is a back-test once it is activated, and says so.
func TestBackTestIsSettledAtActivation(t *testing.T) {
	t.Parallel()
	turn := lifecycle.Turn{Now: time.UnixMilli(5), By: "eva"}
	p := good()
	p.Deadline, p.Baseline, p.Target = "2026-12-31", contract.Baseline{Value: number(.2)}, contract.Target{Value: number(.3)}
	for today, want := range map[contract.Day]bool{"2026-11-24": false, "2026-12-31": false, "2027-01-01": true} {
		g := New("g", p, turn, "2026-11-24")
		if err := g.Activated(turn, today); err != nil || g.BackTest != want || g.State != Active {
			t.Errorf("activated on %s: back-test %v, %s, %v", today, g.BackTest, g.State, err)
		}
	}
}

func TestOnlyDraftsAreEdited(t *testing.T) {
	t.Parallel()
	turn := lifecycle.Turn{Now: time.UnixMilli(5), By: "eva"}
	g := New("g", good(), turn, "2026-11-24")
	p := good()
	p.Name = "Another name"
	first := g.Revision
	if err := g.Replace(p, turn, "2026-11-24"); err != nil || g.Name != "Another name" || g.Revision != first+1 || g.ID != "g" {
		t.Fatalf("%v %+v", err, g)
	}
	if err := g.Move(Activate, turn); err != nil {
		t.Fatal(err)
	}
	if err := g.Replace(good(), turn, "2026-11-24"); fault.CodeOf(err) != fault.IllegalTransition {
		t.Errorf("the target of an active goal was moved: %v", err)
	}
	if g.Name != "Another name" {
		t.Error("a refused edit changed the goal")
	}
}

// The deadline of a weekly goal ends one of the company's own weeks, which other companies begin on other days.
func TestDeadlinesOfWeeks(t *testing.T) {
	t.Parallel()
	for first, deadline := range map[time.Weekday]contract.Day{time.Monday: "1998-06-28", time.Sunday: "1998-06-27", time.Saturday: "1998-06-26"} {
		for _, other := range []time.Weekday{time.Monday, time.Sunday, time.Saturday} {
			p := good()
			p.Grain, p.Deadline = contract.GrainWeek, deadline
			err := p.Check(t.Context(), variable.NewCatalogue(none{}), "2026-11-24", time.UTC, other)
			if (err == nil) != (other == first) {
				t.Errorf("a deadline on %s where weeks begin on %s: %v", deadline, other, err)
			}
		}
	}
}
