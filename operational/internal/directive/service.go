package directive

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strata-crm/strata/operational/internal/job"
	"github.com/strata-crm/strata/shared/contract"
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
}

// Sources tells who offers what.
type Sources interface {
	// Offers returns the sources by the parameters they offer.
	Offers(ctx context.Context) (map[contract.ParameterName][]contract.SourceID, error)
}

// Coverage measures how much of what was asked for is there.
type Coverage interface {
	// Coverage returns the share of customers, or of facts for transactional parameters, that have each of the
	// parameters; those for which fewer than 30 are known are absent.
	Coverage(ctx context.Context, ps []contract.Parameter) (map[contract.ParameterName]float64, error)
}

// Options are what a Service needs.
type Options struct {
	Store    Store
	Policy   Policy
	Sources  Sources
	Coverage Coverage
	Compiles func(*contract.Computation) *contract.Reason
	Changed  func() // called after the set in force may have changed; must not block
	Now      func() time.Time
	Trace    func(context.Context) string
}

// Service applies what arrives, and what the layer notices by itself, to the records.
type Service struct{ o Options }

// NewService returns a service, or an error naming what is missing.
func NewService(o Options) (*Service, error) {
	if o.Store == nil || o.Policy == nil || o.Sources == nil || o.Coverage == nil || o.Compiles == nil || o.Changed == nil || o.Now == nil || o.Trace == nil {
		return nil, errors.New("directive service: store, policy, sources, coverage, compiles, changed, now and trace are required")
	}
	return &Service{o}, nil
}

func (s *Service) turn(ctx context.Context) Turn {
	return Turn{Now: s.o.Now().UTC().Truncate(time.Millisecond), Trace: s.o.Trace(ctx)}
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
			return &contract.Reason{Code: "no_source", Item: string(lack[0])}
		}
		return s.o.Compiles(c)
	}
}

// Receive applies an operational directive.
func (s *Service) Receive(ctx context.Context, d contract.OperationalDirective) error {
	w, err := s.world(ctx)
	if err != nil {
		return err
	}
	v, err := s.o.Policy.Directive(ctx, &d)
	if err != nil {
		return fmt.Errorf("decide on directive %s: %w", d.ID, err)
	}
	fresh := false
	err = s.o.Store.Update(ctx, d.ID, func(r *Record) error {
		fresh = r.Order == nil || d.Revision > r.Order.Revision
		return Received(r, &d, v, w, s.turn(ctx))
	})
	if err != nil {
		return fmt.Errorf("receive directive %s: %w", d.ID, err)
	}
	if !fresh {
		return s.o.Store.Repeat(ctx, d.ID)
	}
	s.o.Changed()
	return nil
}

// Govern applies a governance directive.
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

// Look brings every running directive in line with the sources, the coverage and the wall clock as they are now, and
// returns how many answers changed.
func (s *Service) Look(ctx context.Context) (int, error) {
	records, err := s.o.Store.All(ctx)
	if err != nil {
		return 0, fmt.Errorf("look at directives: %w", err)
	}
	w, err := s.world(ctx)
	if err != nil {
		return 0, err
	}
	coverage, err := s.o.Coverage.Coverage(ctx, asked(records))
	if err != nil {
		return 0, fmt.Errorf("coverage: %w", err)
	}
	changed := 0
	for i := range records {
		if !records[i].Running() {
			continue
		}
		moved, err := s.look(ctx, records[i].ID(), coverage, w)
		if err != nil {
			return changed, err
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

func (s *Service) look(ctx context.Context, id contract.DirectiveID, coverage map[contract.ParameterName]float64, w World) (moved bool, err error) {
	err = s.o.Store.Update(ctx, id, func(r *Record) error {
		t := s.turn(ctx)
		over, err := Overdue(r, t)
		if err != nil || over {
			moved = over
			return err
		}
		moved, err = Observed(r, coverage, w, t)
		return err
	})
	return moved, err
}

// asked returns the parameters that running directives collect, each once.
func asked(records []Record) []contract.Parameter {
	var ps []contract.Parameter
	seen := map[contract.ParameterName]bool{}
	for i := range records {
		if !records[i].Running() {
			continue
		}
		for _, c := range records[i].Order.Collect {
			if !seen[c.Parameter.Name] {
				seen[c.Parameter.Name] = true
				ps = append(ps, c.Parameter)
			}
		}
	}
	return ps
}
