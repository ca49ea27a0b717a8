package mongostore

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/prediction"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

var _ prediction.Profiles = (*Metrics)(nil)

// Known implements prediction.Profiles. Profiles keep the latest value alone: one that was replaced since the instant is
// not known any more.
func (s *Metrics) Known(ctx context.Context, names []contract.ParameterName, before time.Time) ([]prediction.Known, error) {
	persons, err := s.persons(ctx)
	if err != nil {
		return nil, err
	}
	fields := bson.D{{Key: "_id", Value: 0}, {Key: "customer", Value: 1}}
	for _, n := range names {
		fields = append(fields, bson.E{Key: "values." + string(n), Value: 1})
	}
	cur, err := s.inOrder(ctx, profilesCollection, fields)
	if err != nil {
		return nil, err
	}
	defer cur.Close(ctx)
	latest := map[identity.Key]map[contract.ParameterName]originDoc{}
	for cur.Next(ctx) {
		var p profileRead
		if err := cur.Decode(&p); err != nil {
			return nil, fmt.Errorf("profiles: %w", mongodb.Fault(err))
		}
		who := persons.Of(p.Key)
		if latest[who] == nil {
			latest[who] = map[contract.ParameterName]originDoc{}
		}
		for name, o := range p.Values {
			if old, ok := latest[who][name]; o.At.Before(before) && (!ok || earlier(old, o)) {
				latest[who][name] = o
			}
		}
	}
	if err := cur.Err(); err != nil {
		return nil, fmt.Errorf("profiles: %w", mongodb.Fault(err))
	}
	out := make([]prediction.Known, 0, len(latest))
	for _, who := range slices.Sorted(maps.Keys(latest)) {
		k := prediction.Known{Customer: string(who), Values: map[contract.ParameterName]prediction.Stated{}}
		for name, o := range latest[who] {
			k.Values[name] = prediction.Stated{Value: attributeValue(o.Value), At: o.At.UTC(), Purposes: o.Purposes}
		}
		out = append(out, k)
	}
	return out, nil
}

// earlier is the order in which values of one identity replace one another.
func earlier(a, b originDoc) bool {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Event, b.Event)) < 0
}
