package definition

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Store keeps families.
type Store interface {
	// Families returns every family.
	Families(ctx context.Context) ([]Family, error)
	// Family returns the family of a metric; an empty one if nobody added a version.
	Family(ctx context.Context, m contract.MetricID) (Family, error)
	// ChangeFamily runs change on the family of a metric and stores what it leaves, by compare-and-set on its revision.
	// change may run several times; nothing is stored if it fails.
	ChangeFamily(ctx context.Context, m contract.MetricID, change func(*Family) error) error
}

// Library is the definitions that come with the product and from the library's folder, and what is in use.
type Library interface {
	// Check returns nil if the definition is valid, else an error naming every place that is wrong.
	Check(d *contract.Definition) error
	// Shipped returns the shipped definition of a metric; nil if there is none.
	Shipped(m contract.MetricID) *contract.Definition
	// Needs reports whether a playbook names the metric.
	Needs(m contract.MetricID) bool
	// Use puts families to use, each instead of what was in use of its metric; not one that is older than what is in use.
	Use(fs ...Family)
}

// Options are what a Service needs; all are required.
type Options struct {
	Store   Store
	Library Library
	Now     func() time.Time
	Trace   func(context.Context) string // the trace id in a context; empty if none
}

// Service leads versions through their lives.
type Service struct{ o Options }

// NewService returns a service, or an error naming what is missing.
func NewService(o Options) (*Service, error) {
	if o.Store == nil || o.Library == nil || o.Now == nil || o.Trace == nil {
		return nil, errors.New("definition service: store, library, now and trace are required")
	}
	return &Service{o}, nil
}

// Load puts what is stored to use, as other replicas may have changed it.
func (s *Service) Load(ctx context.Context) error {
	fs, err := s.o.Store.Families(ctx)
	if err != nil {
		return fmt.Errorf("load definitions: %w", err)
	}
	s.o.Library.Use(fs...)
	return nil
}

// Versions returns every version of a metric, newest first; NotFound if there is none.
func (s *Service) Versions(ctx context.Context, m contract.MetricID) ([]Version, error) {
	f, err := s.o.Store.Family(ctx, m)
	if err != nil {
		return nil, err
	}
	vs := f.List(s.o.Library.Shipped(m))
	if len(vs) == 0 {
		return nil, fault.New(fault.NotFound, fault.UnknownMetric, "there is no metric %s", m)
	}
	return vs, nil
}

// Version returns one version of a metric; NotFound if there is none.
func (s *Service) Version(ctx context.Context, m contract.MetricID, version string) (Version, error) {
	vs, err := s.Versions(ctx, m)
	if err != nil {
		return Version{}, err
	}
	for _, v := range vs {
		if v.Definition.Version == version {
			return v, nil
		}
	}
	return Version{}, noVersion(m, version)
}

func noVersion(m contract.MetricID, version string) error {
	return fault.New(fault.NotFound, fault.UnknownMetric, "metric %s has no version %s", m, version)
}

// Draft adds a version; Invalid with every wrong place or the number that is expected, Conflict if the number is taken.
func (s *Service) Draft(ctx context.Context, d contract.Definition, by string) (Version, error) {
	if err := s.o.Library.Check(&d); err != nil {
		return Version{}, err
	}
	return s.change(ctx, d.ID, d.Version, func(f *Family) error {
		return f.drafted(d, s.o.Library.Shipped(d.ID), s.entry(ctx, by, ""))
	})
}

// Edit replaces what a draft says. revision is the one that was seen. A reviewed version is a draft again.
func (s *Service) Edit(ctx context.Context, d contract.Definition, revision int64, by string) (Version, error) {
	if err := s.o.Library.Check(&d); err != nil {
		return Version{}, err
	}
	return s.change(ctx, d.ID, d.Version, func(f *Family) error {
		v, err := f.seen(d.Version, revision)
		if err != nil {
			return err
		}
		return f.edited(v, d, s.o.Library.Shipped(d.ID), s.entry(ctx, by, ""))
	})
}

// Move causes an event on a version. revision is the one that was seen; why may be empty.
func (s *Service) Move(ctx context.Context, m contract.MetricID, version string, revision int64, e Event, by, why string) (Version, error) {
	shipped := s.o.Library.Shipped(m)
	return s.change(ctx, m, version, func(f *Family) error {
		if _, ok := f.find(version); !ok && shippedVersion(shipped) == version {
			f.Versions = append(f.Versions, Shipped(*shipped)) // its life goes on here
		}
		v, err := f.seen(version, revision)
		if err != nil {
			return err
		}
		if err := f.moved(v, e, shipped, s.entry(ctx, by, why)); err != nil {
			return err
		}
		if f.InUse(shipped) == nil && e == Retire && s.o.Library.Needs(m) {
			return fault.New(fault.Conflict, fault.IllegalTransition, "a playbook needs %s, and no other version is certified: certify another one first", m)
		}
		return nil
	})
}

// Restored puts a certified definition back that an order of this layer carries, after the database was lost. A version
// that ships, or is known, stays as it is.
func (s *Service) Restored(ctx context.Context, d contract.Definition) error {
	if sh := s.o.Library.Shipped(d.ID); sh != nil && sh.Version == d.Version {
		return nil
	}
	err := s.o.Store.ChangeFamily(ctx, d.ID, func(f *Family) error {
		f.restored(d, s.entry(ctx, "recovery", ""))
		return nil
	})
	if err != nil {
		return fmt.Errorf("restore metric %s %s: %w", d.ID, d.Version, err)
	}
	return s.Load(ctx)
}

func (s *Service) entry(ctx context.Context, by, why string) Change {
	return Change{At: s.o.Now().UTC().Truncate(time.Millisecond), By: by, Reason: why, Trace: s.o.Trace(ctx)}
}

// seen returns the version if it is still the one that somebody saw.
func (f *Family) seen(version string, revision int64) (*Version, error) {
	v, ok := f.find(version)
	if !ok {
		return nil, noVersion(f.Metric, version)
	}
	if v.Revision != revision {
		return nil, fault.New(fault.Conflict, fault.PreconditionFailed, "the version has changed: read it again")
	}
	return v, nil
}

func (s *Service) change(ctx context.Context, m contract.MetricID, version string, change func(*Family) error) (Version, error) {
	if err := s.o.Store.ChangeFamily(ctx, m, change); err != nil {
		return Version{}, err
	}
	f, err := s.o.Store.Family(ctx, m)
	if err != nil {
		return Version{}, err
	}
	s.o.Library.Use(f)
	return s.Version(ctx, m, version)
}
