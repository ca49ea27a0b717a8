package metric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Orders tells which directives are carried out now.
type Orders interface {
	Orders() []contract.OperationalDirective
	// Traceparent returns the span in which a directive was received, as W3C has it; empty if that is not known.
	Traceparent(contract.DirectiveID) string
}

// Completeness tells how far the data of a metric is complete.
type Completeness interface {
	// Complete returns the instant until which every source that offers any of the parameters is complete, zero if one of
	// them has never said so; and whether each of the parameters is offered at all.
	Complete(ctx context.Context, ps []contract.ParameterName) (until time.Time, offered bool, err error)
}

// Positions tells how far the log of events has been ingested, and when days last changed.
type Positions interface {
	// Position returns, by partition, what ingest has passed.
	Position(ctx context.Context) (map[int]int64, error)
	// Touched returns, by day, the latest position of each partition at which facts of the day arrived.
	Touched(ctx context.Context) (map[contract.Day]map[int]int64, error)
}

// Basis is what a measurement was made from.
type Basis struct {
	Contains map[int]int64 // by partition, the position of ingest that it contains
	Revision int64         // of the directive
	Model    string        // stamp of the line of fits that it rests on, as of its window; empty where there is none
}

// Sink takes measurements up.
type Sink interface {
	// Put publishes a measurement if it says something new. smallest is the number of customers in the smallest group that
	// can be read from it.
	Put(ctx context.Context, m contract.Measurement, made Basis, smallest int64) error
	// Known returns what the measurement was made from; false if it was never measured, or was measured while its window
	// was open.
	Known(ctx context.Context, id contract.MeasurementID) (made Basis, ok bool, err error)
}

// Models keeps the fits that measurements of models rest on.
type Models interface {
	// Round brings the fits up to the windows that are closed, and returns of which subjects it could not. With an error nothing
	// is known of any.
	Round(ctx context.Context) (model.Failures, error)
	// Line returns the fits of a model of some customers.
	Line(ctx context.Context, s model.Subject) (model.Line, error)
}

// Options are what an Engine needs.
type Options struct {
	Tenant    contract.TenantID
	Zone      *time.Location
	Calendar  Calendar
	Orders    Orders
	Complete  Completeness
	Positions Positions
	Warehouse Warehouse
	Sink      Sink
	Models    Models
	Gates     btyd.Gates
	Cadence   time.Duration // an open window is measured at most so often, and only after a group of customers did something
	Now       func() time.Time
	Logger    *slog.Logger
	Tracer    trace.TracerProvider // nil means no spans
	Ingested  func() time.Time     // when ingest last took something in; nil if that is not known
	// Spent is told how long each window took, on the wall clock; nil: nobody asks.
	Spent func(contract.DirectiveID, contract.MetricID, time.Duration)
	// Expired tells of which days facts have expired; nil: none ever do.
	Expired func(context.Context) (Expired, error)
}

// Engine keeps every window that a directive asks for measured: each closed one once, and again when late facts change
// it; the open one at a cadence. It is a component.
type Engine struct {
	o        Options
	tracer   trace.Tracer
	wake     chan struct{}
	lastOpen time.Time
	dueSince time.Time // when open windows became due; zero while they are not
}

// NewEngine returns an engine, or an error naming what is missing.
func NewEngine(o Options) (*Engine, error) {
	if o.Tenant == "" || o.Zone == nil || o.Orders == nil || o.Complete == nil || o.Positions == nil || o.Warehouse == nil || o.Sink == nil || o.Models == nil || o.Now == nil || o.Logger == nil || o.Cadence <= 0 {
		return nil, errors.New("metric engine: tenant, zone, orders, complete, positions, warehouse, sink, models, cadence, now and logger are required")
	}
	if o.Tracer == nil {
		o.Tracer = tracenoop.NewTracerProvider()
	}
	return &Engine{o: o, tracer: o.Tracer.Tracer(scope), wake: make(chan struct{}, 1)}, nil
}

// Name implements service.Component.
func (e *Engine) Name() string { return "metric_engine" }

// Wake makes it look at once. It never blocks.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

const (
	// retryEvery is how long after a failure it looks again, if the cadence is not shorter.
	retryEvery = 5 * time.Second
	// settle is how long ingest must have been quiet before open windows are measured, if the cadence is not shorter, and
	// patience how long they wait for that: what is measured in the middle of an import does not outlast its next batch,
	// and takes the machine's time from it.
	settle   = time.Second
	patience = 30 * time.Second
)

// Run measures until ctx ends. What failed is logged and tried again; it holds up nothing else.
func (e *Engine) Run(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	for failed := false; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
		case <-t.C:
			if !failed && e.waits(e.o.Now()) {
				t.Reset(e.settle())
				continue
			}
		}
		next := e.o.Cadence
		err := e.Round(ctx)
		if failed = err != nil && ctx.Err() == nil; failed {
			e.o.Logger.ErrorContext(ctx, "not everything could be measured", "error", err)
			next = min(next, retryEvery)
		}
		if e.waits(e.o.Now()) {
			next = min(next, e.settle())
		}
		t.Reset(next)
	}
}

func (e *Engine) settle() time.Duration { return min(settle, e.o.Cadence) }

// opens reports whether open windows are measured now.
func (e *Engine) opens(now time.Time) bool {
	if now.Sub(e.lastOpen) < e.o.Cadence {
		return false
	}
	if e.dueSince.IsZero() {
		e.dueSince = now
	}
	return !e.waits(now)
}

// waits reports whether open windows are due and wait for ingest to be quiet.
func (e *Engine) waits(now time.Time) bool {
	return e.o.Ingested != nil && !e.dueSince.IsZero() && now.Sub(e.dueSince) < patience && now.Sub(e.o.Ingested()) < e.settle()
}

// Round measures whatever is due now. The error joins those of every metric that failed.
func (e *Engine) Round(ctx context.Context) error {
	orders := e.o.Orders.Orders()
	if len(orders) == 0 {
		return nil
	}
	r, err := e.round(ctx)
	if err != nil || r.first == "" {
		return err
	}
	r.open = e.opens(r.now)
	r.failed, r.unfitted = e.o.Models.Round(ctx)
	err = r.all(ctx, orders)
	if r.open {
		e.lastOpen, e.dueSince = r.now, time.Time{}
	}
	return err
}

// atOnce is how many metrics are computed side by side: each is one query after another.
const atOnce = 4

// all computes every metric of the orders.
func (r *round) all(ctx context.Context, orders []contract.OperationalDirective) error {
	var failed []error
	var lock sync.Mutex
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i := range orders {
		for j := range orders[i].Compute {
			o, c := &orders[i], &orders[i].Compute[j]
			free <- struct{}{}
			wg.Go(func() {
				defer func() { <-free }()
				if err := r.compute(ctx, o, c); err != nil {
					lock.Lock()
					defer lock.Unlock()
					failed = append(failed, fmt.Errorf("measure %s for %s: %w", c.Metric.ID, o.ID, err))
				}
			})
		}
	}
	wg.Wait()
	return errors.Join(failed...)
}

// round is what stays the same while one round of measuring lasts.
type round struct {
	*Engine
	now      time.Time
	first    contract.Day // of all data
	last     contract.Day
	position map[int]int64
	touched  map[contract.Day]map[int]int64
	latest   map[int]int64 // by partition, when any day last changed
	open     bool          // whether open windows are measured
	expired  Expired
	asked    *remembering
	failed   model.Failures // of which models no fits are known
	unfitted error          // why none are known at all
}

func (e *Engine) round(ctx context.Context) (*round, error) {
	r := &round{Engine: e, now: e.o.Now(), latest: map[int]int64{}, asked: remember(e.o.Warehouse)}
	var err error
	if r.first, err = e.o.Warehouse.FirstDay(ctx); err != nil {
		return nil, fmt.Errorf("first day of data: %w", err)
	}
	if err = e.o.Warehouse.Settle(ctx); err != nil {
		return nil, fmt.Errorf("linked identities: %w", err)
	}
	// Position before touches before rows: what is read later may contain more than the position says, never less.
	if r.position, err = e.o.Positions.Position(ctx); err != nil {
		return nil, fmt.Errorf("position of ingest: %w", err)
	}
	if r.touched, err = e.o.Positions.Touched(ctx); err != nil {
		return nil, fmt.Errorf("touched days: %w", err)
	}
	for d, at := range r.touched {
		if r.last = max(r.last, d); r.first == "" || d < r.first { // whoever was the first may have been erased
			r.first = d
		}
		for part, pos := range at {
			r.latest[part] = max(r.latest[part], pos)
		}
	}
	r.position = Covering(r.position, r.touched)
	if r.expired, err = e.expiredNow(ctx); err != nil {
		return nil, fmt.Errorf("expired days: %w", err)
	}
	return r, nil
}

func (r *round) compute(ctx context.Context, o *contract.OperationalDirective, c *contract.Computation) error {
	p, why := Compile(c, r.o.Calendar)
	if why != nil {
		return nil // the directive's answer says so
	}
	complete, offered, err := r.o.Complete.Complete(ctx, c.Metric.Parameters)
	if err != nil {
		return fmt.Errorf("completeness: %w", err)
	}
	if !offered {
		return nil // the directive's answer says so, too
	}
	line, err := r.line(ctx, c)
	if err != nil {
		return err
	}
	first := max(r.first, c.From)
	last := min(c.Until, max(r.last, contract.DayOf(complete, r.o.Zone)))
	var failed error // one window that cannot be measured holds up no other, unless nothing can be
	for _, w := range r.o.Calendar.Spans(c.Grain, first, last) {
		if w.From > c.Until || ctx.Err() != nil || fault.Is(failed, fault.Transient) {
			break
		}
		failed = errors.Join(failed, r.window(ctx, p, o, w, complete, line))
	}
	return errors.Join(failed, ctx.Err())
}

// line returns the fits that a computation rests on; none where it is of no model.
func (r *round) line(ctx context.Context, c *contract.Computation) (model.Line, error) {
	if c.Metric.Model == nil {
		return nil, nil
	}
	s := model.Subject{Model: c.Metric.Model.Name, Scope: c.Scope}
	if err := cmp.Or(r.unfitted, r.failed[s.ID()]); err != nil {
		return nil, fmt.Errorf("fits of models: %w", err)
	}
	return r.o.Models.Line(ctx, s)
}

func (r *round) window(ctx context.Context, p *Program, o *contract.OperationalDirective, w Span, complete time.Time, line model.Line) error {
	closed := !complete.IsZero() && !p.Complete(w).Start(r.o.Zone).After(complete)
	if !closed && (!r.open || p.c.Metric.Model != nil || w.From > r.last) {
		return nil // a model of a half-filled window would only tell how full it is
	}
	id := contract.MeasurementIdentity(r.o.Tenant, o.ID, p.c.Metric.ID, p.c.Metric.Major(), p.c.Scope, p.c.Grain, w.From.Start(r.o.Zone).UTC())
	made, known, err := r.o.Sink.Known(ctx, id)
	if err != nil {
		return err
	}
	fits := line.AsOf(w.Until.Start(r.o.Zone))
	changed := r.changedSince(p.Reads(w), made.Contains)
	if closed && known && made.Revision == o.Revision && made.Model == fits.Stamp() && changed == 0 {
		return nil
	}
	if changed == 0 && !closed || r.expired.frozen(p, w, known) {
		return nil
	}
	if !closed && made.Revision == o.Revision {
		if ok, err := r.stirred(ctx, p.Reads(w), made.Contains, groupOf(o)); err != nil || !ok {
			return err
		}
	}
	return r.traced(ctx, p, o, w, func(ctx context.Context) error { return r.measure(ctx, p, o, w, closed, known, complete, fits) })
}

// stirred reports whether so many customers as a group must have did something new since a measurement of an open window
// that one more would tell of no single one of them.
func (r *round) stirred(ctx context.Context, spans []Span, contains map[int]int64, group int64) (bool, error) {
	since := map[int]int64{}
	for part, pos := range r.latest {
		if part != LinksPartition && pos > contains[part] {
			since[part] = contains[part]
		}
	}
	n, err := r.asked.Stirred(ctx, spans, since, group)
	return n >= group, err
}

// groupOf is the fewest customers that what goes up for a directive may tell about.
func groupOf(o *contract.OperationalDirective) int64 {
	return max(SmallestGroup, int64(o.Constraints.MinimumGroup))
}

// changedSince counts the days and partitions of some spans in which facts arrived after the given positions.
func (r *round) changedSince(spans []Span, contains map[int]int64) int {
	if !later(r.latest, contains) {
		return 0
	}
	n := 0
	for d, at := range r.touched {
		if !slices.ContainsFunc(spans, func(s Span) bool { return s.Has(d) }) {
			continue
		}
		for part, pos := range at {
			if pos > contains[part] {
				n++
			}
		}
	}
	return n
}

// later reports whether a goes beyond b anywhere.
func later(a, b map[int]int64) bool {
	for part, pos := range a {
		if pos > b[part] {
			return true
		}
	}
	return false
}

func (r *round) measure(ctx context.Context, p *Program, o *contract.OperationalDirective, w Span, closed, known bool, complete time.Time, fits model.Line) error {
	result, err := p.Measure(ctx, r.asked, w, r.o.Gates, groupOf(o))
	if err != nil {
		return err
	}
	result = result.restingOn(fits, p.c.Metric.ID)
	q, err := p.orders(ctx, r.asked, w)
	if err != nil {
		return err
	}
	told := quality(&p.c.Metric, q, groupOf(o))
	if err := p.cover(ctx, r.asked, &told, groupOf(o)); err != nil {
		return err
	}
	m := p.measurement(r.o.Tenant, o, w, r.o.Zone, result, told)
	m.Closed, m.AsOf = closed, complete.UTC()
	if !closed {
		m.AsOf = r.last.End(r.o.Zone).UTC()
	}
	// What expires from now on is in no snapshot that was read.
	if now, err := r.expiredNow(ctx); err != nil || now.frozen(p, w, known) {
		return err
	}
	return r.o.Sink.Put(ctx, m, Basis{r.position, o.Revision, fits.Stamp()}, result.Smallest)
}
