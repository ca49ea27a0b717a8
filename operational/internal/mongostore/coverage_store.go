package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/job"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

var _ directive.Coverage = (*Metrics)(nil)

// minKnown is the fewest customers (or orders) from which a coverage is told.
const minKnown = 30

// sampled is how many events tell the mean size of one.
const sampled = 100

// Coverage implements directive.Coverage: for transactional parameters the share of orders that have them and what those
// cost, for all others the share of customers.
func (s *Metrics) Coverage(ctx context.Context, ps []contract.Parameter) (map[contract.ParameterName]float64, map[contract.ParameterName]job.Held, error) {
	out, held := map[contract.ParameterName]float64{}, map[contract.ParameterName]job.Held{}
	if len(ps) == 0 {
		return out, held, nil
	}
	size, err := s.size(ctx)
	if err != nil {
		return nil, nil, err
	}
	q, err := s.Quality(ctx, everyDay)
	if err != nil {
		return nil, nil, err
	}
	known := &population{c: s.db.Collection(profilesCollection), tenant: s.tenant}
	for _, p := range ps {
		have, of, err := s.covered(ctx, p, q, known)
		if err != nil {
			return nil, nil, err
		}
		if of >= minKnown {
			out[p.Name] = float64(have) / float64(of)
		}
		if p.DataType == contract.Transactional {
			held[p.Name] = job.Held{Events: have, Bytes: int64(size * float64(have))}
		}
	}
	return out, held, nil
}

// size returns the mean size in bytes of some events as the lake keeps them; 0 while there is none.
func (s *Metrics) size(ctx context.Context) (float64, error) {
	cur, err := s.db.Collection(lakeCollection).Find(ctx, bson.D{{Key: "tenant", Value: s.tenant}}, options.Find().SetLimit(sampled))
	if err != nil {
		return 0, mongodb.Fault(err)
	}
	defer cur.Close(ctx)
	n, bytes := 0, 0
	for cur.Next(ctx) {
		n, bytes = n+1, bytes+len(cur.Current)
	}
	return float64(bytes) / float64(max(n, 1)), mongodb.Fault(cur.Err())
}

// population counts the customers, once and only when asked.
type population struct {
	c      *mongo.Collection
	tenant contract.TenantID
	n      *int64
}

func (p *population) all(ctx context.Context) (int64, error) {
	if p.n != nil {
		return *p.n, nil
	}
	n, err := p.c.CountDocuments(ctx, bson.D{{Key: "tenant", Value: p.tenant}})
	p.n = &n
	return n, mongodb.Fault(err)
}

// some counts the customers up to minKnown.
func (p *population) some(ctx context.Context) (int64, error) {
	n, err := p.c.CountDocuments(ctx, bson.D{{Key: "tenant", Value: p.tenant}}, options.Count().SetLimit(minKnown))
	return n, mongodb.Fault(err)
}

// Facts counts the orders and the answers of some days, as far as they are asked for.
func (s *Metrics) Facts(ctx context.Context, w metric.Span, orders, answers bool) (n int64, err error) {
	if orders {
		q, err := s.Quality(ctx, w)
		if err != nil {
			return 0, err
		}
		n = q.Orders
	}
	if answers {
		some, err := s.db.Collection(factsCollection).CountDocuments(ctx, bson.D{{Key: "tenant", Value: s.tenant}, {Key: "kind", Value: fact.Answer},
			{Key: "day", Value: between(w.From, w.Until)}})
		if err != nil {
			return 0, mongodb.Fault(err)
		}
		n += some
	}
	return n, nil
}

// Covered implements metric.Warehouse.
func (s *Metrics) Covered(ctx context.Context, p contract.ParameterName) (have, of int64, err error) {
	return s.covered(ctx, contract.Parameter{Name: p}, metric.Quality{}, &population{c: s.db.Collection(profilesCollection), tenant: s.tenant})
}

func (s *Metrics) covered(ctx context.Context, p contract.Parameter, q metric.Quality, known *population) (have, of int64, err error) {
	switch p.Name {
	case contract.ParamCustomerID: // every customer has one
		n, err := known.some(ctx)
		return n, n, err
	case contract.ParamOrderTime:
		return q.Orders, q.Orders, nil
	case contract.ParamOrderAmount:
		return q.WithAmount, q.Orders, nil
	case contract.ParamOrderItems:
		return q.WithItems, q.Orders, nil
	}
	if p.DataType == contract.Transactional {
		n, err := s.db.Collection(factsCollection).CountDocuments(ctx, bson.D{{Key: "tenant", Value: s.tenant}, {Key: "kind", Value: fact.Order}, {Key: "more." + string(p.Name), Value: op("$exists", true)}})
		return n, q.Orders, mongodb.Fault(err)
	}
	customers, err := known.all(ctx)
	if err != nil {
		return 0, 0, err
	}
	if p.Name == contract.ParamNPS {
		raws, err := s.run(ctx, factsCollection, []stage{
			op("$match", doc{{Key: "tenant", Value: s.tenant}, {Key: "kind", Value: fact.Answer}}), op("$group", op("_id", "$customer")), op("$count", "n"),
		})
		if err != nil || len(raws) == 0 {
			return 0, customers, err
		}
		n, err := number(raws[0], "n")
		return int64(n), customers, err
	}
	n, err := s.db.Collection(profilesCollection).CountDocuments(ctx, bson.D{{Key: "tenant", Value: s.tenant}, {Key: "values." + string(p.Name), Value: op("$exists", true)}})
	return n, customers, mongodb.Fault(err)
}
