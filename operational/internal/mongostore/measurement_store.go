package mongostore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

const measurementsCollection = "measurements"

// MeasurementIndexes are the indexes of the measurements.
func MeasurementIndexes() []mongodb.Index {
	return []mongodb.Index{
		{Collection: measurementsCollection, Name: "series", Keys: bson.D{
			{Key: "tenant", Value: 1}, {Key: "measurement.metric", Value: 1}, {Key: "measurement.window.start", Value: 1}, {Key: "_id", Value: 1},
		}},
	}
}

// measurementDoc is a measurement as last published, and what it was made from. Replaced whole.
type measurementDoc struct {
	ID          string               `bson:"_id"` // tenant|measurement
	V           int                  `bson:"v"`
	Tenant      contract.TenantID    `bson:"tenant"`
	Contains    map[string]int64     `bson:"contains"` // partition → position
	Directive   int64                `bson:"directiveRevision"`
	Closed      bool                 `bson:"closed"`
	Model       string               `bson:"model,omitempty"` // stamp of the fits that it rests on
	Measurement contract.Measurement `bson:"measurement"`
}

// Measurements implements egress.Store.
type Measurements struct {
	tenant contract.TenantID
	db     *mongodb.DB
	c      *mongo.Collection
	outbox *mongodb.Outbox
	newID  func() string
}

var _ egress.Store = (*Measurements)(nil)

// NewMeasurements returns the store of the database.
func NewMeasurements(t contract.TenantID, db *mongodb.DB, o *mongodb.Outbox, newID func() string) *Measurements {
	return &Measurements{t, db, db.Collection(measurementsCollection), o, newID}
}

// Replace implements egress.Store.
func (s *Measurements) Replace(ctx context.Context, m contract.MeasurementID, b egress.Basis, change func(*contract.Measurement) bool) error {
	news := false
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		news = false
		d, _, err := s.read(ctx, m)
		if err != nil {
			return err
		}
		made, err := d.basis()
		if err != nil || b.Lacks(made) {
			return err
		}
		news = change(&d.Measurement)
		d.ID, d.V, d.Tenant, d.Directive, d.Closed, d.Model = id(s.tenant, string(m)), version, s.tenant, b.Revision, b.Closed, b.Model
		d.Contains = map[string]int64{}
		for p, at := range b.Contains {
			d.Contains[strconv.Itoa(p)] = at
		}
		if _, err := s.c.ReplaceOne(ctx, byID(d.ID), d, upsert); err != nil || !news {
			return mongodb.Fault(err)
		}
		return s.outbox.Put(ctx, s.entry(&d.Measurement))
	})
	if err == nil && news {
		s.outbox.Wake()
	}
	return err
}

func (s *Measurements) entry(m *contract.Measurement) mongodb.Entry {
	return mongodb.Entry{Topic: contract.TopicMeasurements, Key: string(m.ID), Entity: "measurement", Payload: m, Envelope: contract.Envelope{
		ID: s.newID(), Source: contract.Operational, Type: contract.TypeMeasurement, Subject: string(m.ID), Time: m.AsOf,
		Tenant: s.tenant, Correlation: string(m.Strategic), Causation: string(m.Directive),
	}}
}

func (s *Measurements) read(ctx context.Context, m contract.MeasurementID) (measurementDoc, bool, error) {
	var d measurementDoc
	err := s.c.FindOne(ctx, byID(id(s.tenant, string(m)))).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return d, false, nil
	}
	return d, err == nil, mongodb.Fault(err)
}

// basis returns what the measurement was made from.
func (d *measurementDoc) basis() (egress.Basis, error) {
	b := egress.Basis{Contains: make(map[int]int64, len(d.Contains)), Revision: d.Directive, Model: d.Model, Closed: d.Closed}
	for p, at := range d.Contains {
		n, err := strconv.Atoi(p)
		if err != nil {
			return b, fmt.Errorf("partition %q of measurement %s: %w", p, d.ID, err)
		}
		b.Contains[n] = at
	}
	return b, nil
}

// Known implements egress.Store.
func (s *Measurements) Known(ctx context.Context, m contract.MeasurementID) (egress.Basis, bool, error) {
	d, ok, err := s.read(ctx, m)
	if err != nil || !ok {
		return egress.Basis{}, false, err
	}
	b, err := d.basis()
	return b, true, err
}

// Value returns what a measurement was last published as; nil where it was not, or has no value.
func (s *Measurements) Value(ctx context.Context, m contract.MeasurementID) (*float64, error) {
	d, ok, err := s.read(ctx, m)
	if err != nil || !ok {
		return nil, err
	}
	return d.Measurement.Value, nil
}

// List returns at most limit measurements after a place, as last published, by metric and window; of all metrics if none
// is named.
func (s *Measurements) List(ctx context.Context, metric contract.MetricID, after egress.Place, limit int) ([]contract.Measurement, error) {
	const byMetric, byStart = "measurement.metric", "measurement.window.start"
	filter := bson.D{{Key: "tenant", Value: s.tenant}}
	if metric != "" {
		filter = append(filter, bson.E{Key: byMetric, Value: metric})
	}
	if after.ID != "" {
		filter = append(filter, bson.E{Key: "$or", Value: bson.A{
			bson.D{{Key: byMetric, Value: op("$gt", after.Metric)}},
			bson.D{{Key: byMetric, Value: after.Metric}, {Key: byStart, Value: op("$gt", after.Start)}},
			bson.D{{Key: byMetric, Value: after.Metric}, {Key: byStart, Value: after.Start}, {Key: "_id", Value: op("$gt", id(s.tenant, string(after.ID)))}},
		}})
	}
	order := bson.D{{Key: "tenant", Value: 1}, {Key: byMetric, Value: 1}, {Key: byStart, Value: 1}, {Key: "_id", Value: 1}}
	var docs []measurementDoc
	if err := all(ctx, s.c, filter, &docs, options.Find().SetSort(order).SetLimit(int64(limit))); err != nil {
		return nil, fmt.Errorf("measurements: %w", err)
	}
	ms := make([]contract.Measurement, len(docs))
	for i := range docs {
		ms[i] = docs[i].Measurement
	}
	return ms, nil
}
