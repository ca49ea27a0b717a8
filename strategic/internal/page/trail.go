package page

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/governance"
)

// DirectiveView is the directive of a goal, its plan and its trail.
type DirectiveView struct {
	ID, State, Impact, Expires, Purposes, Bounds string
	Answer                                       string
	Plan                                         *PlanView
	Numbers                                      []Figure
	Steps                                        []StepView
}

// PlanView is what is collected and computed for a goal, and what is missing.
type PlanView struct {
	Name, State, Needed string
	Metrics             []MetricView
	Parameters          []ParameterView
	Missing             []MissingView
	Operational         []OperationalView
}

// MetricView is one metric of the plan.
type MetricView struct{ Label, Description, ID, For, Part, Owner string }

// ParameterView is one parameter of the plan.
type ParameterView struct{ Name, DataType, Purpose, For, Part, Coverage, Owner, Steward string }

// MissingView is what the plan lacks, and what would fix it.
type MissingView struct{ What, Fix string }

// OperationalView is one operational directive.
type OperationalView struct{ Part, State, Reasons, Jobs, At, ID string }

// StepView is one step of the trail.
type StepView struct{ At, Layer, What, By, Why, Decision, Trace string }

func directiveView(r *directive.Record, zone *time.Location, lookBack bool) *DirectiveView {
	d := r.Current()
	if d == nil {
		return nil
	}
	t, err := r.TrailOf(d.ID, zone)
	if err != nil {
		return nil // Current is of the record
	}
	v := &DirectiveView{ID: string(d.ID), State: words(string(d.State)), Impact: string(d.Impact)}
	var purposes []string
	for _, p := range d.Constraints.Purposes {
		purposes = append(purposes, words(string(p)))
	}
	v.Purposes = strings.Join(purposes, ", ")
	v.Bounds = "groups of at least " + wording.Count(int64(d.Constraints.MinimumGroup)) + ", evidence from " + wording.Count(int64(d.Constraints.MinimumN)) +
		" customers on, coverage of " + wording.Percent(d.Constraints.RequiredCoverage) + ", kept for " + wording.Count(int64(d.Constraints.RetentionDays)) + " days"
	if d.Order != nil {
		v.Expires = stamp(d.Order.Expires, zone)
	}
	if a := d.Answer; a != nil {
		v.Answer = words(string(a.State))
		if len(a.Reasons) > 0 {
			v.Answer += ": " + wording.Reasons(a.Reasons)
		}
	}
	if t.Plan != nil {
		v.Plan = planView(t.Plan, zone)
	}
	if lookBack {
		t.Latest = nil // they are of now
	}
	for _, l := range t.Latest {
		f := pointFigure(cmp.Or(l.Label, words(string(l.Metric))), l.Point, wording.Unit{Unit: l.Unit, Currency: l.Currency}, r.Goal.Grain, zone)
		f.Facts = append([]Fact{{"Definition", definition(d, l.Metric, l.Version)}}, f.Facts...)
		v.Numbers = append(v.Numbers, f)
	}
	for _, s := range t.Steps {
		v.Steps = append(v.Steps, stepView(s, zone))
	}
	return v
}

func stepView(s directive.Step, zone *time.Location) StepView {
	v := StepView{At: stamp(s.At, zone), Layer: string(s.Layer), What: words(s.State), By: s.By, Why: s.Reason, Trace: s.Trace}
	if len(s.Reasons) > 0 {
		v.Why = wording.Reasons(s.Reasons)
	}
	if s.Decision != nil && s.Decision.ID != "" {
		v.Decision = s.Decision.Rule + " " + string(s.Decision.ID)
	}
	return v
}

func planView(p *contract.PlanSummary, zone *time.Location) *PlanView {
	v := &PlanView{Name: words(p.Playbook), State: words(p.State)}
	if p.Customers > 0 {
		v.Needed = wording.Count(int64(p.Customers))
	}
	for _, m := range p.Metrics {
		v.Metrics = append(v.Metrics, MetricView{m.Label, m.Description, string(m.ID) + " " + m.Version, need(m.Required), m.Part, m.Owner})
	}
	for _, q := range p.Parameters {
		v.Parameters = append(v.Parameters, ParameterView{words(string(q.Name)), string(q.DataType), words(string(q.Purpose)), need(q.Required), q.Part, share(p, q), q.Owner, q.Steward})
	}
	for _, m := range p.Missing {
		v.Missing = append(v.Missing, MissingView{wording.Reason(m.Reason), wording.Fix(m.Reason, m.Remedy)})
	}
	for _, o := range p.Operational {
		var jobs []string
		for _, j := range o.Jobs {
			jobs = append(jobs, j.Kind+" "+words(j.Item)+": "+words(j.State))
		}
		reasons := ""
		if len(o.Reasons) > 0 {
			reasons = wording.Reasons(o.Reasons)
		}
		v.Operational = append(v.Operational, OperationalView{o.Part, words(string(o.State)), reasons, strings.Join(jobs, "; "), stamp(o.At, zone), string(o.ID)})
	}
	return v
}

func need(required bool) string {
	if required {
		return "the goal itself"
	}
	return "understanding it"
}

// share writes for how many a parameter is there so far, in how many facts, and how many are required.
func share(p *contract.PlanSummary, q contract.ParameterUse) string {
	if q.Coverage == nil {
		return "not measured"
	}
	text := wording.Percent(*q.Coverage)
	if n := facts(p, q.Name); n > 0 {
		text += ", in " + wording.Count(n) + " facts"
	}
	if q.Required && q.Needs != nil {
		text += "; " + wording.Percent(*q.Needs) + " required"
	}
	return text
}

// facts returns how many facts that are held carry a parameter; several units that ask for it have the same ones.
func facts(p *contract.PlanSummary, name contract.ParameterName) (n int64) {
	for _, o := range p.Operational {
		for _, j := range o.Jobs {
			if j.Item == string(name) && j.Events != nil {
				n = max(n, *j.Events)
			}
		}
	}
	return n
}

func words(code string) string { return strings.ReplaceAll(code, "_", " ") }

func stamp(t time.Time, zone *time.Location) string { return t.In(zone).Format("2006-01-02 15:04:05") }

// GovernanceView is the company's rules, and what becomes of them.
type GovernanceView struct {
	InForce, Pending string
	Group, Fallen    string
	High             string // what needs a second person
	Purposes         []PurposeView
	Types            []TypeView
	Versions         []VersionView
}

// PurposeView is one allowed purpose.
type PurposeView struct{ Name, Basis, Types string }

// TypeView is who answers for a type of data, and for how long it is kept.
type TypeView struct{ Name, Owner, Steward, Days string }

// VersionView is one version of the rules.
type VersionView struct{ Number, State, Approved string }

func governanceView(r governance.Record, zone *time.Location, now time.Time) GovernanceView {
	v := GovernanceView{InForce: "No governance directive is in force, so nothing may be ordered or collected."}
	shown := r.Pending()
	if p := r.Pending(); p != nil {
		v.Pending = "Version " + wording.Count(int64(p.Number)) + " waits for approval by two different executives; " + wording.Count(int64(len(p.Approvals))) + " of 2 given."
	}
	if s := r.Sent(); s != nil {
		shown = s
		v.InForce = "Version " + wording.Count(int64(s.Number)) + " rules since " + stamp(s.Order.ValidFrom, zone) + " (" + words(string(s.State)) + "), until " + stamp(s.Order.Expires, zone) + "."
		if s.Expired(now) {
			v.InForce = "Version " + wording.Count(int64(s.Number)) + " expired at " + stamp(s.Order.Expires, zone) +
				". Its rules stay in force until two executives have approved another version."
		}
	}
	for i := len(r.Versions) - 1; i >= 0; i-- {
		x := r.Versions[i]
		var by []string
		for _, a := range x.Approvals {
			by = append(by, a.Subject)
		}
		v.Versions = append(v.Versions, VersionView{wording.Count(int64(x.Number)), words(string(x.State)), cmp.Or(strings.Join(by, ", "), "nobody yet")})
	}
	if shown == nil {
		return v
	}
	v.Group = wording.Count(int64(shown.Rules.MinimumGroup))
	v.Fallen = "A fallen verdict on what a goal rests on changes its proof, not its status."
	if shown.Rules.FallenInsight == contract.FallenStatus {
		v.Fallen = "A fallen verdict on what a goal rests on changes its proof, and its status to not measurable."
	}
	v.High = highImpact(shown.Rules.HighImpact)
	for _, p := range shown.Rules.Purposes {
		var types []string
		for _, c := range p.Categories {
			types = append(types, string(c))
		}
		v.Purposes = append(v.Purposes, PurposeView{words(string(p.Purpose)), words(p.Basis), strings.Join(types, ", ")})
	}
	for _, o := range shown.Rules.Owners {
		v.Types = append(v.Types, TypeView{string(o.DataType), o.Owner, o.Steward, wording.Count(int64(shown.Rules.Retention[o.DataType]))})
	}
	return v
}

// highImpact says which directives need a second person.
func highImpact(h *contract.HighImpactRule) string {
	kept := "data are kept for longer than the strictest type of data of its purposes may be"
	var parts []string
	if h != nil {
		for _, p := range h.Purposes {
			parts = append(parts, "it is for "+words(string(p)))
		}
		for _, d := range h.DataTypes {
			parts = append(parts, "its purposes cover "+string(d)+" data")
		}
		if h.RetentionDays > 0 {
			kept = "data are kept for longer than " + wording.Count(int64(h.RetentionDays)) + " days"
		}
	}
	return "A directive needs a second person if whoever drafts it calls it of high impact, or if " + strings.Join(append(parts, kept), ", or ") + "."
}

// DataView is one parameter that is asked for by any plan.
type DataView struct{ Name, DataType, Owner, Steward, Coverage, Goals string }

// dataView lists every parameter once, with who answers for it and which goals need it.
func dataView(rs []directive.Record) []DataView {
	byName := map[contract.ParameterName]*DataView{}
	for i := range rs {
		d := rs[i].Current()
		if d == nil || d.Answer == nil || d.Answer.Plan == nil || d.State.Ended() {
			continue
		}
		for _, p := range d.Answer.Plan.Parameters {
			v := byName[p.Name]
			if v == nil {
				v = &DataView{Name: words(string(p.Name)), DataType: string(p.DataType), Owner: p.Owner, Steward: p.Steward, Coverage: share(d.Answer.Plan, p)}
				byName[p.Name] = v
			}
			if !strings.Contains(v.Goals, rs[i].Goal.Name) {
				v.Goals = strings.TrimPrefix(v.Goals+"; "+rs[i].Goal.Name, "; ")
			}
		}
	}
	var all []DataView
	for _, v := range byName {
		all = append(all, *v)
	}
	slices.SortFunc(all, func(a, b DataView) int { return cmp.Compare(a.Name, b.Name) })
	return all
}
