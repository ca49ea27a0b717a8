package mongostore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/functional/internal/directive"
	info "github.com/strata-crm/strata/functional/internal/information"
	"github.com/strata-crm/strata/functional/internal/informer"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/trial"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/telemetry"
)

// measurementDoc is a measurement as received. Replaced by a higher revision.
type measurementDoc struct {
	Schema      int                  `bson:"schema"`
	Tenant      contract.TenantID    `bson:"tenant"`
	Strategic   contract.DirectiveID `bson:"strategic"` // whose series it is in: the strategic directive's, or a trial's own
	Metric      contract.MetricID    `bson:"metric"`
	Major       int                  `bson:"major"` // of the metric's version: another one is another series
	Start       time.Time            `bson:"start"`
	Measurement contract.Measurement `bson:"measurement"`
}

func docOf(t contract.TenantID, of contract.DirectiveID, m contract.Measurement) measurementDoc {
	d := contract.Definition{Version: m.Version}
	return measurementDoc{1, t, of, m.Metric, d.Major(), m.Window.Start, m}
}

// informationDoc is the information of one goal, as last sent up. Replaced whole.
type informationDoc struct {
	ID          string               `bson:"_id"`
	Schema      int                  `bson:"schema"`
	Tenant      contract.TenantID    `bson:"tenant"`
	Information contract.Information `bson:"information"`
}

// Measured stores a measurement if it is newer, and marks its directive: an informer makes information of what has come. A
// measurement for a directive that is not known here is NotFound.
func (s *Stores) Measured(ctx context.Context, m contract.Measurement) (mongodb.Put, error) {
	var put mongodb.Put
	err := s.inTx(ctx, func(ctx context.Context) error {
		record, _, err := s.read(ctx, m.Strategic)
		if err != nil {
			return err
		}
		if trial.Is(m.Directive) {
			put, err = s.tried(ctx, record, m)
			return err
		}
		put, err = mongodb.PutNewer(ctx, s.o.DB.Collection(measurements), s.id(string(m.ID)), m.Revision, docOf(s.o.Tenant, m.Strategic, m))
		if err != nil || put != mongodb.Applied {
			return err
		}
		return s.touch(ctx, m.Strategic) // last: those of other partitions wait for it no longer than they must
	})
	return put, err
}

// Mark has information made anew of a directive whose plan or answers changed. NotFound if it is not known here.
func (s *Stores) Mark(ctx context.Context, id contract.DirectiveID) error {
	return s.inTx(ctx, func(ctx context.Context) error {
		if _, _, err := s.read(ctx, id); err != nil {
			return err
		}
		return s.touch(ctx, id)
	})
}

// seriesDoc counts what has come that changes the information on one directive's goal, measurements above all, and that of which
// information has been made.
type seriesDoc struct {
	ID      string            `bson:"_id"` // tenant|directive
	Tenant  contract.TenantID `bson:"tenant"`
	Touched int64             `bson:"touched"`
	Told    int64             `bson:"told"`
	Trace   string            `bson:"trace,omitempty"` // of the last that came
}

// touch marks the directive, and makes the transaction conflict with any other that adds to its series at once.
func (s *Stores) touch(ctx context.Context, id contract.DirectiveID) error {
	c := s.o.DB.Collection(series)
	trace := telemetry.Traceparent(ctx)
	res, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: s.id(string(id))}}, bson.D{
		{Key: "$inc", Value: bson.D{{Key: "touched", Value: 1}}},
		{Key: "$set", Value: bson.D{{Key: "trace", Value: trace}}},
	})
	if err == nil && res.MatchedCount == 0 {
		if _, err = c.InsertOne(ctx, seriesDoc{s.id(string(id)), s.o.Tenant, 1, 0, trace}); fault.Is(mongodb.Fault(err), fault.Conflict) {
			return fault.New(fault.Transient, "", "another measurement of %s came at once", id)
		}
	}
	return mongodb.Fault(err)
}

// Due implements informer.Store. It reads one small document per directive.
func (s *Stores) Due(ctx context.Context) ([]informer.Due, error) {
	cur, err := s.o.DB.Collection(series).Find(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}})
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var docs []seriesDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, mongodb.Fault(err)
	}
	var due []informer.Due
	for _, d := range docs {
		if d.Touched > d.Told {
			id := contract.DirectiveID(strings.TrimPrefix(d.ID, s.id("")))
			due = append(due, informer.Due{Directive: id, Changes: d.Touched, Trace: d.Trace})
		}
	}
	return due, nil
}

// Informed implements informer.Store.
func (s *Stores) Informed(ctx context.Context, d informer.Due) error {
	_, err := s.o.DB.Collection(series).UpdateOne(ctx, bson.D{{Key: "_id", Value: s.id(string(d.Directive))}},
		bson.D{{Key: "$max", Value: bson.D{{Key: "told", Value: d.Changes}}}})
	return mongodb.Fault(err)
}

// tried stores a measurement of a trial in a series of its own, where no goal looks, and withdraws the trial once every
// window is in.
func (s *Stores) tried(ctx context.Context, record directive.Record, m contract.Measurement) (mongodb.Put, error) {
	if err := s.touch(ctx, m.Strategic); err != nil { // two that come at once are each judged with the other
		return 0, err
	}
	put, err := mongodb.PutNewer(ctx, s.o.DB.Collection(measurements), s.id(string(m.ID)), m.Revision, docOf(s.o.Tenant, m.Directive, m))
	i := slices.IndexFunc(record.Trials, func(t trial.Trial) bool { return t.Order.ID == m.Directive })
	if err != nil || put != mongodb.Applied || i < 0 {
		return put, err
	}
	all, err := s.Series(ctx, record.ID(), "")
	if err != nil {
		return put, err
	}
	tried, err := s.Series(ctx, m.Directive, "")
	if err != nil {
		return put, err
	}
	now := s.now()
	if trial.Compare(&record.Trials[i], all, tried, now).State != trial.Ready {
		return put, nil
	}
	after := record
	after.Trials = slices.Clone(record.Trials)
	directive.Concluded(&after, m.Directive, directive.Turn{Tenant: s.o.Tenant, Now: now})
	return put, s.put(ctx, record, after)
}

// basis is what information was made of: while neither changes, nothing did.
type basis struct {
	record  int64 // version of the directive's record
	touched int64 // see seriesDoc
}

// mostAttempts is how often information is made outside of a transaction before it is made in one, where nothing comes between.
const mostAttempts = 3

// Inform implements informer.Store. A forecast can take longer than a transaction should: information is made before, and
// stored only if nothing has changed since.
func (s *Stores) Inform(ctx context.Context, d informer.Due) error {
	ctx = telemetry.Continue(ctx, d.Trace)
	for range mostAttempts {
		of, next, ok, err := s.informed(ctx, d.Directive)
		if err != nil || !ok {
			return err
		}
		if told, err := s.tell(ctx, d.Directive, of, next); err != nil || told {
			return err
		}
	}
	return s.inTx(ctx, func(ctx context.Context) error {
		_, next, ok, err := s.informed(ctx, d.Directive)
		if err != nil || !ok {
			return err
		}
		return s.putInformation(ctx, next)
	})
}

// informed makes the information on the goal of a directive, and says of what; false while there is nothing to tell.
func (s *Stores) informed(ctx context.Context, id contract.DirectiveID) (of basis, next contract.Information, ok bool, err error) {
	of, r, err := s.basis(ctx, id)
	if err != nil || r.Plan == nil || r.Strategic == nil {
		return of, next, false, err
	}
	in, err := s.input(ctx, r)
	if err != nil {
		return of, next, false, err
	}
	next, ok = info.Build(in)
	return of, next, ok, nil
}

// tell stores information unless what it was made of has changed.
func (s *Stores) tell(ctx context.Context, id contract.DirectiveID, of basis, next contract.Information) (told bool, err error) {
	err = s.inTx(ctx, func(ctx context.Context) error {
		now, _, err := s.basis(ctx, id)
		if told = err == nil && now == of; !told {
			return err
		}
		return s.putInformation(ctx, next)
	})
	return told, err
}

// basis reads what information on a directive is made of, but for the series itself: that is read afterwards, so that what
// comes between shows.
func (s *Stores) basis(ctx context.Context, id contract.DirectiveID) (basis, directive.Record, error) {
	record, _, err := s.read(ctx, id)
	if err != nil {
		return basis{}, record, err
	}
	var d seriesDoc
	err = s.o.DB.Collection(series).FindOne(ctx, bson.D{{Key: "_id", Value: s.id(string(id))}}).Decode(&d)
	if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
		return basis{}, record, mongodb.Fault(err)
	}
	return basis{record.Version, d.Touched}, record, nil
}

func (s *Stores) input(ctx context.Context, r directive.Record) (info.Input, error) {
	in := info.Input{
		Directive: r.Strategic, Plan: r.Plan.ID, Labels: map[contract.MetricID]string{}, Missing: r.Plan.Missing, Forecast: s.forecast,
	}
	current := map[contract.MetricID]int{}
	for _, part := range r.Plan.Parts {
		for _, m := range part.Metrics {
			in.Labels[m.Definition.ID] = m.Definition.Label
			current[m.Definition.ID] = m.Definition.Major()
		}
	}
	all, err := s.Series(ctx, r.ID(), "")
	if err != nil {
		return in, err
	}
	for _, m := range all {
		d := contract.Definition{Version: m.Version}
		if d.Major() != current[m.Metric] {
			continue // another major version is another series
		}
		if m.Metric == r.Strategic.Goal.Metric {
			in.Own = append(in.Own, m)
		} else {
			in.Supporting = append(in.Supporting, m)
		}
	}
	return in, nil
}

func (s *Stores) putInformation(ctx context.Context, next contract.Information) error {
	old, err := s.Information(ctx, next.Goal)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	next.Revision = old.Revision
	if contract.Same(old, next) {
		return nil
	}
	next.Revision = contract.NextRevision(old.Revision, s.now())
	id := s.id(string(next.Goal))
	_, err = s.o.DB.Collection(information).ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}},
		informationDoc{id, 1, s.o.Tenant, next}, options.Replace().SetUpsert(true))
	if err != nil {
		return mongodb.Fault(err)
	}
	return s.o.Outbox.Put(ctx, s.entry(contract.TopicInformation, string(next.Goal), "information", contract.TypeInformation, next.Strategic, next.Strategic, &next))
}

// Information returns the information of a goal; NotFound if nothing has been measured for it.
func (s *Stores) Information(ctx context.Context, goal contract.GoalID) (contract.Information, error) {
	var d informationDoc
	err := s.o.DB.Collection(information).FindOne(ctx, bson.D{{Key: "_id", Value: s.id(string(goal))}}).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return contract.Information{}, fault.New(fault.NotFound, fault.NoData, "nothing has been measured for goal %s yet", goal)
	}
	return d.Information, mongodb.Fault(err)
}

// Series returns the measurements for a strategic directive by metric and window; of one metric only, unless it is
// empty.
func (s *Stores) Series(ctx context.Context, id contract.DirectiveID, m contract.MetricID) ([]contract.Measurement, error) {
	filter := bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "strategic", Value: id}}
	if m != "" {
		filter = append(filter, bson.E{Key: "metric", Value: m})
	}
	cur, err := s.o.DB.Collection(measurements).Find(ctx, filter, options.Find().SetSort(bson.D{
		{Key: "tenant", Value: 1}, {Key: "strategic", Value: 1}, {Key: "metric", Value: 1}, {Key: "start", Value: 1},
	}))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var docs []measurementDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, mongodb.Fault(err)
	}
	ms := make([]contract.Measurement, len(docs))
	for i := range docs {
		ms[i] = docs[i].Measurement
	}
	return ms, nil
}

// Plan returns the plan of the id and the directive it answers; NotFound if there is none.
func (s *Stores) Plan(ctx context.Context, id contract.PlanID) (plan.Plan, contract.DirectiveID, error) {
	var d recordDoc
	raw, err := s.o.DB.Collection(directives).FindOne(ctx, bson.D{
		{Key: "tenant", Value: s.o.Tenant}, {Key: "record.plan.id", Value: id},
	}).Raw()
	if errors.Is(err, mongo.ErrNoDocuments) {
		return plan.Plan{}, "", fault.New(fault.NotFound, "", "there is no plan %s", id)
	}
	if err != nil {
		return plan.Plan{}, "", mongodb.Fault(err)
	}
	if err := decode(raw, &d); err != nil {
		return plan.Plan{}, "", err
	}
	return *d.Record.Plan, d.Record.ID(), nil
}
