package directive

import (
	"cmp"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// Lateness is how long after a window's end its data may still come in, before a directive expires.
const Lateness = 35 * 24 * time.Hour

// Tenant is what of the tenant goals are set by and directives carry.
type Tenant struct {
	ID        contract.TenantID
	Zone      *time.Location
	Currency  string
	WeekStart time.Weekday
}

// Wish is what somebody asks of a new directive. Empty parts take their defaults.
type Wish struct {
	Goal        contract.GoalID       `json:"goal"`
	Impact      contract.Impact       `json:"impact,omitempty"`
	Constraints *contract.Constraints `json:"constraints,omitempty"`
	Expires     *time.Time            `json:"expires,omitempty"`
	Supersedes  contract.DirectiveID  `json:"supersedes,omitempty"`
}

// Drafted adds a directive to the record. There is one unended directive for a goal at a time, but for the one being
// prepared to supersede the one in force.
func (r *Record) Drafted(id contract.DirectiveID, w Wish, c contract.Constraints, t lifecycle.Turn) error {
	if r.Goal.State != goal.Active {
		return fault.New(fault.Conflict, fault.IllegalTransition, "goal %s is %s: only an active goal is ordered", r.Goal.ID, r.Goal.State)
	}
	for _, d := range r.Directives {
		switch {
		case d.State.Ended():
		case !d.State.Sent():
			return fault.New(fault.Conflict, fault.IllegalTransition, "directive %s is already being prepared for this goal: issue or withdraw it first", d.ID)
		case w.Supersedes != d.ID:
			return fault.New(fault.Conflict, fault.IllegalTransition, "directive %s is in force for this goal: name it in supersedes, or withdraw it first", d.ID)
		}
	}
	if w.Supersedes != "" {
		if d, err := r.Directive(w.Supersedes); err != nil || !d.State.Sent() {
			return &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: "/supersedes", Text: "only a directive of the same goal that was issued and has not ended can be superseded"}
		}
	}
	r.Directives = append(r.Directives, Directive{
		ID: id, Goal: r.Goal.ID, Revision: contract.NextRevision(0, t.Now), State: Draft, Impact: cmp.Or(w.Impact, contract.NormalImpact),
		Constraints: c, Expires: w.Expires, Supersedes: w.Supersedes,
		History: []lifecycle.Entry{{Entity: "directive/" + string(id), To: string(Draft), Event: "draft", At: t.Now, By: t.By, Trace: t.Trace, Decision: t.Decision}},
	})
	return nil
}

// move changes the state of a directive.
func (d *Directive) move(e Event, by lifecycle.Actor, t lifecycle.Turn) error {
	to, history, err := LifeCycle.Move(d.History, string(d.ID), d.State, e, by, t)
	if err != nil {
		return err
	}
	d.State, d.History = to, history
	d.Revision = contract.NextRevision(d.Revision, t.Now)
	return nil
}

// Proposed hands a draft to whoever approves, with the impact that policy finds it to have.
func (r *Record) Proposed(id contract.DirectiveID, w Weight, t lifecycle.Turn) error {
	d, err := r.Directive(id)
	if err != nil {
		return err
	}
	t.Decision = &w.Decision
	if err := d.weighed(Propose, w, t); err != nil {
		return err
	}
	d.ProposedBy = t.By
	return nil
}

// weighed moves the directive by a person's event, with the impact that it was found to have; the history says why, where
// that is another one than before.
func (d *Directive) weighed(e Event, w Weight, t lifecycle.Turn) error {
	if w.Impact != d.Impact {
		t.Reason = w.Why
	}
	if err := d.move(e, lifecycle.Person, t); err != nil {
		return err
	}
	d.Impact = w.Impact
	return nil
}

// ApprovedBy adds a person's approval, one of each. Whether that person may is for policy, before.
func (r *Record) ApprovedBy(id contract.DirectiveID, w Weight, roles []string, t lifecycle.Turn) error {
	d, err := r.Directive(id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(d.Approvals, func(a Approval) bool { return a.Subject == t.By }) {
		return fault.New(fault.Conflict, fault.IllegalTransition, "%s has approved directive %s already: what it lacks is another person's approval", t.By, id)
	}
	if err := d.weighed(Approve, w, t); err != nil {
		return err
	}
	a := Approval{Subject: t.By, Roles: roles, At: t.Now}
	if t.Decision != nil {
		a.Decision = *t.Decision
	}
	d.Approvals = append(d.Approvals, a)
	return nil
}

// IssuedAs sends the directive down, or a refused one again, and ends the one that it supersedes. t.Decision is what let it
// be issued; w is the impact that it has by the rules that decided.
func (r *Record) IssuedAs(id contract.DirectiveID, w Weight, tenant Tenant, t lifecycle.Turn) error {
	if r.Goal.State != goal.Active {
		return fault.New(fault.Conflict, fault.IllegalTransition, "goal %s is %s: only an active goal is ordered", r.Goal.ID, r.Goal.State)
	}
	d, err := r.Directive(id)
	if err != nil {
		return err
	}
	if err := d.weighed(Issue, w, t); err != nil {
		return err
	}
	order, err := r.order(d, tenant, t)
	if err != nil {
		return err
	}
	d.Order = order
	if d.Supersedes == "" {
		return nil
	}
	old, err := r.Directive(d.Supersedes)
	if err != nil || old.State.Ended() {
		return err
	}
	return old.end(Supersede, lifecycle.Successor, lifecycle.Turn{Now: t.Now, By: t.By, Reason: "superseded by " + string(id), Decision: t.Decision, Trace: t.Trace})
}

func (r *Record) order(d *Directive, tenant Tenant, t lifecycle.Turn) (*contract.StrategicDirective, error) {
	o := &contract.StrategicDirective{
		Order: contract.Order{
			ID: d.ID, Revision: d.Revision, Standing: contract.InForce, ValidFrom: t.Now, Expires: r.expiry(d, tenant.Zone, t.Now),
			Requires: features(&r.Goal.Goal, &d.Constraints), At: t.Now,
		},
		Goal: r.Goal.Goal, Constraints: d.Constraints, Impact: d.Impact, TimeZone: tenant.Zone.String(), Currency: tenant.Currency, Supersedes: d.Supersedes,
	}
	if d.Order != nil {
		o.ValidFrom = d.Order.ValidFrom
	}
	if t.Decision != nil {
		o.Decision = *t.Decision
	}
	return o, o.Check()
}

// expiry is when the directive ends by itself: as asked for, else one window and the lateness after the deadline, or after
// now where the deadline lies in the past.
func (r *Record) expiry(d *Directive, zone *time.Location, now time.Time) time.Time {
	if d.Expires != nil {
		return d.Expires.UTC().Truncate(time.Millisecond)
	}
	from := r.Goal.Deadline.End(zone)
	if from.Before(now) {
		from = now
	}
	end := scorecard.Floor(from, r.Goal.Grain, scorecard.FirstDay(&r.Goal.Goal, zone), zone)
	if end.Before(from) {
		end = scorecard.Next(end, r.Goal.Grain, zone)
	}
	return scorecard.Next(end, r.Goal.Grain, zone).Add(Lateness).UTC()
}

// features returns what the layer below must understand to carry a directive out.
func features(g *contract.Goal, c *contract.Constraints) []contract.Feature {
	fs := []contract.Feature{contract.FeatureLevelGoal}
	if g.Kind == contract.Reach {
		fs[0] = contract.FeatureReachGoal
	}
	for _, f := range []struct {
		needed  bool
		feature contract.Feature
	}{
		{g.Baseline.MeasureUntil != "", contract.FeatureMeasuredBaseline},
		{g.Target.Relative != nil, contract.FeatureRelativeTarget},
		{g.BackTest, contract.FeatureBackTest},
		{g.Scope != nil, contract.FeatureScope},
		{c.MinimumGroup > 0, contract.FeatureMinimumGroup},
		{len(c.Purposes) > 0, contract.FeaturePurposes},
		{c.RequiredCoverage > 0, contract.FeatureCoverage},
		{c.RetentionDays > 0, contract.FeatureRetention},
		{c.MinimumN > 0 || c.Tolerance > 0, contract.FeatureEvidence},
		{c.Budget != nil, contract.FeatureBudget},
	} {
		if f.needed {
			fs = append(fs, f.feature)
		}
	}
	return fs
}

// end ends a directive, and tells the layer below if that has it.
func (d *Directive) end(e Event, by lifecycle.Actor, t lifecycle.Turn) error {
	if err := d.move(e, by, t); err != nil {
		return err
	}
	if d.Order != nil {
		o := *d.Order
		o.Standing, o.Revision, o.At = standings[d.State], d.Revision, t.Now
		d.Order = &o
	}
	return nil
}

// WithdrawnBy withdraws a directive.
func (r *Record) WithdrawnBy(id contract.DirectiveID, t lifecycle.Turn) error {
	d, err := r.Directive(id)
	if err != nil {
		return err
	}
	return d.end(Withdraw, lifecycle.Person, t)
}

// ClosedBy closes the goal and withdraws what is still ordered for it.
func (r *Record) ClosedBy(t lifecycle.Turn) error {
	if err := r.Goal.Move(goal.Close, t); err != nil {
		return err
	}
	t.Reason = "the goal was closed"
	for i := range r.Directives {
		if d := &r.Directives[i]; !d.State.Ended() {
			if err := d.end(Withdraw, lifecycle.Person, t); err != nil {
				return err
			}
		}
	}
	return nil
}

// Lapse ends every directive whose time is over.
func (r *Record) Lapse(t lifecycle.Turn) error {
	for i := range r.Directives {
		d := &r.Directives[i]
		if !d.State.Sent() || d.Order == nil || t.Now.Before(d.Order.Expires) {
			continue
		}
		if err := d.end(Expire, lifecycle.Clock, t); err != nil {
			return err
		}
	}
	return nil
}

// Answered applies an answer from below; false if it is old.
func (r *Record) Answered(a contract.Acknowledgement, zone *time.Location, t lifecycle.Turn) (bool, error) {
	d, err := r.Directive(a.Directive)
	if err != nil {
		return false, err
	}
	if d.Answer != nil && a.AckRevision <= d.Answer.AckRevision {
		return false, nil
	}
	d.Answer = &a
	if last := len(a.History); last > 0 {
		t.Decision, t.Trace = a.History[last-1].Decision, cmp.Or(a.History[last-1].Trace, t.Trace)
	}
	t.By, t.Reason = string(contract.Functional), inWords(a.Reasons)
	event, known := answers[a.State]
	if to, err := LifeCycle.Next(d.State, event, lifecycle.Functional); known && err == nil && to != d.State {
		if err := d.move(event, lifecycle.Functional, t); err != nil {
			return false, err
		}
	}
	r.freeze(zone)
	return true, nil
}

func inWords(rs []contract.Reason) string {
	if len(rs) == 0 {
		return ""
	}
	return wording.Reasons(rs)
}

// Informed applies information from below; false if it is old or of another goal's directive.
func (r *Record) Informed(i contract.Information, zone *time.Location) bool {
	if r.Information != nil && i.Revision <= r.Information.Revision {
		return false
	}
	if _, err := r.Directive(i.Strategic); err != nil {
		return false
	}
	all := i.Changes
	i.Changes = nil // the record has them
	r.Information = &i
	switch {
	case len(all) > 0:
		r.Changes = all // split anew with whatever was measured again
	case i.Change != nil:
		r.Changes = slices.DeleteFunc(r.Changes, func(c contract.Change) bool { return c.To.Start.Equal(i.Change.To.Start) })
		r.Changes = append(r.Changes, *i.Change)
		slices.SortFunc(r.Changes, func(a, b contract.Change) int { return a.To.Start.Compare(b.To.Start) })
		r.Changes = r.Changes[max(0, len(r.Changes)-maxChanges):]
	}
	r.freeze(zone)
	return true
}

// RestOn makes the insight on the goal's own metric what the goal's proof rests on, with what became of it. One that was
// ordered by an earlier directive than the present one's is left aside.
func (r *Record) RestOn(i contract.Insight, g scorecard.Ground, zone *time.Location) {
	if r.Insight != nil && r.Insight.ID != i.ID && r.place(i.Strategic) < r.place(r.Insight.Strategic) {
		return
	}
	i.Looks, i.Windows, i.Formats = nil, nil, nil // the record of the insight has them
	r.Insight, r.Ground = &i, &g
	r.freeze(zone)
}

// place returns where a directive stands among the record's, oldest first; -1 if it is not there.
func (r *Record) place(id contract.DirectiveID) int {
	return slices.IndexFunc(r.Directives, func(d Directive) bool { return d.ID == id })
}
