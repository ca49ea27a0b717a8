package governance

import (
	"context"
	"errors"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// Store keeps the record.
type Store interface {
	// Govern runs change on the record (an empty one at first) and stores what it leaves together with the version that
	// is to be sent, in one transaction. change may run several times; nothing is stored if it fails or changes nothing.
	Govern(ctx context.Context, change func(*Record) error) error
	// Governance returns the record; an empty one before the first proposal.
	Governance(ctx context.Context) (Record, error)
}

// Policy decides whether a version may be issued. A denial is a Denied fault with what to do.
type Policy interface {
	Govern(ctx context.Context, v Version, approvals []Approval) (contract.Decision, error)
}

// Options are what a Service needs. All are required.
type Options struct {
	Store  Store
	Policy Policy
	Now    func() time.Time
	Trace  func(context.Context) string
}

// Service changes the record as people and answers ask.
type Service struct{ o Options }

// NewService returns a service, or an error naming what is missing.
func NewService(o Options) (*Service, error) {
	if o.Store == nil || o.Policy == nil || o.Now == nil || o.Trace == nil {
		return nil, errors.New("governance service: store, policy, now and trace are required")
	}
	return &Service{o}, nil
}

func (s *Service) update(ctx context.Context, by string, change func(*Record, lifecycle.Turn) error) (Record, error) {
	var after Record
	err := s.o.Store.Govern(ctx, func(r *Record) error {
		err := change(r, lifecycle.Turn{Now: s.o.Now().UTC().Truncate(time.Millisecond), By: by, Trace: s.o.Trace(ctx)})
		after = *r
		return err
	})
	return after, err
}

// Begin proposes the default rules where nothing was proposed yet.
func (s *Service) Begin(ctx context.Context) error {
	_, err := s.update(ctx, string(contract.Strategic), func(r *Record, t lifecycle.Turn) error {
		if len(r.Versions) > 0 {
			return nil
		}
		return r.Propose(Default(), t)
	})
	return err
}

// Propose adds a version for two executives to approve.
func (s *Service) Propose(ctx context.Context, rules Rules, who string) (Record, error) {
	if err := rules.Check(); err != nil {
		return Record{}, err
	}
	return s.update(ctx, who, func(r *Record, t lifecycle.Turn) error { return r.Propose(rules, t) })
}

// Withdraw takes back a version that waits for approval.
func (s *Service) Withdraw(ctx context.Context, number int, reason, who string) (Record, error) {
	return s.update(ctx, who, func(r *Record, t lifecycle.Turn) error {
		t.Reason = reason
		return r.Withdraw(number, t)
	})
}

var errMoved = errors.New("the record changed since policy was asked")

const attempts = 5

// Approve adds a person's approval. The second one, by another executive, sends the version if policy lets it. Two at once
// meet in the record: one is the first and the other the second.
func (s *Service) Approve(ctx context.Context, number int, who string, roles []string) (Record, error) {
	for range attempts {
		seen, err := s.o.Store.Governance(ctx)
		if err != nil {
			return seen, err
		}
		v, err := seen.Find(number)
		if err != nil {
			return seen, err
		}
		e, err := v.NextApproval(who)
		if err != nil {
			return seen, err
		}
		var decision *contract.Decision
		if e == Issue {
			d, err := s.o.Policy.Govern(ctx, *v, append(append([]Approval(nil), v.Approvals...), Approval{Subject: who, Roles: roles}))
			if err != nil {
				return seen, err
			}
			decision = &d
		}
		after, err := s.update(ctx, who, func(r *Record, t lifecycle.Turn) error {
			if r.Version != seen.Version {
				return errMoved
			}
			t.Decision = decision
			return r.Approve(number, roles, t)
		})
		if !errors.Is(err, errMoved) {
			return after, err
		}
	}
	return Record{}, fault.New(fault.Conflict, fault.PreconditionFailed, "the governance directive kept changing: read it again")
}

// Answered applies an answer from below.
func (s *Service) Answered(ctx context.Context, a contract.Acknowledgement) error {
	_, err := s.update(ctx, string(contract.Functional), func(r *Record, t lifecycle.Turn) error { return r.Answered(a, t) })
	return err
}

// Restore puts one of this layer's own messages back.
func (s *Service) Restore(ctx context.Context, g contract.GovernanceDirective) error {
	_, err := s.update(ctx, string(contract.Strategic), func(r *Record, t lifecycle.Turn) error {
		r.Restore(g, t)
		return nil
	})
	return err
}

// Rules returns the rules that were sent last; Conflict, saying what to do, while none were.
func (s *Service) Rules(ctx context.Context) (Rules, error) {
	r, err := s.o.Store.Governance(ctx)
	if err != nil {
		return Rules{}, err
	}
	v := r.Sent()
	if v == nil {
		return Rules{}, fault.New(fault.Conflict, fault.PolicyDenied, "no governance directive is in force: two different executives approve one first")
	}
	return v.Rules, nil
}
