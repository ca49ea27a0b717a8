package knowledge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// Query selects records; what is empty selects all.
type Query struct {
	Goal     contract.GoalID
	State    State
	Accepted bool // only what is or was knowledge
	After    contract.InsightID
	Limit    int
}

// Store keeps records.
type Store interface {
	// Learn runs change on the record of an insight (an empty one where there is none) and that of its goal, and stores what
	// it leaves of both in one transaction. change may run several times; nothing is stored if it fails or changes nothing.
	Learn(ctx context.Context, id contract.InsightID, g contract.GoalID, change func(*Record, *directive.Record) error) error
	// Insight returns a record; NotFound if there is none.
	Insight(ctx context.Context, id contract.InsightID) (Record, error)
	// Record returns the record of a goal; NotFound if there is none.
	Record(ctx context.Context, id contract.GoalID) (directive.Record, error)
	// Stale returns the records whose expiry has passed at an instant, and those that another policy bundle decided on.
	Stale(ctx context.Context, at time.Time, bundle string) ([]Record, error)
}

// Policy decides. A denial is an answer, not an error.
type Policy interface {
	// Know says whether an insight may be, or stay, knowledge.
	Know(ctx context.Context, q Question) (Verdict, error)
	// Rest says whether a goal's status may rest on an insight of which these verdicts fell.
	Rest(ctx context.Context, fallen []contract.Question) (contract.Decision, bool, error)
	// Bundle names what decides now, the company's rules included.
	Bundle(ctx context.Context) (string, error)
}

// Options are what a Service needs. All are required.
type Options struct {
	Store  Store
	Policy Policy
	Zone   *time.Location
	Now    func() time.Time
	Trace  func(context.Context) string // the trace id in a context; empty if none
}

// Service changes records as insights come, the rules change, and time passes.
type Service struct{ o Options }

// NewService returns a service, or an error naming what is missing.
func NewService(o Options) (*Service, error) {
	if o.Store == nil || o.Policy == nil || o.Zone == nil || o.Now == nil || o.Trace == nil {
		return nil, errors.New("knowledge service: store, policy, zone, now and trace are required")
	}
	return &Service{o}, nil
}

func (s *Service) turn(ctx context.Context) lifecycle.Turn {
	return lifecycle.Turn{Now: s.o.Now().UTC().Truncate(time.Millisecond), Trace: s.o.Trace(ctx)}
}

// errMoved makes policy be asked again about the record as it is now.
var errMoved = errors.New("the record changed since policy was asked")

const attempts = 5

// Learn applies an insight from below. One on a goal or of a directive that is not known here is NotFound. clash says that
// another insight of this revision came before; the first one counts.
func (s *Service) Learn(ctx context.Context, i contract.Insight) (clash bool, err error) {
	for range attempts {
		seen, err := s.o.Store.Insight(ctx, i.ID)
		if err != nil && !fault.Is(err, fault.NotFound) {
			return false, fmt.Errorf("learn %s: %w", i.ID, err)
		}
		if !seen.Newer(&i) {
			return seen.Insight.Revision == i.Revision && !contract.Same(seen.Insight, i), nil
		}
		err = s.decide(ctx, seen, func(r *Record, t lifecycle.Turn) error {
			err := r.Lapsed(t) // what was over before this came is not kept by it, but judged anew
			r.Hear(i, t.Now)
			return err
		})
		if !errors.Is(err, errMoved) {
			return false, err
		}
	}
	return false, fault.New(fault.Transient, "", "insight %s kept changing while policy decided", i.ID)
}

// decide asks policy about what a change makes of a record, and stores both if the record is still as it was seen.
func (s *Service) decide(ctx context.Context, seen Record, change func(*Record, lifecycle.Turn) error) error {
	t, next := s.turn(ctx), seen
	if err := change(&next, t); err != nil {
		return err
	}
	i := &next.Insight
	g, err := s.o.Store.Record(ctx, i.Goal)
	if err != nil {
		return fmt.Errorf("learn %s: %w", i.ID, err)
	}
	d, err := g.Directive(i.Strategic)
	if err != nil {
		return fmt.Errorf("learn %s: %w", i.ID, err)
	}
	v, err := s.judge(ctx, &next, &g, d, t.Now)
	if err != nil {
		return fmt.Errorf("judge %s: %w", i.ID, err)
	}
	return s.o.Store.Learn(ctx, i.ID, i.Goal, func(r *Record, g *directive.Record) error {
		if r.Version != seen.Version {
			return errMoved
		}
		if err := change(r, t); err != nil {
			return err
		}
		if err := r.Judged(v, d, t); err != nil {
			return err
		}
		if Own(g, &r.Insight) {
			g.RestOn(r.Insight, r.Ground(v), s.o.Zone)
		}
		return nil
	})
}

func (s *Service) judge(ctx context.Context, r *Record, g *directive.Record, d *directive.Directive, now time.Time) (Verdict, error) {
	var v Verdict
	var err error
	if q, ok := r.Ask(d, now); ok {
		if v, err = s.o.Policy.Know(ctx, q); err != nil {
			return v, err
		}
		v.Asked = true
	} else if v.Bundle, err = s.o.Policy.Bundle(ctx); err != nil {
		return v, err
	}
	if r.FellAsOf == nil || !Own(g, &r.Insight) {
		return v, nil
	}
	decision, allowed, err := s.o.Policy.Rest(ctx, fallen(&r.Insight))
	v.Rest, v.Bars = &decision, !allowed
	return v, err
}

// fallen returns the questions whose verdict fell.
func fallen(i *contract.Insight) []contract.Question {
	var qs []contract.Question
	for _, x := range []struct {
		q contract.Question
		v contract.Verdict
	}{
		{contract.Volume, i.Verdicts.Volume}, {contract.VelocityOf, i.Verdicts.Velocity}, {contract.Variety, i.Verdicts.Variety},
		{contract.Variability, i.Verdicts.Variability}, {contract.Veracity, i.Verdicts.Veracity},
	} {
		if x.v == contract.Fails {
			qs = append(qs, x.q)
		}
	}
	return qs
}

// Review takes back what has expired by the wall clock, and has policy decide anew on what was decided by other rules than
// those in force.
func (s *Service) Review(ctx context.Context) error {
	bundle, err := s.o.Policy.Bundle(ctx)
	if err != nil {
		return fmt.Errorf("review knowledge: %w", err)
	}
	stale, err := s.o.Store.Stale(ctx, s.o.Now().UTC(), bundle)
	if err != nil {
		return fmt.Errorf("review knowledge: %w", err)
	}
	var errs []error
	for _, r := range stale {
		err := s.decide(ctx, r, (*Record).Lapsed)
		if !errors.Is(err, errMoved) { // what moved was decided just now
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
