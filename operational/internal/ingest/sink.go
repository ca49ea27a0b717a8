// Package ingest takes collected events from the log into the lake and the warehouse: each record once, whatever the log,
// the broker's groups and the producers do. It owns the fences (how far each partition has come), the ingest transaction,
// and the account of what became of every record. It does not decide what is collected.
//
// One transaction per batch: the fence moves by compare-and-set, so that each offset takes effect once, whoever owns the
// partition; events are stored by id, so that what was published twice takes effect once; and everything derived from new
// events is written with them.
package ingest

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/metric"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Lake keeps events.
type Lake interface {
	// Keep stores those events whose id is not there yet and returns the outcome of each, in order; of two with one id in
	// events the first counts. It takes part in the transaction of ctx.
	Keep(ctx context.Context, events []lake.Event) ([]lake.Kept, error)
}

// Suppression is the list of erased customers. It outlives the log, so that a replay does not bring them back.
type Suppression interface {
	// Among returns those of the customers that are on the list.
	Among(ctx context.Context, t contract.TenantID, customers []identity.Key) (map[identity.Key]bool, error)
}

// Validity is when a directive was in force, over all its revisions.
type Validity struct {
	From, Until time.Time // half-open; Until is its expiry or, if earlier, its end
}

// Directives tells when directives were in force.
type Directives interface {
	// Validity returns the validity of those of the directives that are known.
	Validity(ctx context.Context, ids []contract.DirectiveID) (map[contract.DirectiveID]Validity, error)
}

// Imports counts what became of the rows of files.
type Imports interface {
	// Count adds the outcomes of a batch. It takes part in the transaction of ctx.
	Count(ctx context.Context, t contract.TenantID, partition int, outcomes []RowOutcome) error
}

// RowOutcome is what became of one row of a file.
type RowOutcome struct {
	Run     string
	Row     int64
	Code    fault.Code // accepted, duplicate, quarantined, suppressed or not_in_force
	Amount  *int64     // of an accepted order, minor units
	Repeats bool       // it repeats another order of its customer and day
}

// Options are what a Sink needs; all but Meter, Zone, Arrived and Done are required.
type Options struct {
	Tenant      contract.TenantID
	Zone        *time.Location // of the tenant's days; nil means UTC
	Keys        *identity.Keys
	Tx          func(ctx context.Context, fn func(ctx context.Context) error) error
	Fences      Fences
	Lake        Lake
	Warehouse   Warehouse
	Quarantine  lake.Quarantine
	Suppression Suppression
	Directives  Directives
	Imports     Imports
	Now         func() time.Time
	Logger      *slog.Logger
	Meter       metric.MeterProvider
	// Arrived is called with each new event of a live source, once it is stored; it must not block.
	Arrived func(e *lake.Event)
	Done    []func() // called after each batch that took effect; must not block
}

// Sink is the bus.LogSink of the events topic.
type Sink struct {
	o       Options
	metrics metrics
	order   *validity.Key // the random order of customers

	mu     sync.Mutex
	epochs map[int]int64 // of the partitions this process has been assigned
	idle   map[int]idle  // partitions that cannot be read, and why
	held   bus.Held      // partitions that are this process's now
}

// idle is why a partition cannot be read. It counts as long as the partition is this process's: another process may have it
// next, and only that one hears when it can be read again.
type idle struct {
	err   error
	ended func() error // nil while the assignment goes on
}

var _ bus.LogSink = (*Sink)(nil)

// New returns a sink, or fault.Invalid naming what is missing.
func New(o Options) (*Sink, error) {
	for name, missing := range map[string]bool{
		"Tenant": !o.Tenant.Valid(), "Keys": o.Keys == nil, "Tx": o.Tx == nil, "Fences": o.Fences == nil, "Lake": o.Lake == nil,
		"Warehouse": o.Warehouse == nil, "Quarantine": o.Quarantine == nil, "Suppression": o.Suppression == nil,
		"Directives": o.Directives == nil, "Imports": o.Imports == nil, "Now": o.Now == nil, "Logger": o.Logger == nil,
	} {
		if missing {
			return nil, fault.New(fault.Invalid, fault.BadDefinition, "ingest needs ingest.Options.%s", name)
		}
	}
	o.Zone = zoneOr(o.Zone)
	m, err := newMetrics(o.Meter)
	if err != nil {
		return nil, err
	}
	order, err := validity.NewKey(o.Keys.Sample(), profile.Epoch)
	if err != nil {
		return nil, err
	}
	return &Sink{o: o, metrics: m, order: order, epochs: map[int]int64{}, idle: map[int]idle{}}, nil
}

// Position implements bus.LogSink: the fence says where to begin. A log that is not the one that was being read keeps
// the partition idle and the service unready, until a person accepts it.
func (s *Sink) Position(ctx context.Context, _ string, p bus.PartitionState, clusterID string) (int64, error) {
	s.held.Take(ctx, p.Partition)
	fence, err := s.position(ctx, p, clusterID)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		s.idle[p.Partition] = idle{err, ctx.Err}
		return 0, fmt.Errorf("position of partition %d: %w", p.Partition, err)
	}
	delete(s.idle, p.Partition)
	s.epochs[p.Partition] = fence.Epoch
	return fence.Next, nil
}

func (s *Sink) position(ctx context.Context, p bus.PartitionState, clusterID string) (Fence, error) {
	log, err := s.o.Fences.Adopt(ctx, clusterID)
	if err != nil {
		return Fence{}, err
	}
	if log.ClusterID != clusterID {
		return Fence{}, changed("the events log belongs to the broker storage %q, but %q was being read", clusterID, log.ClusterID)
	}
	fence, err := s.o.Fences.Open(ctx, log.Epoch, p.Partition)
	if err == nil && p.End < fence.Next {
		err = changed("partition %d ends at %d, but everything before %d has been read", p.Partition, p.End, fence.Next)
	}
	return fence, err
}

// Ready returns why a partition that this process has now cannot be read, or nil.
func (s *Sink) Ready() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.idle {
		if i.ended() == nil {
			return i.err
		}
	}
	return nil
}

func (s *Sink) epoch(partition int) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.epochs[partition]
	if !ok {
		return 0, fmt.Errorf("partition %d was not assigned", partition)
	}
	return e, nil
}

// Gap implements bus.LogSink: the hole is recorded with the move of the fence over it, so that it is counted once and
// never passed in silence. A log that was replaced by a shorter one is no hole.
func (s *Sink) Gap(ctx context.Context, g bus.Gap) error {
	if g.To < g.From {
		err := changed("partition %d begins again at %d, but everything before %d has been read", g.Partition, g.To, g.From)
		s.mu.Lock()
		s.idle[g.Partition] = idle{err, ctx.Err}
		s.mu.Unlock()
		return err
	}
	epoch, err := s.epoch(g.Partition)
	if err != nil {
		return err
	}
	var lost int64
	err = s.o.Tx(ctx, func(ctx context.Context) error {
		lost, err = s.hole(ctx, epoch, g)
		return err
	})
	if err != nil {
		return fmt.Errorf("record the hole [%d, %d) of partition %d: %w", g.From, g.To, g.Partition, err)
	}
	if lost > 0 {
		s.o.Logger.ErrorContext(ctx, "events are lost: the log was deleted before it was read", "partition", g.Partition, "from", g.From, "to", g.To, "lost", lost)
		s.metrics.records(ctx, fault.Code("lost"), lost)
	}
	return nil
}

// hole moves the fence to the end of the gap. A fence that stands before the gap stays: the next batch seeks back to it.
func (s *Sink) hole(ctx context.Context, epoch int64, g bus.Gap) (lost int64, err error) {
	fence, err := s.o.Fences.Open(ctx, epoch, g.Partition)
	if err != nil || fence.Next < g.From || fence.Next >= g.To {
		return 0, err
	}
	ok, err := s.o.Fences.Advance(ctx, epoch, g.Partition, fence.Next, g.To)
	if err != nil {
		return 0, err
	}
	if !ok {
		return 0, fault.New(fault.Transient, fault.Unavailable, "the fence moved meanwhile")
	}
	lost = g.To - fence.Next
	h := Hole{From: fence.Next, To: g.To, At: s.o.Now().UTC().Truncate(time.Millisecond)}
	return lost, s.o.Fences.Add(ctx, epoch, g.Partition, Counts{Lost: lost}, &h)
}

// OnDone registers f, called after each batch that took effect; f must not block. Call it before the sink consumes.
func (s *Sink) OnDone(f func()) { s.o.Done = append(s.o.Done, f) }
