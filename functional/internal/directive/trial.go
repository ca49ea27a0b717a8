package directive

import (
	"context"
	"fmt"
	"slices"

	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/trial"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

const (
	maxRunning = 3  // trials at a time under one directive: each costs as much as a metric
	maxTrials  = 20 // kept with the record, the newest
)

// Tried returns the record after a trial of a definition was ordered under it. due are the windows it is tried on.
func Tried(r *Record, d contract.Definition, id contract.DirectiveID, due []contract.Window, by string, t Turn) error {
	like, err := r.inForce(d.ID)
	if err != nil {
		return err
	}
	o, err := trial.Order(id, like, d, due, r.collected(), t.Now)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(r.Trials, func(x trial.Trial) bool { return x.Order.ID == id })
	running := 0
	for j := range r.Trials {
		if j != i && r.Trials[j].Running(t.Now) {
			running++
		}
	}
	if running >= maxRunning {
		return fault.New(fault.Conflict, fault.InProgress, "%d trials run under this directive already: wait until one has ended", running)
	}
	next := trial.Trial{Order: o, By: by}
	if i >= 0 {
		next.Order.Revision = r.Trials[i].Order.Revision
		r.Trials = slices.Delete(slices.Clone(r.Trials), i, i+1)
	}
	next.Order.Revision, next.Order.At = contract.NextRevision(next.Order.Revision, t.Now), t.Now
	if t.Decision != nil {
		next.Order.Decision = *t.Decision
	}
	r.Trials = append(r.Trials, next)
	if n := len(r.Trials); n > maxTrials {
		r.Trials = slices.Clone(r.Trials[n-maxTrials:])
	}
	return nil
}

// inForce returns the order that computes a metric, or of a metric that none computes the order of the goal's own.
func (r *Record) inForce(m contract.MetricID) (*contract.OperationalDirective, error) {
	if r.Strategic == nil || r.Strategic.Standing.Ended() || r.Plan == nil || r.Plan.State != plan.Active {
		return nil, fault.New(fault.Conflict, fault.IllegalTransition, "the directive has no active plan: there is nothing to try a metric under")
	}
	var own *contract.OperationalDirective
	for i := range r.Orders {
		o := &r.Orders[i]
		if o.Standing.Ended() {
			continue
		}
		for _, c := range o.Compute {
			if c.Metric.ID == m {
				return o, nil
			}
			if c.Required {
				own = o
			}
		}
	}
	if own == nil {
		return nil, fault.New(fault.Conflict, fault.IllegalTransition, "the directive's plan computes nothing: there is nothing to try a metric under")
	}
	return own, nil
}

// collected returns the parameters that the orders in force ask for.
func (r *Record) collected() []contract.ParameterName {
	var ps []contract.ParameterName
	for i := range r.Orders {
		for _, c := range r.Orders[i].Collect {
			if !r.Orders[i].Standing.Ended() {
				ps = append(ps, c.Parameter.Name)
			}
		}
	}
	return ps
}

// Computes reports whether the record's active plan computes a metric.
func (r *Record) Computes(m contract.MetricID) bool {
	if r.Strategic == nil || r.Plan == nil || r.Plan.State != plan.Active {
		return false
	}
	return slices.ContainsFunc(r.Plan.Parts, func(p plan.Part) bool {
		return slices.ContainsFunc(p.Metrics, func(x plan.Metric) bool { return x.Definition.ID == m })
	})
}

// Trial returns the newest trial of a metric, in a version unless that is empty; false if there is none.
func (r *Record) Trial(m contract.MetricID, version string) (trial.Trial, bool) {
	for i := len(r.Trials) - 1; i >= 0; i-- {
		if d := r.Trials[i].Metric(); d.ID == m && (version == "" || d.Version == version) {
			return r.Trials[i], true
		}
	}
	return trial.Trial{}, false
}

// Concluded returns the record after every window of a trial came in: it is withdrawn.
func Concluded(r *Record, id contract.DirectiveID, t Turn) {
	for i := range r.Trials {
		if r.Trials[i].Order.ID == id {
			r.Trials[i].Order = endedOrder(r.Trials[i].Order, contract.WithdrawnEnd, t)
		}
	}
}

// endTrials withdraws the trials that run: what they are tried beside is about to change.
func (r *Record) endTrials(t Turn) {
	for i := range r.Trials {
		if r.Trials[i].Running(t.Now) {
			r.Trials[i].Order = endedOrder(r.Trials[i].Order, contract.WithdrawnEnd, t)
		}
	}
}

// answeredTrial keeps an answer to a trial; false if it is to something else.
func (r *Record) answeredTrial(a contract.Acknowledgement) bool {
	for i := range r.Trials {
		if t := &r.Trials[i]; t.Order.ID == a.Directive {
			if t.Answer == nil || a.AckRevision > t.Answer.AckRevision {
				t.Answer = &a
			}
			return true
		}
	}
	return trial.Is(a.Directive) // of one that is kept no more
}

// RestoreTrial puts a trial that this layer once ordered back into the record, if it is newer than what is there.
func RestoreTrial(r *Record, o contract.OperationalDirective) {
	for i := range r.Trials {
		if r.Trials[i].Order.ID == o.ID {
			if o.Revision > r.Trials[i].Order.Revision {
				r.Trials[i].Order = o
			}
			return
		}
	}
	if r.Answer.Directive == "" {
		r.Answer.Directive = o.Strategic
	}
	r.Trials = append(r.Trials, trial.Trial{Order: o})
}

// Series reads the measurements under a strategic directive, trials left out.
type Series func(ctx context.Context, id contract.DirectiveID, m contract.MetricID) ([]contract.Measurement, error)

// Try orders a trial of one state of a version under a directive that is in force: revision is the version's. Trying the
// same again orders it again. It fails with a Conflict that says why there is nothing to try it on, Denied by policy.
func (s *Service) Try(ctx context.Context, d contract.Definition, revision int64, under contract.DirectiveID, by Approver, series Series) (Record, error) {
	seen, err := s.o.Store.Get(ctx, under)
	if err != nil {
		return seen, err
	}
	like, err := seen.inForce(d.ID)
	if err != nil {
		return seen, err
	}
	decision, err := s.mayTry(ctx, &seen, d, by)
	if err != nil {
		return seen, err
	}
	all, err := series(ctx, under, "")
	if err != nil {
		return seen, fmt.Errorf("windows of %s: %w", under, err)
	}
	due := trial.Due(d.ID, like.Compute[0].Grain, all)
	id := trial.Identity(s.o.Tenant, under, d.ID, d.Version, revision)
	var after Record
	err = s.o.Store.Update(ctx, under, func(r *Record) error {
		t := s.turn(ctx)
		t.Decision = &decision
		err := Tried(r, d, id, due, by.Subject, t)
		after = *r
		return err
	})
	return after, err
}

// mayTry asks policy, with what the trial would use: the plan's own collections of the metric's parameters.
func (s *Service) mayTry(ctx context.Context, r *Record, d contract.Definition, by Approver) (contract.Decision, error) {
	part := plan.Part{Unit: trial.Part}
	for _, p := range r.Plan.Parts {
		for _, c := range p.Collect {
			if slices.Contains(d.Parameters, c.Parameter.Name) {
				part.Collect = append(part.Collect, c)
			}
		}
	}
	if len(part.Collect) == 0 {
		return contract.Decision{}, fault.New(fault.Conflict, fault.NotRequested, "this directive's plan collects nothing that %s needs", d.ID)
	}
	decision, allowed, err := s.o.Policy.Trial(ctx, &plan.Plan{Parts: []plan.Part{part}, Constraints: r.Plan.Constraints}, by)
	switch {
	case err != nil:
		return decision, fmt.Errorf("decide on a trial of %s: %w", d.ID, err)
	case !allowed:
		return decision, fault.New(fault.Denied, fault.PolicyDenied, "policy %s does not allow this trial (decision %s)", decision.Rule, decision.ID)
	}
	return decision, nil
}
