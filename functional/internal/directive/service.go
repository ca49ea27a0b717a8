package directive

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Store keeps records.
type Store interface {
	// Update runs change on the record of a directive (an empty one where there is none), and stores what it leaves
	// together with the messages that follow from it, in one transaction: the answer upward, and the orders and the
	// governance directive downward, wherever their revision rose. change may run several times. Nothing is stored if it
	// fails or leaves the record as it was.
	Update(ctx context.Context, id contract.DirectiveID, change func(*Record) error) error
	// Get returns the record; NotFound if there is none.
	Get(ctx context.Context, id contract.DirectiveID) (Record, error)
	// Owner returns the id of the record that issued an operational directive; NotFound if none did.
	Owner(ctx context.Context, operational contract.DirectiveID) (contract.DirectiveID, error)
	// Repeat publishes the current answer to the directive again.
	Repeat(ctx context.Context, id contract.DirectiveID) error
	// Governance returns the governance directive with the highest version in force; NotFound if there is none.
	Governance(ctx context.Context) (contract.GovernanceDirective, error)
	// Drafted returns the ids of directives that are received and whose plan waits for approval.
	Drafted(ctx context.Context) ([]contract.DirectiveID, error)
}

// Policy decides.
type Policy interface {
	// Plan decides whether a plan may be approved by somebody. A denial is a decision, not an error.
	Plan(ctx context.Context, d *contract.StrategicDirective, p *plan.Plan, by Approver) (contract.Decision, bool, error)
	// Trial decides whether somebody may try a metric on the data that the parts collect. A denial is a decision.
	Trial(ctx context.Context, p *plan.Plan, by Approver) (contract.Decision, bool, error)
}

// Approver is who approves a plan: a manager, or policy itself where the layers overlap.
type Approver struct {
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
}

// Options are what a Service needs.
type Options struct {
	Tenant  contract.TenantID
	Store   Store
	Library plan.Library
	Policy  Policy
	// AutoApprove lets policy approve plans without a manager, as where one person fills several layers.
	AutoApprove bool
	Now         func() time.Time
	NewID       func() string
	Logger      *slog.Logger
	Trace       func(context.Context) string // the trace id in a context; empty if none
}

// Service applies what arrives to the records.
type Service struct{ o Options }

// NewService returns a service, or an error naming what is missing.
func NewService(o Options) (*Service, error) {
	if o.Tenant == "" || o.Store == nil || o.Library == nil || o.Policy == nil || o.Now == nil || o.NewID == nil || o.Trace == nil || o.Logger == nil {
		return nil, fmt.Errorf("directive service: tenant, store, library, policy, now, newID, logger and trace are required")
	}
	return &Service{o}, nil
}

func (s *Service) turn(ctx context.Context) Turn {
	return Turn{Tenant: s.o.Tenant, Now: s.o.Now().UTC().Truncate(time.Millisecond), Trace: s.o.Trace(ctx)}
}

// Receive applies a strategic directive, and approves its plan where policy may.
func (s *Service) Receive(ctx context.Context, d contract.StrategicDirective) error {
	owners, err := s.owners(ctx)
	if err != nil {
		return err
	}
	id := contract.PlanID(s.o.NewID())
	again, clash := false, false
	err = s.o.Store.Update(ctx, d.ID, func(r *Record) error {
		again = r.Strategic != nil && d.Revision == r.Strategic.Revision
		clash = again && !contract.Same(r.Strategic, &d)
		Received(r, &d, s.o.Library, id, s.turn(ctx))
		if r.Plan != nil && r.Plan.ID == id { // drafted now: a message that is old, or an end, changes nobody's plan
			r.Plan.Own(owners)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("receive directive %s: %w", d.ID, err)
	}
	s.alarm(ctx, clash, &d.Order)
	if s.o.AutoApprove { // also when the directive comes again because a crash lay between its receipt and this
		if err := s.approveDraft(ctx, d.ID); err != nil {
			return err
		}
	}
	if again {
		return s.o.Store.Repeat(ctx, d.ID)
	}
	return nil
}

// owners returns who answers for each type of data by the governance in force; nobody while there is none.
func (s *Service) owners(ctx context.Context) ([]contract.DataOwner, error) {
	g, err := s.o.Store.Governance(ctx)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return nil, err
	}
	return g.Owners, nil
}

// alarm tells that two different directives came with one revision; the first one counts.
func (s *Service) alarm(ctx context.Context, clash bool, o *contract.Order) {
	if clash {
		s.o.Logger.ErrorContext(ctx, "two different directives have one revision", "code", fault.RevisionConflict, "directive", o.ID, "revision", o.Revision)
	}
}

// ApproveDrafts asks policy about every plan that waits, where policy may approve. Call it when governance has come into
// force: until then drafts wait, since nothing says what is allowed.
func (s *Service) ApproveDrafts(ctx context.Context) error {
	if !s.o.AutoApprove {
		return nil
	}
	ids, err := s.o.Store.Drafted(ctx)
	if err != nil {
		return fmt.Errorf("list drafted plans: %w", err)
	}
	for _, id := range ids {
		if err := s.approveDraft(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) approveDraft(ctx context.Context, id contract.DirectiveID) error {
	r, err := s.o.Store.Get(ctx, id)
	if err != nil || r.Strategic == nil || r.Plan == nil || r.Plan.State != plan.Drafted {
		return err
	}
	if _, err := s.o.Store.Governance(ctx); fault.Is(err, fault.NotFound) {
		return nil
	} else if err != nil {
		return err
	}
	_, err = s.approve(ctx, r, plan.ByPolicy, Approver{Subject: "policy", Roles: []string{"service"}})
	if fault.CodeOf(err) == fault.PolicyDenied {
		return nil // the denial is the answer
	}
	return err
}

// Approve approves the plan of a directive as a manager. revision is the plan's that the manager saw.
func (s *Service) Approve(ctx context.Context, id contract.DirectiveID, revision int64, by Approver) (Record, error) {
	r, err := s.seen(ctx, id, revision)
	if err != nil {
		return r, err
	}
	return s.approve(ctx, r, plan.ByManager, by)
}

// seen returns the record if its plan is still the one that somebody saw.
func (s *Service) seen(ctx context.Context, id contract.DirectiveID, revision int64) (Record, error) {
	r, err := s.o.Store.Get(ctx, id)
	switch {
	case err != nil:
		return r, err
	case r.Plan == nil || r.Plan.Revision != revision:
		return r, fault.New(fault.Conflict, fault.PreconditionFailed, "the plan has changed: read it again")
	case r.Strategic == nil:
		return r, fault.New(fault.Transient, fault.Unavailable, "this layer has lost its database and waits for the directive to be published again: try again soon")
	}
	return r, nil
}

func (s *Service) approve(ctx context.Context, seen Record, actor plan.Actor, by Approver) (Record, error) {
	decision, allowed, err := s.o.Policy.Plan(ctx, seen.Strategic, seen.Plan, by)
	if err != nil {
		return seen, fmt.Errorf("decide on plan %s: %w", seen.Plan.ID, err)
	}
	owners, err := s.owners(ctx) // it may have been drafted before they were known
	if err != nil {
		return seen, err
	}
	var after Record
	err = s.o.Store.Update(ctx, seen.ID(), func(r *Record) error {
		if r.Plan == nil || r.Plan.ID != seen.Plan.ID || r.Plan.Revision != seen.Plan.Revision {
			return fault.New(fault.Conflict, fault.PreconditionFailed, "the plan has changed: read it again")
		}
		t := s.turn(ctx)
		t.Decision = &decision
		if !allowed {
			Denied(r, t, decision.Rule)
			after = *r
			return nil
		}
		r.Plan.Own(owners)
		err := Approved(r, actor, by.Subject, t)
		after = *r
		return err
	})
	if err == nil && !allowed {
		err = denied(decision)
	}
	return after, err
}

func denied(d contract.Decision) error {
	return fault.New(fault.Denied, fault.PolicyDenied, "policy %s does not allow this plan (decision %s)", d.Rule, d.ID)
}

// Edit changes the plan of a directive. revision is the plan's that the manager saw. What is issued at once, because the
// plan is active, is decided by policy first.
func (s *Service) Edit(ctx context.Context, id contract.DirectiveID, revision int64, parts []plan.Part, c contract.Constraints, by Approver) (Record, error) {
	seen, err := s.seen(ctx, id, revision)
	if err != nil {
		return seen, err
	}
	decision, err := s.editable(ctx, seen, parts, c, by)
	if err != nil {
		return seen, err
	}
	var after Record
	err = s.o.Store.Update(ctx, id, func(r *Record) error {
		if r.Plan == nil || r.Plan.Revision != revision {
			return fault.New(fault.Conflict, fault.PreconditionFailed, "the plan has changed: read it again")
		}
		t := s.turn(ctx)
		t.Decision = decision
		err := Edited(r, parts, c, by.Subject, t)
		after = *r
		return err
	})
	return after, err
}

// editable returns the decision on an edit of an active plan; nil for a draft, which is decided when it is approved.
func (s *Service) editable(ctx context.Context, seen Record, parts []plan.Part, c contract.Constraints, by Approver) (*contract.Decision, error) {
	if seen.Plan.State != plan.Active {
		return nil, nil
	}
	next, err := plan.Edited(*seen.Plan, parts, c, seen.Strategic)
	if err != nil {
		return nil, err
	}
	d, allowed, err := s.o.Policy.Plan(ctx, seen.Strategic, &next, by)
	if err != nil {
		return nil, fmt.Errorf("decide on plan %s: %w", next.ID, err)
	}
	if !allowed {
		return nil, denied(d)
	}
	return &d, nil
}

// Answered applies an answer of the operational layer. An answer to a directive nobody here issued is NotFound.
func (s *Service) Answered(ctx context.Context, a contract.Acknowledgement) error {
	owner, err := s.o.Store.Owner(ctx, a.Directive)
	if err != nil {
		return fmt.Errorf("answer to %s: %w", a.Directive, err)
	}
	return s.o.Store.Update(ctx, owner, func(r *Record) error {
		Answered(r, a, s.turn(ctx))
		return nil
	})
}

// Govern applies a governance directive and passes it on.
func (s *Service) Govern(ctx context.Context, g contract.GovernanceDirective) error {
	again, clash := false, false
	err := s.o.Store.Update(ctx, g.ID, func(r *Record) error {
		again = r.Governance != nil && g.Revision == r.Governance.Revision
		clash = again && !contract.Same(r.Governance, &g)
		Governed(r, &g, s.turn(ctx))
		return nil
	})
	if err != nil {
		return fmt.Errorf("receive governance %s: %w", g.ID, err)
	}
	s.alarm(ctx, clash, &g.Order)
	if again {
		return s.o.Store.Repeat(ctx, g.ID)
	}
	return nil
}
