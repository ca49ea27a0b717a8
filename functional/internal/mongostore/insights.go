package mongostore

import (
	"context"
	"errors"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/insight"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

const insights = "insights"

// insightDoc is an insight as received, with the name that its metric had then. Replaced by a higher revision.
type insightDoc struct {
	Schema    int                  `bson:"schema"`
	Tenant    contract.TenantID    `bson:"tenant"`
	Goal      contract.GoalID      `bson:"goal"`
	Strategic contract.DirectiveID `bson:"strategic"`
	Metric    contract.MetricID    `bson:"metric"`
	Insight   contract.Insight     `bson:"insight"`
}

func insightIndexes() []mongodb.Index {
	return []mongodb.Index{
		{Collection: insights, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "goal", Value: 1}, {Key: "_id", Value: 1}}},
		{Collection: insights, Keys: bson.D{{Key: "tenant", Value: 1}, {Key: "_id", Value: 1}}},
	}
}

// Insighted stores an insight if it is newer, and passes it on to the strategic layer with the name of its metric. One for
// a directive that is not known here, or of an operational directive that was not issued for it, is NotFound.
func (s *Stores) Insighted(ctx context.Context, i contract.Insight) (mongodb.Put, error) {
	var put mongodb.Put
	err := s.inTx(ctx, func(ctx context.Context) error {
		record, _, err := s.read(ctx, i.Strategic)
		if err != nil {
			return err
		}
		if !ordered(&record, &i) {
			return fault.New(fault.NotFound, "", "directive %s has no part %s for goal %s", i.Strategic, i.Directive, i.Goal)
		}
		put, err = s.putInsight(ctx, insight.Labelled(i, labels(&record)))
		return err
	})
	return put, err
}

// RestoreInsight puts an insight that this layer once passed on back, if it is newer than what is there, and passes it on
// again: what the layer above has of it is no newer.
func (s *Stores) RestoreInsight(ctx context.Context, i contract.Insight) error {
	return s.inTx(ctx, func(ctx context.Context) error {
		_, err := s.putInsight(ctx, i)
		return err
	})
}

func (s *Stores) putInsight(ctx context.Context, i contract.Insight) (mongodb.Put, error) {
	put, err := mongodb.PutNewer(ctx, s.o.DB.Collection(insights), s.id(string(i.ID)), i.Revision, insightDoc{
		1, s.o.Tenant, i.Goal, i.Strategic, i.Metric, i,
	})
	if err == nil && put == mongodb.Clash {
		// The name may have been another when this revision first came: that is no other insight.
		put, err = s.clash(ctx, i)
	}
	if err != nil || put != mongodb.Applied {
		return put, err
	}
	e := s.entry(contract.TopicInformation, string(i.Goal), string(i.ID), contract.TypeFunctionalInsight, i.Strategic, i.Strategic, &i)
	return put, s.o.Outbox.Put(ctx, e)
}

func (s *Stores) clash(ctx context.Context, i contract.Insight) (mongodb.Put, error) {
	old, err := s.Insight(ctx, i.ID)
	if err != nil {
		return mongodb.Clash, err
	}
	i.Label = old.Label
	if contract.Same(old, i) {
		return mongodb.Same, nil
	}
	return mongodb.Clash, nil
}

// ordered reports whether the record issued the operational directive that an insight is of, for the goal that it names.
func ordered(r *directive.Record, i *contract.Insight) bool {
	for _, o := range r.Orders {
		if o.ID == i.Directive && o.Goal == i.Goal {
			return true
		}
	}
	return false
}

func labels(r *directive.Record) map[contract.MetricID]string {
	all := map[contract.MetricID]string{}
	for _, o := range r.Orders {
		for _, c := range o.Compute {
			all[c.Metric.ID] = c.Metric.Label
		}
	}
	return all
}

// Insight returns one insight; NotFound if there is none.
func (s *Stores) Insight(ctx context.Context, id contract.InsightID) (contract.Insight, error) {
	var d insightDoc
	err := s.o.DB.Collection(insights).FindOne(ctx, bson.D{{Key: "_id", Value: s.id(string(id))}}).Decode(&d)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return contract.Insight{}, fault.New(fault.NotFound, "", "there is no insight %s", id)
	}
	return d.Insight, mongodb.Fault(err)
}

// Insights returns insights by id after a position, at most limit; of one goal only, unless it is empty.
func (s *Stores) Insights(ctx context.Context, goal contract.GoalID, after string, limit int) ([]contract.Insight, error) {
	filter := bson.D{{Key: "tenant", Value: s.o.Tenant}}
	if goal != "" {
		filter = append(filter, bson.E{Key: "goal", Value: goal})
	}
	if after != "" {
		filter = append(filter, bson.E{Key: "_id", Value: bson.D{{Key: "$gt", Value: s.id(after)}}})
	}
	cur, err := s.o.DB.Collection(insights).Find(ctx, filter, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var docs []insightDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, mongodb.Fault(err)
	}
	all := make([]contract.Insight, len(docs))
	for n := range docs {
		all[n] = docs[n].Insight
	}
	return all, nil
}
