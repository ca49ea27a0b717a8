package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
)

// insightDoc is a record as stored. Replaced whole, by compare-and-set on version; new optional fields may be added.
type insightDoc struct {
	ID      string            `bson:"_id"`
	Schema  int               `bson:"schema"`
	Tenant  contract.TenantID `bson:"tenant"`
	Goal    contract.GoalID   `bson:"goal"`
	State   knowledge.State   `bson:"state"`
	Expires *time.Time        `bson:"expires,omitempty"`
	Asked   string            `bson:"asked"` // the policy bundle that decided last
	At      time.Time         `bson:"at"`
	Version int64             `bson:"version"`
	Record  knowledge.Record  `bson:"record"`
}

func insightIndexes() []mongodb.Index {
	return []mongodb.Index{
		{Collection: insights, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "goal", Value: 1}, {Key: "_id", Value: 1}}},
		{Collection: insights, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "at", Value: 1}}},
		{Collection: insights, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "expires", Value: 1}}},
		{Collection: insights, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "asked", Value: 1}}},
	}
}

func decodeInsight(raw bson.Raw) (knowledge.Record, error) {
	var d insightDoc
	if len(raw) == 0 {
		return d.Record, nil
	}
	err := decode(raw, &d)
	return d.Record, err
}

// Learn implements knowledge.Store.
func (s *Stores) Learn(ctx context.Context, id contract.InsightID, g contract.GoalID, change func(*knowledge.Record, *directive.Record) error) error {
	return s.inTx(ctx, func(ctx context.Context) error {
		raw, err := one(ctx, s.o.DB.Collection(insights), s.id(string(id)))
		if err != nil {
			return err
		}
		before, err := decodeInsight(raw)
		if err != nil {
			return err
		}
		after, err := decodeInsight(raw) // a copy that shares nothing
		if err != nil {
			return err
		}
		if err := s.changeGoal(ctx, g, func(r *directive.Record) error { return change(&after, r) }); err != nil {
			return err
		}
		return s.putInsight(ctx, before, after)
	})
}

func (s *Stores) putInsight(ctx context.Context, before, after knowledge.Record) error {
	if unchanged, err := same(before, after); err != nil || unchanged {
		return err
	}
	after.Version, after.At = before.Version+1, s.now()
	doc := insightDoc{
		ID: s.id(string(after.Insight.ID)), Schema: schemaOne, Tenant: s.o.Tenant, Goal: after.Insight.Goal, State: after.State,
		Expires: after.Expires, Asked: after.Asked, At: after.At, Version: after.Version, Record: after,
	}
	return replace(ctx, s.o.DB.Collection(insights), doc.ID, before.Version, doc)
}

// Insight implements knowledge.Store.
func (s *Stores) Insight(ctx context.Context, id contract.InsightID) (knowledge.Record, error) {
	raw, err := one(ctx, s.o.DB.Collection(insights), s.id(string(id)))
	if err == nil && raw == nil {
		err = fault.New(fault.NotFound, "", "there is no insight %s", id)
	}
	if err != nil {
		return knowledge.Record{}, err
	}
	return decodeInsight(raw)
}

// Stale implements knowledge.Store.
func (s *Stores) Stale(ctx context.Context, at time.Time, bundle string) ([]knowledge.Record, error) {
	return s.findInsights(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "expires", Value: bson.D{{Key: "$lte", Value: at}}}},
		bson.D{{Key: "asked", Value: bson.D{{Key: "$ne", Value: bundle}}}},
	}}}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
}

// Insights returns the records that a query selects, by id.
func (s *Stores) Insights(ctx context.Context, q knowledge.Query) ([]knowledge.Record, error) {
	filter := bson.D{{Key: "tenant", Value: s.o.Tenant}}
	if q.Goal != "" {
		filter = append(filter, bson.E{Key: "goal", Value: q.Goal})
	}
	if q.State != "" {
		filter = append(filter, bson.E{Key: "state", Value: q.State})
	}
	if q.Accepted {
		filter = append(filter, bson.E{Key: "record.accepted", Value: bson.D{{Key: "$exists", Value: true}}})
	}
	if q.After != "" {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: s.id(string(q.After))}}})
	}
	return s.findInsights(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(q.Limit)))
}

// InsightsSince returns the records that changed at or after the instant, in the order of their changes.
func (s *Stores) InsightsSince(ctx context.Context, at time.Time) ([]knowledge.Record, error) {
	return s.findInsights(ctx, bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "at", Value: bson.D{{Key: "$gte", Value: at.UTC()}}}},
		options.Find().SetSort(bson.D{{Key: "tenant", Value: 1}, {Key: "at", Value: 1}}))
}

func (s *Stores) findInsights(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]knowledge.Record, error) {
	cur, err := s.o.DB.Collection(insights).Find(ctx, filter, o)
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	defer func() { _ = cur.Close(context.WithoutCancel(ctx)) }()
	var rs []knowledge.Record
	for cur.Next(ctx) {
		r, err := decodeInsight(cur.Current)
		if err != nil {
			return nil, err
		}
		rs = append(rs, r)
	}
	return rs, mongodb.Fault(cur.Err())
}
