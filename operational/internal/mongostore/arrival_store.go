package mongostore

import (
	"context"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/strata-crm/strata/operational/internal/arrival"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Arrivals keeps how late facts came.
type Arrivals struct{ c *mongo.Collection }

// NewArrivals returns the store of the database.
func NewArrivals(db *mongodb.DB) *Arrivals { return &Arrivals{db.Collection(arrivalsCollection)} }

var _ arrival.Store = (*Arrivals)(nil)

// arrivalDoc is the counts of a source's day. It has no customer. A place of Bins keeps its number for good.
type arrivalDoc struct {
	ID     string            `bson:"_id"` // tenant|source|day
	V      int               `bson:"v"`
	Tenant contract.TenantID `bson:"tenant"`
	Source contract.SourceID `bson:"source"`
	Day    contract.Day      `bson:"day"`
	Bins   map[string]int64  `bson:"bins"` // place → facts
}

// Add implements arrival.Store.
func (s *Arrivals) Add(ctx context.Context, t contract.TenantID, counts []arrival.Count, before contract.Day) error {
	var writes []mongo.WriteModel
	for i := range counts {
		c, inc := &counts[i], bson.D{}
		for at, n := range c.Bins {
			if n > 0 {
				inc = append(inc, bson.E{Key: "bins." + strconv.Itoa(at), Value: n})
			}
		}
		if c.Day < before || len(inc) == 0 {
			continue
		}
		writes = append(writes, mongo.NewUpdateOneModel().SetFilter(byID(id(t, string(c.Source), string(c.Day)))).SetUpsert(true).SetUpdate(bson.D{
			{Key: "$inc", Value: inc},
			{Key: "$set", Value: bson.D{{Key: "v", Value: version}, {Key: "tenant", Value: t}, {Key: "source", Value: c.Source}, {Key: "day", Value: c.Day}}},
		}))
	}
	writes = append(writes, mongo.NewDeleteManyModel().SetFilter(bson.D{{Key: "tenant", Value: t}, {Key: "day", Value: bson.D{{Key: "$lt", Value: before}}}}))
	if _, err := s.c.BulkWrite(ctx, writes, unordered()); err != nil {
		return fmt.Errorf("arrivals: %w", mongodb.Fault(err))
	}
	return nil
}

// Sum implements arrival.Store.
func (s *Arrivals) Sum(ctx context.Context, t contract.TenantID, from, until contract.Day) (map[contract.SourceID]arrival.Bins, error) {
	var docs []arrivalDoc
	if err := all(ctx, s.c, bson.D{{Key: "tenant", Value: t}, {Key: "day", Value: between(from, until)}}, &docs); err != nil {
		return nil, fmt.Errorf("arrivals: %w", err)
	}
	out := map[contract.SourceID]arrival.Bins{}
	for _, d := range docs {
		sum := out[d.Source]
		for place, n := range d.Bins {
			if at, err := strconv.Atoi(place); err == nil && at >= 0 && at < len(sum) {
				sum[at] += n
			}
		}
		out[d.Source] = sum
	}
	return out, nil
}
