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
	"github.com/strata-crm/strata/operational/internal/insight"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

const insightsCollection = "insights"

// InsightIndexes are the indexes of the insights.
func InsightIndexes() []mongodb.Index {
	return []mongodb.Index{
		{Collection: insightsCollection, Name: "metric", Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "insight.metric", Value: 1}, {Key: "_id", Value: 1}}},
	}
}

// insightDoc is an insight as last published, and the state of its examination. Replaced whole, by compare-and-set on the
// version.
type insightDoc struct {
	ID       string            `bson:"_id"` // tenant|insight
	V        int               `bson:"v"`
	Tenant   contract.TenantID `bson:"tenant"`
	Version  int64             `bson:"version"`
	Contains map[string]int64  `bson:"contains"` // partition → position
	State    string            `bson:"state"`    // JSON of insight.State
	Insight  contract.Insight  `bson:"insight"`
}

// Insights implements egress.InsightStore and insight.Records.
type Insights struct {
	tenant contract.TenantID
	db     *mongodb.DB
	c      *mongo.Collection
	outbox *mongodb.Outbox
	newID  func() string
}

var (
	_ egress.InsightStore = (*Insights)(nil)
	_ insight.Records     = (*Insights)(nil)
)

// NewInsights returns the store of the database.
func NewInsights(t contract.TenantID, db *mongodb.DB, o *mongodb.Outbox, newID func() string) *Insights {
	return &Insights{t, db, db.Collection(insightsCollection), o, newID}
}

// ReplaceInsight implements egress.InsightStore.
func (s *Insights) ReplaceInsight(ctx context.Context, i contract.InsightID, k egress.Kept, change func(*contract.Insight) bool) error {
	return s.replace(ctx, i, func(d *insightDoc) (bool, error) {
		if d.Version != k.Version {
			return false, fault.New(fault.Conflict, fault.RevisionConflict, "insight %s changed meanwhile", i)
		}
		d.State, d.Contains = string(k.State), map[string]int64{}
		for p, at := range k.Contains {
			d.Contains[strconv.Itoa(p)] = at
		}
		return change(&d.Insight), nil
	})
}

// Restore puts back an insight that this layer had published, unless a later revision is there. Its examination begins anew.
func (s *Insights) Restore(ctx context.Context, old contract.Insight) error {
	return s.replace(ctx, old.ID, func(d *insightDoc) (bool, error) {
		if old.Revision <= d.Insight.Revision {
			return false, nil
		}
		d.Insight = old
		return true, nil
	})
}

func (s *Insights) replace(ctx context.Context, i contract.InsightID, change func(*insightDoc) (news bool, err error)) error {
	news := false
	err := s.db.Tx(ctx, func(ctx context.Context) error {
		var d insightDoc
		err := s.c.FindOne(ctx, byID(id(s.tenant, string(i)))).Decode(&d)
		if err != nil && !errors.Is(err, mongo.ErrNoDocuments) {
			return mongodb.Fault(err)
		}
		if news, err = change(&d); err != nil {
			return err
		}
		d.ID, d.V, d.Tenant, d.Version = id(s.tenant, string(i)), version, s.tenant, d.Version+1
		if _, err := s.c.ReplaceOne(ctx, byID(d.ID), d, upsert); err != nil || !news {
			return mongodb.Fault(err)
		}
		return s.outbox.Put(ctx, s.entry(&d.Insight))
	})
	if err == nil && news {
		s.outbox.Wake()
	}
	return err
}

func (s *Insights) entry(i *contract.Insight) mongodb.Entry {
	return mongodb.Entry{Topic: contract.TopicInsights, Key: string(i.ID), Entity: "insight", Payload: i, Envelope: contract.Envelope{
		ID: s.newID(), Source: contract.Operational, Type: contract.TypeOperationalInsight, Subject: string(i.ID), Time: i.AsOf,
		Tenant: s.tenant, Correlation: string(i.Strategic), Causation: string(i.Directive),
	}}
}

// All implements insight.Records.
func (s *Insights) All(ctx context.Context) ([]insight.Record, error) {
	docs, err := s.find(ctx, bson.D{{Key: "tenant", Value: s.tenant}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	out := make([]insight.Record, len(docs))
	for i, d := range docs {
		out[i] = insight.Record{Version: d.Version, State: []byte(d.State), Contains: map[int]int64{}, Insight: d.Insight}
		for p, at := range d.Contains {
			n, err := strconv.Atoi(p)
			if err != nil {
				return nil, fmt.Errorf("partition %q of insight %s: %w", p, d.ID, err)
			}
			out[i].Contains[n] = at
		}
	}
	return out, err
}

// Get returns an insight as last published, or fault.NotFound.
func (s *Insights) Get(ctx context.Context, i contract.InsightID) (contract.Insight, error) {
	var d insightDoc
	err := s.c.FindOne(ctx, byID(id(s.tenant, string(i)))).Decode(&d)
	return d.Insight, mongodb.Fault(err)
}

// List returns at most limit insights after an id, as last published, by id; of all metrics if none is named.
func (s *Insights) List(ctx context.Context, m contract.MetricID, after contract.InsightID, limit int) ([]contract.Insight, error) {
	filter := bson.D{{Key: "tenant", Value: s.tenant}}
	if m != "" {
		filter = append(filter, bson.E{Key: "insight.metric", Value: m})
	}
	if after != "" {
		filter = append(filter, bson.E{Key: "_id", Value: op("$gt", id(s.tenant, string(after)))})
	}
	docs, err := s.find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	out := make([]contract.Insight, len(docs))
	for i := range docs {
		out[i] = docs[i].Insight
	}
	return out, err
}

func (s *Insights) find(ctx context.Context, filter bson.D, o options.Lister[options.FindOptions]) ([]insightDoc, error) {
	var docs []insightDoc
	if err := all(ctx, s.c, filter, &docs, o); err != nil {
		return nil, fmt.Errorf("insights: %w", err)
	}
	return docs, nil
}
