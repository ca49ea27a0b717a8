package plan

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/functional/internal/insight"
	"github.com/strata-crm/strata/functional/internal/playbook"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var now = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

func library(t *testing.T) *playbook.Library {
	t.Helper()
	l, err := playbook.Load(nil)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func directive(v contract.Variable, m contract.MetricID, purposes ...contract.Purpose) *contract.StrategicDirective {
	ratio := .15
	return &contract.StrategicDirective{
		Order: contract.Order{ID: "d1", Revision: 1, Standing: contract.InForce, ValidFrom: now, Expires: now.AddDate(0, 2, 0)},
		Goal: contract.Goal{
			ID: "g1", Revision: 1, Variable: v, Metric: m, Kind: contract.Level, Direction: contract.Up, Grain: contract.GrainMonth,
			Baseline: contract.Baseline{MeasureUntil: "1997-09-30"}, Target: contract.Target{Relative: &ratio}, Start: "1997-01-01", Deadline: "1998-06-30",
		},
		Constraints: contract.Constraints{Purposes: purposes, MinimumGroup: 10, MinimumN: 30, RequiredCoverage: .8, RetentionDays: 365},
		TimeZone:    "UTC", Currency: "USD",
	}
}

func TestDraftRefusesATargetThatAShareCannotHave(t *testing.T) {
	t.Parallel()
	number := func(v float64) *float64 { return &v }
	for name, c := range map[string]struct {
		metric   contract.MetricID
		baseline *float64
		target   contract.Target
		refused  bool
	}{
		"a share of 15":                       {"month_on_month_retention", nil, contract.Target{Value: number(15)}, true},
		"nine tenths and half more":           {"month_on_month_retention", number(.9), contract.Target{Relative: number(.5)}, true},
		"a change by more than all":           {"month_on_month_retention", nil, contract.Target{Delta: number(1.5)}, true},
		"a share that is to fall":             {"month_on_month_retention", nil, contract.Target{Delta: number(-.05)}, false},
		"a tenth and half more":               {"month_on_month_retention", number(.1), contract.Target{Relative: number(.5)}, false},
		"revenue above that of a year ago":    {"revenue_on_year", number(1.12), contract.Target{Value: number(1.2)}, false},
		"a fall that is to become less steep": {"revenue_growth_month", number(-.05), contract.Target{Value: number(-.01)}, false},
	} {
		d := directive(contract.Retention, c.metric, "retention_analysis")
		d.Goal.Target = c.target
		if c.baseline != nil {
			d.Goal.Baseline = contract.Baseline{Value: c.baseline}
		}
		_, why := Draft("p1", d, library(t), now)
		if refused := len(why) > 0 && why[0].Code == fault.NotSMART; refused != c.refused || !refused && why != nil {
			t.Errorf("%s: %v", name, why)
		}
	}
}

// A goal whose unit or direction is not the metric's would be judged as one that nobody meant: 0.15 of a month's revenue in
// cents is reached at once, and for good.
func TestDraftRefusesAGoalThatContradictsItsMetric(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		variable  contract.Variable
		metric    contract.MetricID
		unit      contract.Unit
		direction contract.Direction
		want      fault.Code
	}{
		"revenue as a ratio":         {contract.LifetimeValue, "revenue_month", contract.Ratio, contract.Up, fault.OtherUnit},
		"a share in points":          {contract.Retention, "month_on_month_retention", contract.Points, contract.Up, fault.OtherUnit},
		"fewer who come back":        {contract.Retention, "month_on_month_retention", contract.Ratio, contract.Down, fault.OtherDirection},
		"revenue in money":           {contract.LifetimeValue, "revenue_month", contract.Money, contract.Up, ""},
		"an old one without a unit":  {contract.Retention, "month_on_month_retention", "", contract.Up, ""},
		"a count of a metric's kind": {contract.Retention, "orders_month", contract.Count, contract.Up, ""},
	} {
		purposes := map[contract.Variable]contract.Purpose{contract.Retention: "retention_analysis", contract.LifetimeValue: "value_analysis"}
		d := directive(c.variable, c.metric, purposes[c.variable])
		d.Goal.Unit, d.Goal.Direction = c.unit, c.direction
		_, why := Draft("p1", d, library(t), now)
		var want []contract.Reason
		if c.want != "" {
			want = []contract.Reason{{Code: c.want, Item: string(c.metric)}}
		}
		if d := cmp.Diff(want, why); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestDraftRequiresOnlyTheGoalsOwnData(t *testing.T) {
	t.Parallel()
	p, why := Draft("p1", directive(contract.LifetimeValue, "predicted_value_52w", "value_analysis"), library(t), now)
	if why != nil {
		t.Fatalf("refused: %v", why)
	}
	got := map[contract.ParameterName]bool{}
	for _, part := range p.Parts {
		for _, c := range part.Collect {
			got[c.Parameter.Name] = got[c.Parameter.Name] || c.Required
			if c.Parameter.Purpose != "value_analysis" {
				t.Errorf("%s is collected for %s", c.Parameter.Name, c.Parameter.Purpose)
			}
		}
	}
	want := map[contract.ParameterName]bool{"customer_id": true, "order_time": true, "order_amount": true, "order_items": false, "order_cost": false}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("parameters and whether they are required (-want +got):\n%s", d)
	}
}

func TestARetentionPlanAsksForNoAmounts(t *testing.T) {
	t.Parallel()
	p, _ := Draft("p1", directive(contract.Retention, "month_on_month_retention", "retention_analysis"), library(t), now)
	for _, part := range p.Parts {
		for _, c := range part.Collect {
			if c.Parameter.Name == contract.ParamOrderAmount {
				t.Error("retention needs no amounts, so it must not collect them")
			}
		}
	}
	def, _ := library(t).Metric("month_on_month_retention")
	if p.Customers != CustomersNeeded(&def, 1.53, .1) || p.Customers < 8000 || p.Customers > 10_000 {
		t.Errorf("customers needed: %d", p.Customers)
	}
}

func TestDraftRefusesWithReasons(t *testing.T) {
	t.Parallel()
	future := directive(contract.Retention, "month_on_month_retention", "retention_analysis")
	future.Requires = []contract.Feature{"teleport"}
	for name, c := range map[string]struct {
		d    *contract.StrategicDirective
		want contract.Reason
	}{
		"feature":  {future, contract.Reason{Code: fault.UnsupportedFeature, Item: "teleport"}},
		"playbook": {directive(contract.Innovation, "x", "p"), contract.Reason{Code: fault.NoPlaybook, Item: "innovation"}},
		"purpose":  {directive(contract.Retention, "month_on_month_retention", "advertising"), contract.Reason{Code: fault.PurposeNotAllowed, Item: "retention_analysis"}},
		"metric":   {directive(contract.Retention, "happiness", "retention_analysis"), contract.Reason{Code: fault.UnknownMetric, Item: "happiness"}},
	} {
		_, why := Draft("p1", c.d, library(t), now)
		if d := cmp.Diff([]contract.Reason{c.want}, why); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestTransitionsAreTheTable(t *testing.T) {
	t.Parallel()
	states := []State{Drafted, Active, Superseded, Closed}
	events := []Event{Edit, Approve, Supersede, Close}
	actors := []Actor{ByManager, ByPolicy, ByDirective}
	for _, s := range states {
		for _, e := range events {
			for _, a := range actors {
				t.Run(fmt.Sprintf("%s/%s/%s", s, e, a), func(t *testing.T) {
					want, allowed := s, false
					for _, row := range Transitions {
						if row.From == s && row.Event == e && slices.Contains(row.By, a) {
							want, allowed = row.To, true
						}
					}
					p := Plan{State: s, Revision: 7}
					err := p.Move(e, a, Change{At: now, By: string(a)})
					if (err == nil) != allowed || p.State != want {
						t.Fatalf("became %s with %v; want %s, allowed %v", p.State, err, want, allowed)
					}
					if allowed != (len(p.History) == 1) || allowed != (p.Revision > 7) {
						t.Errorf("history %v, revision %d", p.History, p.Revision)
					}
				})
			}
		}
	}
}

func TestAnEditNarrowsAndNeverWidens(t *testing.T) {
	t.Parallel()
	d := directive(contract.Retention, "month_on_month_retention", "retention_analysis")
	p, _ := Draft("p1", d, library(t), now)
	copyOf := func() []Part {
		parts := slices.Clone(p.Parts)
		for i := range parts {
			parts[i].Metrics, parts[i].Collect = slices.Clone(parts[i].Metrics), slices.Clone(parts[i].Collect)
		}
		return parts
	}
	less := copyOf()
	less[0].Metrics = slices.DeleteFunc(less[0].Metrics, func(m Metric) bool { return !m.Required })
	if e, err := Edited(p, less, p.Constraints, d); err != nil || len(e.Parts[0].Metrics) != 1 {
		t.Errorf("leaving out what is optional: %v", err)
	}
	for name, change := range map[string]func([]Part, *contract.Constraints) []Part{
		"another parameter": func(ps []Part, _ *contract.Constraints) []Part {
			ps[0].Collect = append(ps[0].Collect, contract.Collection{Parameter: contract.Parameter{Name: "email"}})
			return ps
		},
		"another purpose for a parameter": func(ps []Part, _ *contract.Constraints) []Part {
			ps[0].Collect[0].Parameter.Purpose = "advertising"
			return ps
		},
		"without its own metric": func(ps []Part, _ *contract.Constraints) []Part { ps[0].Metrics = nil; return ps },
		"without its own data":   func(ps []Part, _ *contract.Constraints) []Part { ps[0].Collect = nil; return ps },
		"without its part":       func(ps []Part, _ *contract.Constraints) []Part { return ps[1:] },
		"another claim": func(ps []Part, _ *contract.Constraints) []Part {
			ps[0].Insights = append(slices.Clone(ps[0].Insights), insight.Asked{Kind: contract.LevelInsight, Metric: ps[0].Metrics[1].Definition.ID, Tolerance: .1})
			return ps
		},
		"a wider claim": func(ps []Part, _ *contract.Constraints) []Part {
			ps[0].Insights = slices.Clone(ps[0].Insights)
			ps[0].Insights[0].Tolerance *= 2
			return ps
		},
		"without the claim that its proof rests on": func(ps []Part, _ *contract.Constraints) []Part {
			ps[0].Insights = []insight.Asked{}
			return ps
		},
		"smaller groups":    func(ps []Part, c *contract.Constraints) []Part { c.MinimumGroup = 9; return ps },
		"longer retention":  func(ps []Part, c *contract.Constraints) []Part { c.RetentionDays = 366; return ps },
		"endless retention": func(ps []Part, c *contract.Constraints) []Part { c.RetentionDays = 0; return ps },
		"less coverage":     func(ps []Part, c *contract.Constraints) []Part { c.RequiredCoverage = .5; return ps },
		"another purpose": func(ps []Part, c *contract.Constraints) []Part {
			c.Purposes = []contract.Purpose{"advertising"}
			return ps
		},
	} {
		c := p.Constraints
		if _, err := Edited(p, change(copyOf(), &c), c, d); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v; want Invalid", name, err)
		}
	}
}

func TestAnEditMayTightenAndLeaveOutClaims(t *testing.T) {
	t.Parallel()
	d := directive(contract.Retention, "month_on_month_retention", "retention_analysis")
	p, _ := Draft("p1", d, library(t), now)
	own := slices.IndexFunc(p.Parts[0].Insights, func(a insight.Asked) bool { return a.Required })
	if own < 0 || p.Parts[0].Insights[own].Kind != contract.LevelInsight || p.Parts[0].Insights[own].Tolerance != .1 {
		t.Fatalf("%+v", p.Parts[0].Insights)
	}
	parts := slices.Clone(p.Parts)
	tight := p.Parts[0].Insights[own]
	tight.Tolerance = .05
	parts[0].Insights = []insight.Asked{tight}
	e, err := Edited(p, parts, p.Constraints, d)
	if err != nil {
		t.Fatal(err)
	}
	o := Orders("main", &e, d)[0]
	if len(o.Insights) != 1 || o.Insights[0].Tolerance != .05 || o.Insights[0].Until != "2027-01-24" || o.Insights[0].Metric.Label == "" {
		t.Errorf("ordered %+v", o.Insights)
	}
	silent := slices.Clone(p.Parts)
	silent[0].Insights = nil // an edit by a program that does not know of claims
	silent[0].Metrics = slices.DeleteFunc(slices.Clone(silent[0].Metrics), func(m Metric) bool { return m.Definition.ID == "repeat_rate" })
	if e, err = Edited(p, silent, p.Constraints, d); err != nil || len(e.Parts[0].Insights) != len(p.Parts[0].Insights)-1 {
		t.Errorf("%v, %d claims of %d", err, len(e.Parts[0].Insights), len(p.Parts[0].Insights))
	}
}

func TestOrdersKeepTheirIdsOverRebuilds(t *testing.T) {
	t.Parallel()
	d := directive(contract.LifetimeValue, "predicted_value_52w", "value_analysis")
	a, _ := Draft("p1", d, library(t), now)
	b, _ := Draft("another plan", d, library(t), now)
	x, y := Orders("main", &a, d), Orders("main", &b, d)
	if len(x) != 2 || x[0].ID != y[0].ID || x[1].ID != y[1].ID || x[0].ID == x[1].ID {
		t.Errorf("ids %v and %v", x, y)
	}
	if got := x[0].Compute[0].Until; got != "2027-01-24" {
		t.Errorf("computes until %s; want the day the directive expires", got)
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	d := directive(contract.LifetimeValue, "predicted_value_52w", "value_analysis")
	p, _ := Draft("p1", d, library(t), now)
	ids := []contract.DirectiveID{"own", "other"}
	low := contract.Reason{Code: fault.LowCoverage, Item: "order_amount"}.Figures(.38, .8)
	optional := contract.Reason{Code: fault.NoSource, Item: "order_cost", Optional: true}
	for name, c := range map[string]struct {
		own, other contract.State
		want       contract.State
		ok         bool
	}{
		"outstanding":      {contract.Executing, contract.Received, contract.Received, false},
		"all refused":      {contract.Refused, contract.Refused, contract.Refused, true},
		"own part refused": {contract.Refused, contract.Executing, contract.Refused, true},
		"other refused":    {contract.Executing, contract.Refused, contract.Degraded, true},
		"one degraded":     {contract.Degraded, contract.Executing, contract.Degraded, true},
		"accepted":         {contract.Accepted, contract.Accepted, contract.Accepted, true},
		"executing":        {contract.Executing, contract.Accepted, contract.Executing, true},
		"withdrawn":        {contract.Withdrawn, contract.Withdrawn, contract.Withdrawn, true},
	} {
		answers := map[contract.DirectiveID]contract.Acknowledgement{
			"own":   {State: c.own, Reasons: []contract.Reason{low, optional}},
			"other": {State: c.other},
		}
		got, why, ok := Answer(&p, answers, ids)
		if got != c.want || ok != c.ok {
			t.Errorf("%s: %s, %v; want %s, %v", name, got, ok, c.want, c.ok)
		}
		if ok && len(why) != 1 {
			t.Errorf("%s: reasons %v; want the one that is not optional", name, why)
		}
	}
}

func TestLackingNamesTheRemedyOnce(t *testing.T) {
	t.Parallel()
	lack := contract.Reason{Code: fault.NoSource, Item: "order_cost", Optional: true}
	got := Lacking(map[contract.DirectiveID]contract.Acknowledgement{"a": {Reasons: []contract.Reason{lack}}, "b": {Reasons: []contract.Reason{lack}}},
		[]contract.DirectiveID{"a", "b"})
	if d := cmp.Diff([]contract.Missing{{Reason: lack, Remedy: "register_source"}}, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

// How many customers the tolerance needs follows an edit of the tolerance, and is not said where nobody planned a spread.
func TestCustomersNeededFollowTheTolerance(t *testing.T) {
	t.Parallel()
	d := directive(contract.Retention, "month_on_month_retention", "retention_analysis")
	p, why := Draft("p1", d, library(t), now)
	if why != nil {
		t.Fatal(why)
	}
	c := p.Constraints
	c.Tolerance /= 2
	e, err := Edited(p, p.Parts, c, d)
	if err != nil {
		t.Fatal(err)
	}
	def, _ := library(t).Metric("month_on_month_retention")
	if want := CustomersNeeded(&def, 1.53, c.Tolerance); e.Customers != want || e.Customers < 3*p.Customers {
		t.Errorf("%d customers at %v, %d at half of that; want %d", p.Customers, p.Constraints.Tolerance, e.Customers, want)
	}
	old := p // as one was stored before plans kept the spread
	old.Spread = 0
	if e, err = Edited(old, old.Parts, old.Constraints, d); err != nil || e.Customers != p.Customers {
		t.Errorf("an edit of something else leaves an old plan with %d customers, %v; want %d", e.Customers, err, p.Customers)
	}
	if e, err = Edited(old, old.Parts, c, d); err != nil || e.Customers != 0 {
		t.Errorf("an old plan at another tolerance says %d customers, %v, from a spread that it does not know", e.Customers, err)
	}
	own := directive(contract.Retention, "revenue_month", "retention_analysis")
	if p, why := Draft("p1", own, library(t), now); why != nil || p.Customers != 0 {
		t.Errorf("of a metric that the playbook does not name: %d customers, %v", p.Customers, why)
	}
}
