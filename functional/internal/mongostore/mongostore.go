// Package mongostore keeps everything the functional layer stores, in MongoDB: records of directives, measurements,
// information and metric definitions. It decides nothing.
//
// Collections of database strata_functional; every _id is tenant|id:
//
//	directives    one record per received directive, changed by compare-and-set on its version
//	measurements  as received, highest revision wins
//	series        one per directive: how much has come that changes information, and how much of it has been told
//	information   one per goal, as last sent up
//	insights      as received, with the name of the metric; highest revision wins
//	definitions   one per metric that people added versions of, changed by compare-and-set on its revision
package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/forecast"
	info "github.com/strata-crm/strata/functional/internal/information"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

const (
	directives   = "directives"
	measurements = "measurements"
	series       = "series"
	information  = "information"
	definitions  = "definitions"
)

// Indexes returns the indexes the stores rely on.
func Indexes() []mongodb.Index {
	return append(insightIndexes(), []mongodb.Index{
		{Collection: directives, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "orders", Value: 1}}},
		{Collection: directives, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "kind", Value: 1}, {Key: "number", Value: -1}}},
		{Collection: directives, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "record.plan.id", Value: 1}}},
		{Collection: directives, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "record.answer.state", Value: 1}}},
		{Collection: directives, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "record.strategic.goal.id", Value: 1}}},
		{Collection: measurements, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "strategic", Value: 1}, {Key: "metric", Value: 1}, {Key: "start", Value: 1}}},
		{Collection: measurements, Keys: bson.D{
			{Key: "tenant", Value: 1}, {Key: "strategic", Value: 1}, {Key: "metric", Value: 1}, {Key: "major", Value: 1}, {Key: "start", Value: 1},
		}},
		{Collection: definitions, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "metric", Value: 1}}},
	}...)
}

// Options are what the stores need.
type Options struct {
	Tenant contract.TenantID
	DB     *mongodb.DB
	Outbox *mongodb.Outbox
	Now    func() time.Time
	NewID  func() string
}

// Stores is every store of the functional layer.
type Stores struct {
	o        Options
	forecast info.Forecaster
	records  *memory[directive.Record]     // that tiles are about
	measured *memory[contract.Measurement] // that tiles show
}

// How many of each are remembered; a measurement takes some kilobytes, a record up to some tens.
const (
	mostRecords  = 500
	mostMeasured = 10_000
)

// New returns the stores, or an error naming what is missing.
func New(o Options) (*Stores, error) {
	if o.Tenant == "" || o.DB == nil || o.Outbox == nil || o.Now == nil || o.NewID == nil {
		return nil, fault.New(fault.Internal, "", "functional stores: tenant, database, outbox, now and newID are required")
	}
	return &Stores{o, forecast.NewMemo().Of, newMemory[directive.Record](mostRecords), newMemory[contract.Measurement](mostMeasured)}, nil
}

// now returns the wall clock at the precision that is stored.
func (s *Stores) now() time.Time { return s.o.Now().UTC().Truncate(time.Millisecond) }

func (s *Stores) id(id string) string { return s.o.Tenant.Key(id) }

// entry returns what is to be published for one entity of a strategic directive.
func (s *Stores) entry(topic, key, entity, kind string, correlation, causation contract.DirectiveID, p contract.Payload) mongodb.Entry {
	return mongodb.Entry{Topic: topic, Key: key, Entity: entity, Payload: p, Envelope: contract.Envelope{
		ID: s.o.NewID(), Source: contract.Functional, Type: kind, Subject: key, Time: s.now(), Tenant: s.o.Tenant,
		Correlation: string(correlation), Causation: string(causation),
	}}
}

// inTx runs fn in a transaction and wakes the relay when it has committed.
func (s *Stores) inTx(ctx context.Context, fn func(context.Context) error) error {
	if err := s.o.DB.Tx(ctx, fn); err != nil {
		return err
	}
	s.o.Outbox.Wake()
	return nil
}
