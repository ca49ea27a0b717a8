package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

var _ query.Reader = (*Stores)(nil)

// newestFirst walks the index of a series backwards.
var newestFirst = bson.D{{Key: "start", Value: -1}}

// windows returns the filter that selects a span: one range of one index, and within it what the index doesn't know.
func (s *Stores) windows(q query.Span) bson.D {
	start := bson.D{}
	if q.At != nil {
		start = append(start, bson.E{Key: "$eq", Value: *q.At})
	}
	if q.From != nil {
		start = append(start, bson.E{Key: "$gte", Value: *q.From})
	}
	switch { // no window that ends by To starts after it, so the range need not be walked from the very end
	case q.Before != nil && (q.To == nil || q.Before.Before(*q.To)):
		start = append(start, bson.E{Key: "$lt", Value: *q.Before})
	case q.To != nil:
		start = append(start, bson.E{Key: "$lt", Value: *q.To})
	}
	f := bson.D{
		{Key: "tenant", Value: s.o.Tenant}, {Key: "strategic", Value: q.Directive}, {Key: "metric", Value: q.Metric}, {Key: "major", Value: q.Major},
	}
	if len(start) > 0 {
		f = append(f, bson.E{Key: "start", Value: start})
	}
	if q.To != nil {
		f = append(f, bson.E{Key: "measurement.window.end", Value: bson.D{{Key: "$lte", Value: *q.To}}})
	}
	if q.Closed {
		f = append(f, bson.E{Key: "measurement.closed", Value: true})
	}
	return f
}

// Windows implements query.Reader.
func (s *Stores) Windows(ctx context.Context, q query.Span) ([]contract.Measurement, error) {
	cur, err := s.o.DB.Collection(measurements).Find(ctx, s.windows(q), options.Find().SetSort(newestFirst).SetLimit(int64(q.Limit)))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var docs []measurementDoc
	if err := cur.All(ctx, &docs); err != nil {
		return nil, mongodb.Fault(err)
	}
	ms := make([]contract.Measurement, len(docs))
	for i := range docs {
		ms[i] = docs[i].Measurement
	}
	return ms, nil
}

// pursuing returns the filter of the directives that pursue a goal.
func (s *Stores) pursuing(g contract.GoalID) bson.D {
	return bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "record.strategic.goal.id", Value: g}}
}

// Pursuing implements query.Reader. A goal has few directives: one in force, and those before it.
func (s *Stores) Pursuing(ctx context.Context, g contract.GoalID) (directive.Record, error) {
	cur, err := s.o.DB.Collection(directives).Find(ctx, s.pursuing(g))
	if err != nil {
		return directive.Record{}, mongodb.Fault(err)
	}
	defer cur.Close(ctx)
	var best directive.Record
	for cur.Next(ctx) {
		r, err := decodeRecord(cur.Current)
		if err != nil {
			return best, err
		}
		if best.Strategic == nil || after(r.Strategic, best.Strategic) {
			best = r
		}
	}
	if err := cur.Err(); err != nil {
		return best, mongodb.Fault(err)
	}
	if best.Strategic == nil {
		return best, fault.New(fault.NotFound, "", "no directive pursues a goal %s", g)
	}
	return best, nil
}

// after reports whether a says more of a goal's present than b: the one in force, else the newer.
func after(a, b *contract.StrategicDirective) bool {
	if a.Standing.Ended() != b.Standing.Ended() {
		return !a.Standing.Ended()
	}
	return a.Revision > b.Revision
}

// numberSeries gives the measurements from before it was stored the major version of their metric.
func numberSeries(ctx context.Context, db *mongodb.DB) error {
	c := db.Collection(measurements)
	cur, err := c.Find(ctx, bson.D{{Key: "major", Value: bson.D{{Key: "$exists", Value: false}}}},
		options.Find().SetProjection(bson.D{{Key: "measurement.version", Value: 1}}))
	if err != nil {
		return mongodb.Fault(err)
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
		version, _ := cur.Current.Lookup("measurement", "version").StringValueOK()
		d := contract.Definition{Version: version}
		_, err := c.UpdateOne(ctx, bson.D{{Key: "_id", Value: cur.Current.Lookup("_id")}}, bson.D{{Key: "$set", Value: bson.D{{Key: "major", Value: d.Major()}}}})
		if err != nil {
			return mongodb.Fault(err)
		}
	}
	return mongodb.Fault(cur.Err())
}
