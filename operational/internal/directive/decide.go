package directive

import (
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/job"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// World is what the layer knows when it decides.
type World struct {
	Offers   job.Offers                                   // who offers a parameter
	Compiles func(*contract.Computation) *contract.Reason // nil if the metric can be computed, else why not
}

// Verdict is what policy says of a directive: the decision, whether it allows, and which items it objects to.
type Verdict struct {
	Decision contract.Decision
	Allowed  bool
	Purposes []contract.Purpose // that governance does not allow; empty if it objects to something else
	// Ungoverned: no governance directive has arrived yet, so nothing was decided and nothing is allowed.
	Ungoverned bool
}

// Received returns the record after a directive's revision has arrived and policy has spoken. A revision that is not
// newer changes nothing.
func Received(r *Record, d *contract.OperationalDirective, v Verdict, w World, t Turn) error {
	if r.Order != nil && d.Revision <= r.Order.Revision {
		return nil
	}
	r.Taken = r.Collected()
	r.Order, r.Traceparent = d, t.Traceparent
	defer r.seal(t)
	if d.Standing.Ended() {
		return r.end(t)
	}
	if err := r.step(contract.Received, nil, t); err != nil {
		return err
	}
	return r.decide(v, w, t)
}

// decide answers an order that was received: carried out, refused, or over already. One that came before the first
// governance directive, on another partition and therefore in any order, waits for it.
func (r *Record) decide(v Verdict, w World, t Turn) error {
	r.stop()
	switch {
	case !t.Now.Before(r.Order.Expires):
		return r.step(contract.Expired, nil, t)
	case v.Ungoverned:
		return r.step(contract.Received, []contract.Reason{{Code: fault.AwaitingApproval, Item: "governance"}}, t)
	}
	t.Decision, r.Bundle = &v.Decision, v.Decision.Bundle
	if why := objections(r.Order, v, w); len(why) > 0 {
		return r.step(contract.Refused, why, t)
	}
	r.plan(w)
	r.take()
	if err := r.step(contract.Accepted, wishes(r.Order, w), t); err != nil {
		return err
	}
	return r.judge(w, t)
}

// Waits reports whether the directive has yet to be decided on.
func (r *Record) Waits() bool { return r.Order != nil && r.Answer.State == contract.Received }

// Decided returns the record of a directive that waited, after policy has spoken. It reports whether there is anything to
// say upward.
func Decided(r *Record, v Verdict, w World, t Turn) (bool, error) {
	if !r.Waits() || v.Ungoverned && t.Now.Before(r.Order.Expires) {
		return false, nil
	}
	if err := r.decide(v, w, t); err != nil {
		return false, err
	}
	r.seal(t)
	return true, nil
}

// Ruled returns the record after policy has spoken again, under other rules than before. A running directive that they
// do not allow any more is refused: nothing is collected without a purpose that governance allows. It reports whether
// there is anything to say upward.
func Ruled(r *Record, v Verdict, t Turn) (bool, error) {
	if !r.Running() {
		return false, nil
	}
	r.Bundle = v.Decision.Bundle
	why := forbidden(v)
	if len(why) == 0 {
		return false, nil
	}
	t.Decision = &v.Decision
	r.stop()
	if err := r.step(contract.Refused, why, t); err != nil {
		return false, err
	}
	r.seal(t)
	return true, nil
}

// forbidden returns what policy objects to.
func forbidden(v Verdict) []contract.Reason {
	var why []contract.Reason
	for _, p := range v.Purposes {
		why = append(why, contract.Reason{Code: fault.PurposeNotAllowed, Item: string(p)})
	}
	if !v.Allowed && len(v.Purposes) == 0 {
		why = append(why, contract.Reason{Code: fault.PolicyDenied, Item: v.Decision.Rule})
	}
	return why
}

// objections returns why the directive must be refused.
func objections(d *contract.OperationalDirective, v Verdict, w World) []contract.Reason {
	var why []contract.Reason
	for _, f := range contract.Unsupported(d.Requires) {
		why = append(why, contract.Reason{Code: fault.UnsupportedFeature, Item: string(f)})
	}
	why = append(why, forbidden(v)...)
	return append(why, lacking(d, w, true)...)
}

// lacking returns, of what was asked for as required or as a mere wish, what cannot be had, each item once.
func lacking(d *contract.OperationalDirective, w World, required bool) []contract.Reason {
	var why []contract.Reason
	add := func(r contract.Reason) {
		r.Optional = !required
		if !slices.ContainsFunc(why, func(o contract.Reason) bool { return o.Code == r.Code && o.Item == r.Item }) {
			why = append(why, r)
		}
	}
	for _, c := range d.Collect {
		if c.Required == required && len(w.Offers(c.Parameter.Name)) == 0 {
			add(contract.Reason{Code: fault.NoSource, Item: string(c.Parameter.Name)})
		}
	}
	for i := range d.Compute {
		if reason := w.Compiles(&d.Compute[i]); reason != nil && d.Compute[i].Required == required {
			add(*reason)
		}
	}
	return why
}

// wishes returns what was asked for beside the required, and cannot be had.
func wishes(d *contract.OperationalDirective, w World) []contract.Reason { return lacking(d, w, false) }

// plan makes the jobs anew, keeping what is known of those that stay. A metric that cannot be computed here has no job;
// one whose data nobody offers waits.
func (r *Record) plan(w World) {
	jobs := job.Plan(r.Order, w.Offers)
	for i := range jobs {
		if old := slices.IndexFunc(r.Jobs, func(o job.Job) bool { return o.ID == jobs[i].ID }); old >= 0 {
			jobs[i].Coverage, jobs[i].Held, jobs[i].Seconds = r.Jobs[old].Coverage, r.Jobs[old].Held, r.Jobs[old].Seconds
		}
	}
	for i := range r.Order.Compute {
		if why := w.Compiles(&r.Order.Compute[i]); why != nil && why.Code != fault.NoSource {
			id := string(r.Order.Compute[i].Metric.ID)
			jobs = slices.DeleteFunc(jobs, func(j job.Job) bool { return j.Kind == job.Compute && j.Item == id })
		}
	}
	r.Jobs = jobs
}

func (r *Record) stop() {
	for i := range r.Jobs {
		r.Jobs[i].State = job.Stopped
	}
}

// judge brings the state in line with what can be delivered of what is required.
func (r *Record) judge(w World, t Turn) error {
	why := append(lacking(r.Order, w, true), r.uncovered()...)
	state := contract.Executing
	if len(why) > 0 {
		state = contract.Degraded
	}
	why = append(why, wishes(r.Order, w)...)
	if r.Answer.State == state && same(r.Answer.Reasons, why) {
		return nil
	}
	return r.step(state, why, t)
}

// uncovered returns the required parameters whose coverage is known and too low, with the figures.
func (r *Record) uncovered() []contract.Reason {
	var low []contract.Reason
	for _, c := range r.Order.Collect {
		i := slices.IndexFunc(r.Jobs, func(j job.Job) bool { return j.Kind == job.Collect && j.Item == string(c.Parameter.Name) })
		if !c.Required || i < 0 || r.Jobs[i].Coverage == nil || r.Jobs[i].State != job.Running {
			continue
		}
		if have, need := *r.Jobs[i].Coverage, c.Needs(r.Order.Constraints); have < need {
			low = append(low, contract.Reason{Code: fault.LowCoverage, Item: string(c.Parameter.Name)}.Figures(have, need))
		}
	}
	return low
}

// same reports whether two lists of reasons say the same, coverage to the percent: a figure that moves by less is no
// news.
func same(a, b []contract.Reason) bool {
	percent := func(f *float64) int {
		if f == nil {
			return -1
		}
		return int(*f*100 + .5)
	}
	return slices.EqualFunc(a, b, func(x, y contract.Reason) bool {
		return x.Code == y.Code && x.Item == y.Item && percent(x.Have) == percent(y.Have) && percent(x.Need) == percent(y.Need)
	})
}

// Observation is what a look at the data has found. What is not known yet has no entry.
type Observation struct {
	Coverage map[contract.ParameterName]float64
	Held     map[contract.ParameterName]job.Held
	Spent    map[string]time.Duration // by job, beside what is written down
}

// Observed returns the record after something it rests on has changed: who offers what, the coverage of parameters, or what
// they cost by a tenth. It reports whether there is anything to say upward.
func Observed(r *Record, o Observation, w World, t Turn) (bool, error) {
	if !r.Running() {
		return false, nil
	}
	state, why := r.Answer.State, r.Answer.Reasons
	jobs := slices.Clone(r.Jobs)
	r.plan(w)
	for i := range r.Jobs {
		o.write(&r.Jobs[i])
	}
	if err := r.judge(w, t); err != nil {
		return false, err
	}
	if r.Answer.State == state && same(r.Answer.Reasons, why) && sameJobs(jobs, r.Jobs) {
		r.Jobs = jobs
		return false, nil
	}
	r.seal(t)
	return true, nil
}

func (o Observation) write(j *job.Job) {
	j.Seconds += o.Spent[j.ID].Seconds()
	if j.Kind != job.Collect {
		return
	}
	if c, ok := o.Coverage[contract.ParameterName(j.Item)]; ok {
		j.Coverage = &c
	}
	if h, ok := o.Held[contract.ParameterName(j.Item)]; ok {
		j.Held = &h
	}
}

func sameJobs(a, b []job.Job) bool {
	return slices.EqualFunc(a, b, func(x, y job.Job) bool {
		return x.ID == y.ID && x.State == y.State && slices.Equal(x.Sources, y.Sources) && sameShare(x.Coverage, y.Coverage) && !y.Held.Grown(x.Held) && !job.Longer(y.Seconds, x.Seconds)
	})
}

// sameShare compares to the percent.
func sameShare(a, b *float64) bool {
	return (a == nil) == (b == nil) && (a == nil || int(*a*100+.5) == int(*b*100+.5))
}

// ends maps a standing to the answer.
var ends = map[contract.Standing]contract.State{
	contract.WithdrawnEnd: contract.Withdrawn, contract.SupersededEnd: contract.Withdrawn, contract.ExpiredEnd: contract.Expired,
}

// end answers a revision that says that the directive is over.
func (r *Record) end(t Turn) error {
	r.stop()
	s := ends[r.Order.Standing]
	if !slices.Contains(Transitions[r.Answer.State], s) { // over already, or a tombstone of something never seen alive
		if err := r.step(contract.Received, nil, t); err != nil {
			return err
		}
	}
	return r.step(s, nil, t)
}

// Overdue returns the record after the wall clock has passed the directive's expiry: completed if everything asked for
// was being delivered, else expired. It reports whether that changed anything.
func Overdue(r *Record, t Turn) (bool, error) {
	if !r.Running() || t.Now.Before(r.Order.Expires) {
		return false, nil
	}
	s := contract.Expired
	if r.Answer.State == contract.Executing {
		s = contract.Completed
	}
	r.stop()
	if err := r.step(s, nil, t); err != nil {
		return false, err
	}
	r.seal(t)
	return true, nil
}

// Governed returns the record after a governance directive's revision has arrived; false if it is not newer.
func Governed(r *Record, g *contract.GovernanceDirective, t Turn) (bool, error) {
	if r.Governance != nil && g.Revision <= r.Governance.Revision {
		return false, nil
	}
	r.Governance = g
	if err := r.step(contract.Received, nil, t); err != nil {
		return false, err
	}
	s := contract.Accepted
	if g.Standing.Ended() {
		s = ends[g.Standing]
	}
	if err := r.step(s, nil, t); err != nil {
		return false, err
	}
	r.seal(t)
	return true, nil
}
