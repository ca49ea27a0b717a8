package directive

import (
	"context"
	"fmt"

	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Revised returns the record with its active plan on the versions of metrics that are in use now; its operational
// directives are issued again. owners answer for what it collects beside, where nobody else is named.
func Revised(r *Record, l plan.Library, owners []contract.DataOwner, who string, t Turn) error {
	p, err := revisable(r, l)
	if err != nil {
		return err
	}
	if err := p.Move(plan.Edit, plan.ByManager, plan.Change{At: t.Now, By: who, Reason: "versions in use", Decision: t.Decision, Trace: t.Trace}); err != nil {
		return err
	}
	p.Own(owners)
	r.Plan = &p
	r.issue(t)
	r.answer(r.Answer.State, r.Answer.Reasons, t)
	r.sealed(t)
	return nil
}

func revisable(r *Record, l plan.Library) (plan.Plan, error) {
	if r.Plan == nil || r.Strategic == nil || r.Plan.State != plan.Active {
		return plan.Plan{}, fault.New(fault.Conflict, fault.IllegalTransition, "only an active plan is revised: a draft takes the versions in use when it is made")
	}
	return plan.Revised(*r.Plan, r.Strategic, l)
}

// Revise brings the active plan of a directive to the versions of metrics that are in use now. revision is the plan's that
// the manager saw. Policy decides first, since it is issued at once.
func (s *Service) Revise(ctx context.Context, id contract.DirectiveID, revision int64, by Approver) (Record, error) {
	seen, err := s.seen(ctx, id, revision)
	if err != nil {
		return seen, err
	}
	next, err := revisable(&seen, s.o.Library)
	if err != nil {
		return seen, err
	}
	decision, allowed, err := s.o.Policy.Plan(ctx, seen.Strategic, &next, by)
	if err != nil {
		return seen, fmt.Errorf("decide on plan %s: %w", next.ID, err)
	}
	if !allowed {
		return seen, denied(decision)
	}
	owners, err := s.owners(ctx)
	if err != nil {
		return seen, err
	}
	var after Record
	err = s.o.Store.Update(ctx, id, func(r *Record) error {
		if r.Plan == nil || r.Plan.Revision != revision {
			return fault.New(fault.Conflict, fault.PreconditionFailed, "the plan has changed: read it again")
		}
		t := s.turn(ctx)
		t.Decision = &decision
		err := Revised(r, s.o.Library, owners, by.Subject, t)
		after = *r
		return err
	})
	return after, err
}
