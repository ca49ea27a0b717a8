package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// metricDoc is one version of a definition that a person added. Never changed.
type metricDoc struct {
	ID         string              `bson:"_id"` // tenant|metric|version
	Schema     int                 `bson:"schema"`
	Tenant     contract.TenantID   `bson:"tenant"`
	Metric     contract.MetricID   `bson:"metric"`
	At         time.Time           `bson:"at"`
	By         string              `bson:"by"`
	Definition contract.Definition `bson:"definition"`
}

// Define stores a new version of a metric; Conflict if that version exists.
func (s *Stores) Define(ctx context.Context, d contract.Definition, by string) error {
	_, err := s.o.DB.Collection(metrics).InsertOne(ctx, metricDoc{
		s.id(string(d.ID) + "|" + d.Version), 1, s.o.Tenant, d.ID, s.now(), by, d,
	})
	if fault.Is(mongodb.Fault(err), fault.Conflict) {
		return fault.New(fault.Conflict, fault.BadDefinition, "metric %s %s exists: a change is a new version", d.ID, d.Version)
	}
	return mongodb.Fault(err)
}

// Defined returns every definition that people added, newest first.
func (s *Stores) Defined(ctx context.Context) ([]contract.Definition, error) {
	cur, err := s.o.DB.Collection(metrics).Find(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}}, options.Find().SetSort(bson.D{{Key: "at", Value: -1}}))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var docs []metricDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, mongodb.Fault(err)
	}
	defs := make([]contract.Definition, len(docs))
	for i := range docs {
		defs[i] = docs[i].Definition
	}
	return defs, nil
}
