package insight

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/shared/contract"
)

// Orders tells which directives are carried out now.
type Orders interface {
	Orders() []contract.OperationalDirective
}

// Record is an insight as it is kept.
type Record struct {
	Version  int64 // of the document; 0 where there is none
	State    []byte
	Contains map[int]int64 // by partition, the position of ingest that the last look contains
	Insight  contract.Insight
}

// Records reads what is kept.
type Records interface {
	// All returns every record of the tenant, by id: dozens, not thousands.
	All(ctx context.Context) ([]Record, error)
}

// Sink takes insights up, and keeps the state with them.
type Sink interface {
	// PutInsight keeps the state and publishes the insight if it says something new, in one transaction. smallest is the
	// number of customers in the smallest group that can be read from it, 0 if it tells of nobody. It fails, Conflict, where
	// the record is not of the version that k was made from any more.
	PutInsight(ctx context.Context, i contract.Insight, smallest int64, k egress.Kept) error
}

// Models keeps the fits that forecasts rest on.
type Models interface {
	// Round brings the fits up to the windows that are closed, and returns of which subjects it could not. With an error nothing
	// is known of any.
	Round(ctx context.Context) (model.Failures, error)
	// Line returns the fits of a model of some customers.
	Line(ctx context.Context, s model.Subject) (model.Line, error)
	// Judge takes what a claim has come to to the fit that it rests on, and returns the fits.
	Judge(ctx context.Context, s model.Subject, said model.Said) (model.Line, error)
	// Forget says that a claim is over.
	Forget(ctx context.Context, s model.Subject, claim contract.InsightID) error
}

// Options are what an Engine needs; all are required.
type Options struct {
	Zone      *time.Location
	Calendar  metric.Calendar
	Orders    Orders
	Complete  metric.Completeness
	Positions metric.Positions
	Customers Customers
	Records   Records
	Sink      Sink
	Models    Models
	// Ended reports whether a directive is known and not carried out any more. Of one that is not known, as after the
	// database was emptied, nothing is ended.
	Ended func(ctx context.Context, id contract.DirectiveID) (bool, error)
	// Unparsed returns which share of the facts that a metric rests on could not be read: of some days, or of all where From is empty.
	Unparsed func(ctx context.Context, d *contract.Definition, of metric.Span) (float64, error)
	Measured Measured
	// Expired tells of which days facts have expired; nil: none ever do.
	Expired func(context.Context) (metric.Expired, error)
	// Arrived returns which share of the facts of some days has arrived, of parameters, as far as is known; nil: all have.
	Arrived  func(context.Context, []contract.ParameterName) (func(metric.Span) float64, error)
	Gates    btyd.Gates
	MostRead int64         // customers that a look reads at most: it keeps them in memory
	Cadence  time.Duration // how often at most a window is looked at again
	Now      func() time.Time
	Logger   *slog.Logger
}

// Engine examines every claim that a directive in force orders: each closed window once, in order, and the last one again
// when facts arrived late. It is a component.
type Engine struct {
	o    Options
	wake chan struct{}
	last time.Time // when windows were last looked at again
}

// New returns an engine, or an error naming what is missing.
func New(o Options) (*Engine, error) {
	if o.Zone == nil || o.Orders == nil || o.Complete == nil || o.Positions == nil || o.Customers == nil || o.Records == nil || o.Sink == nil || o.Models == nil ||
		o.Ended == nil || o.Unparsed == nil || o.Measured == nil || o.MostRead <= 0 || o.Cadence <= 0 || o.Now == nil || o.Logger == nil {
		return nil, errors.New("insight engine: zone, orders, complete, positions, customers, records, sink, models, ended, unparsed, measured, most read, cadence, now and logger are required")
	}
	return &Engine{o: o, wake: make(chan struct{}, 1)}, nil
}

// Name implements service.Component.
func (e *Engine) Name() string { return "insights" }

// Wake makes it look at once. It never blocks.
func (e *Engine) Wake() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// retryEvery is how long after a failure it looks again, if the cadence is not shorter.
const retryEvery = 5 * time.Second

// rest is how much longer than a round it pauses after it: nobody waits for a claim, and whoever measures goes first.
const rest = 3

// Run examines until ctx ends. What failed is logged and tried again; it holds up nothing else.
func (e *Engine) Run(ctx context.Context) error {
	t := time.NewTimer(0)
	defer t.Stop()
	free := e.o.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-e.wake:
			if left := free.Sub(e.o.Now()); left > 0 {
				t.Reset(left)
				continue
			}
		case <-t.C:
		}
		next, began := e.o.Cadence, e.o.Now()
		if err := e.Round(ctx); err != nil && ctx.Err() == nil {
			e.o.Logger.ErrorContext(ctx, "not every insight could be examined", "error", err)
			next = min(next, retryEvery)
		}
		free = e.o.Now().Add(min(e.o.Cadence, rest*e.o.Now().Sub(began)))
		t.Reset(next)
	}
}
