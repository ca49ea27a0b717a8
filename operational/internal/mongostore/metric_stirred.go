package mongostore

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Every batch of ingest leaves a note of who did something new on which day: one document, whatever the batch's size.
// From it is told whether enough customers stirred for an open window to be measured again.

const stirredCollection = "stirred"

// keptPositions is how far back in a partition's log notes are kept.
const keptPositions = 100_000

type stirredDoc struct {
	ID     string            `bson:"_id"` // tenant|partition|position, so that ids sort as positions do
	V      int               `bson:"v"`
	Tenant contract.TenantID `bson:"tenant"`
	Days   []stirredDay      `bson:"days"`
}

type stirredDay struct {
	Day contract.Day   `bson:"day"`
	Who []identity.Key `bson:"who"`
}

func stirredID(t contract.TenantID, partition int, position int64) string {
	return fmt.Sprintf("%s|%d|%020d", t, partition, max(0, position))
}

// saveStirred notes a batch, and forgets what is long past.
func (s *Warehouse) saveStirred(ctx context.Context, t contract.TenantID, c *ingest.Changes) error {
	if len(c.Facts) == 0 {
		return nil
	}
	docs, err := encoded(1, func(int) (encoder, error) {
		return &stirredDoc{ID: stirredID(t, c.At.Partition, c.At.Position), V: version, Tenant: t, Days: daysOfFacts(c.Facts)}, nil
	})
	if err == nil {
		err = mongodb.ReplaceAll(ctx, s.stirred, docs)
	}
	if err != nil {
		return err
	}
	old := between(stirredID(t, c.At.Partition, 0), stirredID(t, c.At.Partition, c.At.Position-keptPositions))
	_, err = s.stirred.DeleteMany(ctx, doc{{Key: "_id", Value: old}})
	return err
}

func daysOfFacts(facts []fact.Fact) []stirredDay {
	who := map[contract.Day]map[identity.Key]bool{}
	for i := range facts {
		f := &facts[i]
		if who[f.Day] == nil {
			who[f.Day] = map[identity.Key]bool{}
		}
		who[f.Day][f.Customer] = true
	}
	var out []stirredDay
	for _, day := range sorted(who) {
		out = append(out, stirredDay{day, slices.Sorted(maps.Keys(who[day]))})
	}
	return out
}

// Stirred implements metric.Warehouse: it goes through the notes from the newest on.
func (s *Metrics) Stirred(ctx context.Context, days []metric.Span, since map[int]int64, enough int64) (int64, error) {
	who := map[identity.Key]bool{}
	for _, partition := range sorted(since) {
		in := doc{{Key: "$gt", Value: stirredID(s.tenant, partition, since[partition])}, {Key: "$lt", Value: fmt.Sprintf("%s|%d~", s.tenant, partition)}}
		cur, err := s.db.Collection(stirredCollection).Find(ctx, doc{{Key: "_id", Value: in}}, options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetBatchSize(10))
		if err != nil {
			return 0, fmt.Errorf("who stirred: %w", mongodb.Fault(err))
		}
		err = gathered(ctx, cur, days, who, enough)
		_ = cur.Close(ctx)
		if err != nil || int64(len(who)) >= enough {
			return min(enough, int64(len(who))), err
		}
	}
	return int64(len(who)), nil
}

func gathered(ctx context.Context, cur *mongo.Cursor, days []metric.Span, who map[identity.Key]bool, enough int64) error {
	for int64(len(who)) < enough && cur.Next(ctx) {
		var d stirredDoc
		if err := cur.Decode(&d); err != nil {
			return fmt.Errorf("who stirred: %w", err)
		}
		for _, day := range d.Days {
			if !slices.ContainsFunc(days, func(s metric.Span) bool { return s.Has(day.Day) }) {
				continue
			}
			for _, c := range day.Who {
				who[c] = true
			}
		}
	}
	return mongodb.Fault(cur.Err())
}
