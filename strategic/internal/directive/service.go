package directive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// Store keeps records.
type Store interface {
	// Update runs change on the record of a goal (an empty one where there is none) and stores what it leaves together
	// with every directive whose sent revision rose, in one transaction. change may run several times. Nothing is stored
	// if it fails or leaves the record as it was.
	Update(ctx context.Context, id contract.GoalID, change func(*Record) error) error
	// Record returns the record of a goal; NotFound if there is none.
	Record(ctx context.Context, id contract.GoalID) (Record, error)
	// Owner returns the goal of a directive; NotFound if there is none.
	Owner(ctx context.Context, id contract.DirectiveID) (contract.GoalID, error)
	// Due returns the goals with a directive that has not ended and whose time is over at the instant.
	Due(ctx context.Context, at time.Time) ([]contract.GoalID, error)
}

// Person is who acts.
type Person struct {
	Subject string
	Roles   []string
}

// Question is what policy is asked about a directive.
type Question struct {
	Who       Person
	Directive Directive
	Goal      goal.Goal
}

// Weight is the impact that a directive has, why where it is high, and the decision that found it.
type Weight struct {
	Impact   contract.Impact
	Why      string
	Decision contract.Decision
}

// Policy decides. A denial is a Denied fault with what to do; the decision comes back in both cases.
type Policy interface {
	// Impact says what impact a directive has: as high as it was drafted, or higher by the rules in force.
	Impact(ctx context.Context, q Question) (Weight, error)
	// Approve and Issue say whether the asker may; the question's directive has the impact that it was just found to have.
	Approve(ctx context.Context, q Question) (contract.Decision, error)
	Issue(ctx context.Context, q Question) (contract.Decision, error)
}

// Defaults fills in what a wish leaves open; Conflict while no governance directive is in force.
type Defaults func(ctx context.Context, g *contract.Goal) (contract.Constraints, error)

// Options are what a Service needs. All are required.
type Options struct {
	Tenant    Tenant
	Store     Store
	Policy    Policy
	Defaults  Defaults
	Variables goal.Variables
	Now       func() time.Time
	NewID     func() string
	Trace     func(context.Context) string // the trace id in a context; empty if none
	Tracer    trace.Tracer
}

// Service changes records as people, answers and the clock ask.
type Service struct{ o Options }

// NewService returns a service, or an error naming what is missing.
func NewService(o Options) (*Service, error) {
	if !o.Tenant.ID.Valid() || o.Tenant.Zone == nil || o.Store == nil || o.Policy == nil || o.Defaults == nil || o.Variables == nil || o.Now == nil || o.NewID == nil || o.Trace == nil || o.Tracer == nil {
		return nil, errors.New("directive service: tenant, store, policy, defaults, variables, now, newID, trace and tracer are required")
	}
	return &Service{o}, nil
}

func (s *Service) turn(ctx context.Context, by string) lifecycle.Turn {
	return lifecycle.Turn{Now: s.o.Now().UTC().Truncate(time.Millisecond), By: by, Trace: s.o.Trace(ctx)}
}

func (s *Service) today() contract.Day { return contract.DayOf(s.o.Now(), s.o.Tenant.Zone) }

// update runs change and returns the record that it left.
func (s *Service) update(ctx context.Context, id contract.GoalID, by string, change func(*Record, lifecycle.Turn) error) (Record, error) {
	var after Record
	err := s.o.Store.Update(ctx, id, func(r *Record) error {
		if r.Goal.ID == "" {
			return fault.New(fault.NotFound, "", "there is no goal %s", id)
		}
		err := change(r, s.turn(ctx, by))
		after = *r
		return err
	})
	return after, err
}

// SetGoal drafts a goal, or refuses it with everything that it lacks.
func (s *Service) SetGoal(ctx context.Context, p goal.Proposal, who Person) (Record, error) {
	if err := p.Check(ctx, s.o.Variables, s.today(), s.o.Tenant.Zone, s.o.Tenant.WeekStart); err != nil {
		return Record{}, err
	}
	id := contract.GoalID(s.o.NewID())
	var after Record
	err := s.o.Store.Update(ctx, id, func(r *Record) error {
		*r = Record{Goal: goal.New(id, p, s.turn(ctx, who.Subject), s.today())}
		after = *r
		return nil
	})
	return after, err
}

// EditGoal replaces a draft. revision is the goal's that the person saw.
func (s *Service) EditGoal(ctx context.Context, id contract.GoalID, revision int64, p goal.Proposal, who Person) (Record, error) {
	if err := p.Check(ctx, s.o.Variables, s.today(), s.o.Tenant.Zone, s.o.Tenant.WeekStart); err != nil {
		return Record{}, err
	}
	return s.update(ctx, id, who.Subject, func(r *Record, t lifecycle.Turn) error {
		if r.Goal.Revision != revision {
			return fault.New(fault.Conflict, fault.PreconditionFailed, "somebody changed the goal since it was read: read it again")
		}
		return r.Goal.Replace(p, t, s.today())
	})
}

// ActivateGoal makes a draft a goal that can be ordered.
func (s *Service) ActivateGoal(ctx context.Context, id contract.GoalID, who Person) (Record, error) {
	return s.update(ctx, id, who.Subject, func(r *Record, t lifecycle.Turn) error { return r.Goal.Activated(t, s.today()) })
}

// CloseGoal ends the pursuit and withdraws what is ordered for it.
func (s *Service) CloseGoal(ctx context.Context, id contract.GoalID, reason string, who Person) (Record, error) {
	return s.update(ctx, id, who.Subject, func(r *Record, t lifecycle.Turn) error {
		t.Reason = reason
		return r.ClosedBy(t)
	})
}

// Draft prepares a directive for a goal.
func (s *Service) Draft(ctx context.Context, w Wish, who Person) (Directive, error) {
	r, err := s.o.Store.Record(ctx, w.Goal)
	if err != nil {
		return Directive{}, err
	}
	c, err := s.constraints(ctx, &r.Goal.Goal, w)
	if err != nil {
		return Directive{}, err
	}
	if w.Impact != "" && w.Impact != contract.NormalImpact && w.Impact != contract.HighImpact {
		return Directive{}, &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: "/impact", Text: "the impact is normal or high"}
	}
	if w.Expires != nil && !w.Expires.After(s.o.Now()) {
		return Directive{}, &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: "/expires", Text: "a directive cannot expire before it is issued"}
	}
	id := contract.DirectiveID(s.o.NewID())
	r, err = s.update(ctx, w.Goal, who.Subject, func(r *Record, t lifecycle.Turn) error { return r.Drafted(id, w, c, t) })
	return found(r, id, err)
}

// constraints returns what the wish asks for, its gaps filled with the defaults.
func (s *Service) constraints(ctx context.Context, g *contract.Goal, w Wish) (contract.Constraints, error) {
	d, err := s.o.Defaults(ctx, g)
	if err != nil || w.Constraints == nil {
		return d, err
	}
	c := *w.Constraints
	if len(c.Purposes) == 0 {
		c.Purposes = d.Purposes
	}
	for _, gap := range []struct{ have, def *int }{
		{&c.MinimumGroup, &d.MinimumGroup}, {&c.MinimumN, &d.MinimumN}, {&c.RetentionDays, &d.RetentionDays},
	} {
		if *gap.have == 0 {
			*gap.have = *gap.def
		}
	}
	if c.RequiredCoverage == 0 {
		c.RequiredCoverage = d.RequiredCoverage
	}
	if c.Tolerance == 0 {
		c.Tolerance = d.Tolerance
	}
	var wrong []error
	for _, bad := range []struct {
		is       bool
		at, text string
	}{
		{c.MinimumGroup < 1 || c.MinimumN < 1 || c.RetentionDays < 1, "/constraints", "group, n and days are positive whole numbers"},
		{c.RequiredCoverage <= 0 || c.RequiredCoverage > 1, "/constraints/requiredCoverage", "coverage is a share above 0 and up to 1"},
		{c.Tolerance <= 0 || c.Tolerance >= 1, "/constraints/tolerance", "the tolerance is a share between 0 and 1"},
		{c.Budget != nil && (c.Budget.Minor < 0 || c.Budget.Currency != s.o.Tenant.Currency), "/constraints/budget", "the budget is a positive amount in " + s.o.Tenant.Currency},
	} {
		if bad.is {
			wrong = append(wrong, &fault.Error{Kind: fault.Invalid, Code: fault.BadRequest, At: bad.at, Text: bad.text})
		}
	}
	return c, errors.Join(wrong...)
}

func found(r Record, id contract.DirectiveID, err error) (Directive, error) {
	if err != nil {
		return Directive{}, err
	}
	d, err := r.Directive(id)
	if err != nil {
		return Directive{}, err
	}
	return *d, nil
}

// Propose hands a draft to whoever approves. Whoever drafted it may have called it of normal impact; policy has the last word.
func (s *Service) Propose(ctx context.Context, id contract.DirectiveID, who Person) (Directive, error) {
	var w Weight
	weigh := func(ctx context.Context, q Question) (d contract.Decision, err error) {
		w, err = s.o.Policy.Impact(ctx, q)
		return w.Decision, err
	}
	return s.decided(ctx, id, who, Propose, weigh, func(r *Record, t lifecycle.Turn) error { return r.Proposed(id, w, t) })
}

// Withdraw ends a directive; if it was sent, everything below it ends too.
func (s *Service) Withdraw(ctx context.Context, id contract.DirectiveID, reason string, who Person) (Directive, error) {
	return s.change(ctx, id, who, func(r *Record, t lifecycle.Turn) error {
		t.Reason = reason
		return r.WithdrawnBy(id, t)
	})
}

func (s *Service) change(ctx context.Context, id contract.DirectiveID, who Person, change func(*Record, lifecycle.Turn) error) (Directive, error) {
	owner, err := s.o.Store.Owner(ctx, id)
	if err != nil {
		return Directive{}, err
	}
	r, err := s.update(ctx, owner, who.Subject, change)
	return found(r, id, err)
}

// Approve adds a person's approval, if policy lets them.
func (s *Service) Approve(ctx context.Context, id contract.DirectiveID, who Person) (Directive, error) {
	var w Weight
	return s.decided(ctx, id, who, Approve, s.weighed(&w, s.o.Policy.Approve), func(r *Record, t lifecycle.Turn) error {
		return r.ApprovedBy(id, w, who.Roles, t)
	})
}

// Issue sends a directive down, if policy lets it.
func (s *Service) Issue(ctx context.Context, id contract.DirectiveID, who Person) (Directive, error) {
	var w Weight
	return s.decided(ctx, id, who, Issue, s.weighed(&w, s.o.Policy.Issue), func(r *Record, t lifecycle.Turn) error {
		return r.IssuedAs(id, w, s.o.Tenant, t)
	})
}

// weighed asks about a directive with the impact that it has by the rules in force now, which may be other ones than when it
// was proposed, and leaves in w what was found.
func (s *Service) weighed(w *Weight, ask func(context.Context, Question) (contract.Decision, error)) func(context.Context, Question) (contract.Decision, error) {
	return func(ctx context.Context, q Question) (d contract.Decision, err error) {
		if *w, err = s.o.Policy.Impact(ctx, q); err != nil {
			return d, err
		}
		q.Directive.Impact = w.Impact
		return ask(ctx, q)
	}
}

// attempts bounds how often a decision is asked for anew because the record changed while it was made.
const attempts = 5

// decided asks policy about the record as it is and changes it only if it still is. An event that the state does not
// allow is refused before policy is asked.
func (s *Service) decided(ctx context.Context, id contract.DirectiveID, who Person, e Event,
	ask func(context.Context, Question) (contract.Decision, error), change func(*Record, lifecycle.Turn) error,
) (Directive, error) {
	ctx, span := s.o.Tracer.Start(ctx, "strategic.directive."+string(e))
	defer span.End()
	owner, err := s.o.Store.Owner(ctx, id)
	if err != nil {
		return Directive{}, err
	}
	for range attempts {
		seen, err := s.o.Store.Record(ctx, owner)
		if err != nil {
			return Directive{}, err
		}
		d, err := found(seen, id, nil)
		if err != nil {
			return d, err
		}
		if _, err := LifeCycle.Next(d.State, e, lifecycle.Person); err != nil {
			return d, err
		}
		decision, err := ask(ctx, Question{who, d, seen.Goal})
		if err != nil {
			return d, err
		}
		r, err := s.update(ctx, owner, who.Subject, func(r *Record, t lifecycle.Turn) error {
			if r.Version != seen.Version {
				return errMoved
			}
			t.Decision = &decision
			return change(r, t)
		})
		if !errors.Is(err, errMoved) {
			return found(r, id, err)
		}
	}
	return Directive{}, fault.New(fault.Conflict, fault.PreconditionFailed, "the directive kept changing while policy decided: read it again")
}

var errMoved = errors.New("the record changed since policy was asked")

// Answered applies an answer from below. One to a directive that nobody here issued is NotFound.
func (s *Service) Answered(ctx context.Context, a contract.Acknowledgement) error {
	owner, err := s.o.Store.Owner(ctx, a.Directive)
	if err != nil {
		return fmt.Errorf("answer to %s: %w", a.Directive, err)
	}
	_, err = s.update(ctx, owner, string(contract.Functional), func(r *Record, t lifecycle.Turn) error {
		_, err := r.Answered(a, s.o.Tenant.Zone, t)
		return err
	})
	return err
}

// Informed applies information from below. That on a goal that is not known here is NotFound.
func (s *Service) Informed(ctx context.Context, i contract.Information) error {
	_, err := s.update(ctx, i.Goal, string(contract.Functional), func(r *Record, _ lifecycle.Turn) error {
		r.Informed(i, s.o.Tenant.Zone)
		return nil
	})
	return err
}

// Restore puts one of this layer's own messages back.
func (s *Service) Restore(ctx context.Context, o contract.StrategicDirective) error {
	return s.o.Store.Update(ctx, o.Goal.ID, func(r *Record) error {
		r.Restore(o, s.turn(ctx, string(contract.Strategic)))
		return nil
	})
}

// Lapse ends every directive whose time is over by the wall clock.
func (s *Service) Lapse(ctx context.Context) error {
	due, err := s.o.Store.Due(ctx, s.o.Now())
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range slices.Compact(due) {
		_, err := s.update(ctx, id, string(lifecycle.Clock), func(r *Record, t lifecycle.Turn) error { return r.Lapse(t) })
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
