package mongostore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/functional/internal/definition"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// familyDoc is every version of one metric that people made. Replaced whole, by compare-and-set on its revision.
type familyDoc struct {
	ID       string               `bson:"_id"` // tenant|metric
	Schema   int                  `bson:"schema"`
	Tenant   contract.TenantID    `bson:"tenant"`
	Metric   contract.MetricID    `bson:"metric"`
	Revision int64                `bson:"revision"`
	Versions []definition.Version `bson:"versions"`
}

func (d *familyDoc) family() definition.Family {
	return definition.Family{Metric: d.Metric, Revision: d.Revision, Versions: d.Versions}
}

// Families implements definition.Store.
func (s *Stores) Families(ctx context.Context) ([]definition.Family, error) {
	cur, err := s.o.DB.Collection(definitions).Find(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}},
		options.Find().SetSort(bson.D{{Key: "tenant", Value: 1}, {Key: "metric", Value: 1}}))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var docs []familyDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, mongodb.Fault(err)
	}
	fs := make([]definition.Family, len(docs))
	for i := range docs {
		fs[i] = docs[i].family()
	}
	return fs, nil
}

// Family implements definition.Store.
func (s *Stores) Family(ctx context.Context, m contract.MetricID) (definition.Family, error) {
	var d familyDoc
	err := s.o.DB.Collection(definitions).FindOne(ctx, bson.D{{Key: "_id", Value: s.id(string(m))}}).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return definition.Family{Metric: m}, nil
	}
	return d.family(), mongodb.Fault(err)
}

// ChangeFamily implements definition.Store.
func (s *Stores) ChangeFamily(ctx context.Context, m contract.MetricID, change func(*definition.Family) error) error {
	return s.o.DB.Tx(ctx, func(ctx context.Context) error {
		f, err := s.Family(ctx, m)
		if err != nil {
			return err
		}
		before := f.Revision
		if err := change(&f); err != nil {
			return err
		}
		return s.putFamily(ctx, before, f)
	})
}

func (s *Stores) putFamily(ctx context.Context, before int64, f definition.Family) error {
	doc := familyDoc{s.id(string(f.Metric)), 1, s.o.Tenant, f.Metric, contract.NextRevision(before, s.now()), f.Versions}
	c := s.o.DB.Collection(definitions)
	if before == 0 {
		_, err := c.InsertOne(ctx, doc)
		return mongodb.Fault(err)
	}
	res, err := c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: doc.ID}, {Key: "revision", Value: before}}, doc)
	if err == nil && res.MatchedCount == 0 {
		return fault.New(fault.Transient, "", "definitions of %s changed meanwhile", f.Metric)
	}
	return mongodb.Fault(err)
}

// Migrations returns the numbered changes of the database.
func Migrations() []mongodb.Migration {
	return []mongodb.Migration{
		{Number: 1, Name: "definitions have lives", Run: bringDefinitions},
		{Number: 2, Name: "series by major version", Run: numberSeries},
	}
}

// metricDoc is one version as it was stored before versions had lives: in use from the moment it was added.
type metricDoc struct {
	Tenant     contract.TenantID   `bson:"tenant"`
	Metric     contract.MetricID   `bson:"metric"`
	At         time.Time           `bson:"at"`
	By         string              `bson:"by"`
	Definition contract.Definition `bson:"definition"`
}

// bringDefinitions takes over what people added before versions had lives: it stays certified. What was is left in place.
func bringDefinitions(ctx context.Context, db *mongodb.DB) error {
	cur, err := db.Collection("metrics").Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return mongodb.Fault(err)
	}
	var docs []metricDoc
	if err := cur.All(ctx, &docs); err != nil {
		return mongodb.Fault(err)
	}
	families := map[string]*familyDoc{}
	for _, d := range docs {
		id := d.Tenant.Key(string(d.Metric))
		if families[id] == nil {
			families[id] = &familyDoc{ID: id, Schema: 1, Tenant: d.Tenant, Metric: d.Metric, Revision: 1}
		}
		families[id].Versions = append(families[id].Versions, definition.Version{
			Definition: d.Definition, State: definition.Certified, Revision: 1, Authors: []string{d.By},
			History: []definition.Change{{To: definition.Certified, Event: definition.Certify, At: d.At, By: d.By, Reason: "added before versions had lives"}},
		})
	}
	for id, f := range families {
		_, err := db.Collection(definitions).UpdateOne(ctx, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$setOnInsert", Value: f}}, options.UpdateOne().SetUpsert(true))
		if err != nil {
			return fmt.Errorf("bring definitions of %s: %w", f.Metric, mongodb.Fault(err))
		}
	}
	return nil
}
