package mongostore

import (
	"context"
	"slices"

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

// Windows implements query.Reader. Only ids and revisions are read of what is remembered at its revision.
func (s *Stores) Windows(ctx context.Context, q query.Span) ([]contract.Measurement, error) {
	c := s.o.DB.Collection(measurements)
	cur, err := c.Find(ctx, s.windows(q), options.Find().SetSort(newestFirst).SetLimit(int64(q.Limit)).SetProjection(bson.D{{Key: "revision", Value: 1}}))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var found []bson.Raw
	if err := cur.All(ctx, &found); err != nil {
		return nil, mongodb.Fault(err)
	}
	ms, at, unknown := make([]contract.Measurement, len(found)), map[string]int{}, bson.A{}
	for i, raw := range found {
		id, revision := raw.Lookup("_id").StringValue(), raw.Lookup("revision").AsInt64()
		var ok bool
		if ms[i], ok = s.measured.get(id, revision); !ok {
			at[id], unknown = i, append(unknown, id)
		}
	}
	if len(unknown) == 0 {
		return ms, nil
	}
	cur, err = c.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: unknown}}}})
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	defer cur.Close(ctx)
	for cur.Next(ctx) {
		var d measurementDoc
		if err := decode(cur.Current, &d); err != nil {
			return nil, err
		}
		id := cur.Current.Lookup("_id").StringValue()
		s.measured.put(id, d.Measurement.Revision, d.Measurement)
		ms[at[id]] = d.Measurement
	}
	return slices.DeleteFunc(ms, func(m contract.Measurement) bool { return m.ID == "" }), mongodb.Fault(cur.Err()) // gone in between
}

// pursuing returns the filter of the directives that pursue a goal.
func (s *Stores) pursuing(g contract.GoalID) bson.D {
	return bson.D{{Key: "tenant", Value: s.o.Tenant}, {Key: "record.strategic.goal.id", Value: g}}
}

// Pursuing implements query.Reader. A goal has few directives: one in force, and those before it.
func (s *Stores) Pursuing(ctx context.Context, g contract.GoalID) (directive.Record, error) {
	all, err := s.remembered(ctx, s.pursuing(g))
	if err != nil {
		return directive.Record{}, err
	}
	var best directive.Record
	for _, r := range all {
		if best.Strategic == nil || after(r.Strategic, best.Strategic) {
			best = r
		}
	}
	if best.Strategic == nil {
		return best, fault.New(fault.NotFound, "", "no directive pursues a goal %s", g)
	}
	return best, nil
}

// Of implements query.Reader.
func (s *Stores) Of(ctx context.Context, id contract.DirectiveID) (directive.Record, error) {
	all, err := s.remembered(ctx, bson.D{{Key: "_id", Value: s.id(string(id))}})
	if err != nil || len(all) == 1 {
		return append(all, directive.Record{})[0], err
	}
	return s.Get(ctx, id) // which says what is wrong
}

// remembered returns the records that a filter selects; only ids and versions are read of those that are remembered.
func (s *Stores) remembered(ctx context.Context, filter bson.D) ([]directive.Record, error) {
	c := s.o.DB.Collection(directives)
	cur, err := c.Find(ctx, filter, options.Find().SetProjection(bson.D{{Key: "version", Value: 1}}))
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var found []bson.Raw
	if err := cur.All(ctx, &found); err != nil {
		return nil, mongodb.Fault(err)
	}
	var all []directive.Record
	for _, f := range found {
		id := f.Lookup("_id").StringValue()
		r, ok := s.records.get(id, f.Lookup("version").AsInt64())
		if !ok {
			raw, err := c.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Raw()
			if err != nil {
				return nil, mongodb.Fault(err)
			}
			if r, err = decodeRecord(raw); err != nil {
				return nil, err
			}
			s.records.put(id, r.Version, r)
		}
		all = append(all, r)
	}
	return all, nil
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
