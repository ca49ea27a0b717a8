package directive

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/job"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Store keeps records.
type Store interface {
	// Update runs change on the record of a directive (an empty one where there is none) and stores what it leaves, with
	// the answer to publish if its revision rose, in one transaction. change may run several times. Nothing is stored if
	// it fails or leaves the record as it was.
	Update(ctx context.Context, id contract.DirectiveID, change func(*Record) error) error
	// All returns every record of an operational directive. There are as many as plan parts: dozens, not thousands.
	All(ctx context.Context) ([]Record, error)
	// Repeat publishes the current answer to a directive again.
	Repeat(ctx context.Context, id contract.DirectiveID) error
}

// Policy decides.
type Policy interface {
	// Directive decides whether a directive may be carried out under the governance in force.
	Directive(ctx context.Context, d *contract.OperationalDirective) (Verdict, error)
	// Bundle names the rules in force, as decisions made by them do.
	Bundle() string
}

// Sources tells who offers what.
type Sources interface {
	// Offers returns the sources by the parameters they offer.
	Offers(ctx context.Context) (map[contract.ParameterName][]contract.SourceID, error)
}

// Coverage measures how much of what was asked for is there.
type Coverage interface {
	// Coverage returns the share of customers, or of facts for transactional parameters, that have each of the
	// parameters; those for which fewer than 30 are known are absent. held is what the facts that carry each cost; absent
	// for what is not a fact.
	Coverage(ctx context.Context, ps []contract.Parameter) (share map[contract.ParameterName]float64, held map[contract.ParameterName]job.Held, err error)
}

// Options are what a Service needs.
type Options struct {
	Store    Store
	Policy   Policy
	Sources  Sources
	Coverage Coverage
	Meter    *job.Meter // of the time that computing takes; nil: answers do not tell it
	Compiles func(*contract.Computation) *contract.Reason
	Changed  func() // called after the set in force may have changed; must not block
	Now      func() time.Time
	Trace    func(context.Context) string // the trace id in a context; empty if none
	Span     func(context.Context) string // the span in a context as a W3C traceparent; empty if none
	Logger   *slog.Logger
}

// Service applies what arrives, and what the layer notices by itself, to the records.
type Service struct{ o Options }

// NewService returns a service, or an error naming what is missing.
func NewService(o Options) (*Service, error) {
	if o.Store == nil || o.Policy == nil || o.Sources == nil || o.Coverage == nil || o.Compiles == nil || o.Changed == nil || o.Now == nil || o.Trace == nil || o.Span == nil || o.Logger == nil {
		return nil, errors.New("directive service: store, policy, sources, coverage, compiles, changed, now, trace, span and logger are required")
	}
	return &Service{o}, nil
}

func (s *Service) turn(ctx context.Context) Turn {
	return Turn{Now: s.o.Now().UTC().Truncate(time.Millisecond), Trace: s.o.Trace(ctx), Traceparent: s.o.Span(ctx)}
}

func (s *Service) world(ctx context.Context) (World, error) {
	offers, err := s.o.Sources.Offers(ctx)
	if err != nil {
		return World{}, fmt.Errorf("who offers what: %w", err)
	}
	return World{
		Offers:   func(p contract.ParameterName) []contract.SourceID { return offers[p] },
		Compiles: s.compiles(offers),
	}, nil
}

// compiles refuses metrics whose data nobody offers before those that cannot be computed.
func (s *Service) compiles(offers map[contract.ParameterName][]contract.SourceID) func(*contract.Computation) *contract.Reason {
	return func(c *contract.Computation) *contract.Reason {
		lack := job.Lacking(&c.Metric, func(p contract.ParameterName) []contract.SourceID { return offers[p] })
		if len(lack) > 0 {
			return &contract.Reason{Code: fault.NoSource, Item: string(lack[0])}
		}
		return s.o.Compiles(c)
	}
}

// Receive applies an operational directive. One that is not newer is answered again as before.
func (s *Service) Receive(ctx context.Context, d contract.OperationalDirective) error {
	w, err := s.world(ctx)
	if err != nil {
		return err
	}
	v, err := s.o.Policy.Directive(ctx, &d)
	if err != nil {
		return fmt.Errorf("decide on directive %s: %w", d.ID, err)
	}
	fresh, clash := false, false
	err = s.o.Store.Update(ctx, d.ID, func(r *Record) error {
		fresh, clash = r.Order == nil || d.Revision > r.Order.Revision, clashes(r.Order, &d)
		return Received(r, &d, v, w, s.turn(ctx))
	})
	if err != nil {
		return fmt.Errorf("receive directive %s: %w", d.ID, err)
	}
	if clash {
		s.o.Logger.ErrorContext(ctx, "two different directives have one revision; the first one stays",
			"code", fault.RevisionConflict, "directive", d.ID, "revision", d.Revision)
	}
	if !fresh {
		return s.o.Store.Repeat(ctx, d.ID)
	}
	s.o.Changed()
	return nil
}

// clashes reports whether two directives of one revision say different things.
func clashes(a, b *contract.OperationalDirective) bool {
	if a == nil || a.Revision != b.Revision {
		return false
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX != nil || errY != nil || !bytes.Equal(x, y)
}

// Govern applies a governance directive. What it changes for running directives, Look finds.
func (s *Service) Govern(ctx context.Context, g contract.GovernanceDirective) error {
	fresh := false
	err := s.o.Store.Update(ctx, g.ID, func(r *Record) (err error) {
		fresh, err = Governed(r, &g, s.turn(ctx))
		return err
	})
	if err == nil && !fresh {
		return s.o.Store.Repeat(ctx, g.ID)
	}
	return err
}

// Look decides on every directive that waits, and brings every running one in line with the rules, the sources, the coverage and the wall clock as they are
// now, and returns how many answers changed.
func (s *Service) Look(ctx context.Context) (int, error) {
	records, err := s.o.Store.All(ctx)
	if err != nil {
		return 0, fmt.Errorf("look at directives: %w", err)
	}
	records = slices.DeleteFunc(records, func(r Record) bool { return !r.Running() && !r.Waits() })
	if len(records) == 0 {
		return 0, nil
	}
	w, err := s.world(ctx)
	if err != nil {
		return 0, err
	}
	var o Observation
	if o.Coverage, o.Held, err = s.o.Coverage.Coverage(ctx, asked(records)); err != nil {
		return 0, fmt.Errorf("coverage: %w", err)
	}
	if s.o.Meter != nil {
		o.Spent = s.o.Meter.Spent()
	}
	changed := 0
	for i := range records {
		moved, err := s.look(ctx, &records[i], o, w)
		if err != nil {
			return changed, fmt.Errorf("look at directive %s: %w", records[i].ID(), err)
		}
		if moved {
			changed++
		}
	}
	if changed > 0 {
		s.o.Changed()
	}
	return changed, nil
}

func (s *Service) look(ctx context.Context, seen *Record, o Observation, w World) (moved bool, err error) {
	var ruled *Verdict
	if seen.Bundle != s.o.Policy.Bundle() {
		v, err := s.o.Policy.Directive(ctx, seen.Order)
		if err != nil {
			return false, err
		}
		ruled = &v
	}
	var written []job.Job
	err = s.o.Store.Update(ctx, seen.ID(), func(r *Record) (err error) {
		moved, written = false, nil
		t := s.turn(ctx)
		if r.Order == nil || r.Order.Revision != seen.Order.Revision {
			return nil // it changed meanwhile, and was judged as it is now
		}
		if moved, err = Overdue(r, t); err != nil || moved {
			return err
		}
		if ruled != nil {
			if moved, err = again(r, *ruled, w, t); err != nil || moved {
				return err
			}
		}
		moved, err = Observed(r, o, w, t)
		if moved {
			written = r.Jobs
		}
		return err
	})
	if err == nil {
		s.told(written, o)
	}
	return moved, err
}

// told takes off the meter what has just been written into jobs.
func (s *Service) told(jobs []job.Job, o Observation) {
	for _, j := range jobs {
		if took := o.Spent[j.ID]; took > 0 {
			s.o.Meter.Told(j.ID, took)
		}
	}
}

// again applies what policy says of a directive on which it spoke under other rules, or not at all.
func again(r *Record, v Verdict, w World, t Turn) (bool, error) {
	if r.Waits() {
		return Decided(r, v, w, t)
	}
	return Ruled(r, v, t)
}

// asked returns the parameters that running directives collect, each once.
func asked(records []Record) []contract.Parameter {
	var ps []contract.Parameter
	seen := map[contract.ParameterName]bool{}
	for i := range records {
		for _, c := range records[i].Order.Collect {
			if !seen[c.Parameter.Name] {
				seen[c.Parameter.Name] = true
				ps = append(ps, c.Parameter)
			}
		}
	}
	return ps
}
