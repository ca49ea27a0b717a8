// Package egress is the one way up for numbers: it checks what is to be published, suppresses groups that are too small,
// and gives each measurement its revision. Nothing else writes measurements.
package egress

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Policy decides whether a measurement may go up.
type Policy interface {
	// Egress reports whether policy allows it. smallest is the number of customers in the smallest group that can be read
	// from the measurement, 0 if it tells of nobody; least is how many the directive wants at least.
	Egress(ctx context.Context, m *contract.Measurement, inForce bool, smallest, least int64) (bool, error)
	// Insight reports the same of an insight.
	Insight(ctx context.Context, i *contract.Insight, inForce bool, smallest, least int64) (bool, error)
}

// Store keeps the current revision of every measurement.
type Store interface {
	// Replace runs change on the stored measurement (the zero value if there is none) and, unless change returns false,
	// stores what it leaves and publishes it, in one transaction; the basis is stored in any case. It does nothing if the
	// stored one was made from something that b lacks: of two replicas that measure at once, the one that saw more wins.
	Replace(ctx context.Context, id contract.MeasurementID, b Basis, change func(*contract.Measurement) bool) error
	// Known returns what the stored measurement was made from; false if there is none.
	Known(ctx context.Context, id contract.MeasurementID) (b Basis, ok bool, err error)
}

// Basis is what a stored measurement was made from.
type Basis struct {
	Contains map[int]int64 // by partition, the position of ingest that it contains
	Revision int64         // of the directive
	Model    string        // stamp of the fits that it rests on; empty where there are none
	Closed   bool          // whether its window was closed
}

// Lacks reports whether other was made from anything that b was not made from.
func (b Basis) Lacks(other Basis) bool {
	for partition, at := range other.Contains {
		if at > b.Contains[partition] {
			return true
		}
	}
	return other.Revision > b.Revision
}

// Place is where a page of measurements ended.
type Place struct {
	Metric contract.MetricID      `json:"metric"`
	Start  time.Time              `json:"start"`
	ID     contract.MeasurementID `json:"id"`
}

// PlaceOf returns the place of a measurement.
func PlaceOf(m *contract.Measurement) Place { return Place{m.Metric, m.Window.Start, m.ID} }

// Options are what Egress needs.
type Options struct {
	Policy Policy
	Store  Store
	// Insights may be nil where none are made.
	Insights InsightStore
	// InForce returns the directive if it is being carried out.
	InForce func(contract.DirectiveID) (contract.OperationalDirective, bool)
	Now     func() time.Time
}

// Egress publishes measurements.
type Egress struct{ o Options }

// New returns an Egress, or an error naming what is missing.
func New(o Options) (*Egress, error) {
	if o.Policy == nil || o.Store == nil || o.InForce == nil || o.Now == nil {
		return nil, errors.New("egress: policy, store, inForce and now are required")
	}
	return &Egress{o}, nil
}

// Known implements metric.Sink.
func (e *Egress) Known(ctx context.Context, id contract.MeasurementID) (metric.Basis, bool, error) {
	b, ok, err := e.o.Store.Known(ctx, id)
	return metric.Basis{Contains: b.Contains, Revision: b.Revision, Model: b.Model}, ok && b.Closed, err
}

// Put publishes m as the next revision if it says something else than the last one. Where a group in it is too small, or
// policy denies, what goes up has no value and says so: that takes an earlier value back. A measurement that no directive
// in force asks for does not go up at all. It fails, Denied, where policy does not even let that go up.
func (e *Egress) Put(ctx context.Context, m contract.Measurement, made metric.Basis, smallest int64) error {
	order, ok := e.o.InForce(m.Directive)
	if !ok {
		return nil
	}
	m, err := e.permitted(ctx, m, smallest, int64(order.Constraints.MinimumGroup))
	if err != nil {
		return err
	}
	now := e.o.Now().UTC().Truncate(time.Millisecond)
	err = e.o.Store.Replace(ctx, m.ID, Basis{made.Contains, made.Revision, made.Model, m.Closed}, func(stored *contract.Measurement) bool {
		if same(*stored, m) {
			return false
		}
		m.Revision = contract.NextRevision(stored.Revision, now)
		*stored = m
		return true
	})
	if err != nil {
		return fmt.Errorf("publish measurement %s of %s: %w", m.ID, m.Metric, err)
	}
	return nil
}

// permitted returns of m what policy lets go up.
func (e *Egress) permitted(ctx context.Context, m contract.Measurement, smallest, least int64) (contract.Measurement, error) {
	allowed, err := e.o.Policy.Egress(ctx, &m, true, smallest, least)
	if err != nil || allowed {
		return m, err
	}
	m = suppressed(m)
	if allowed, err = e.o.Policy.Egress(ctx, &m, true, 0, least); err == nil && !allowed {
		err = fault.New(fault.Denied, fault.PolicyDenied, "policy lets nothing go up: is a governance directive in force?")
	}
	return m, err
}

// suppressed returns m with everything removed that tells of its customers. A reason that it had already stays.
func suppressed(m contract.Measurement) contract.Measurement {
	why := m.Reason
	if why == nil {
		why = &contract.Reason{Code: fault.GroupTooSmall, Item: string(m.Metric)}
	}
	return contract.Measurement{
		ID: m.ID, Directive: m.Directive, DirectiveRevision: m.DirectiveRevision, Strategic: m.Strategic, Goal: m.Goal, Metric: m.Metric,
		Version: m.Version, Scope: m.Scope, Grain: m.Grain, Window: m.Window, Closed: m.Closed, AsOf: m.AsOf, Unit: m.Unit, Currency: m.Currency,
		Reason: why, Quality: contract.Quality{Coverage: map[contract.ParameterName]float64{}},
	}
}
