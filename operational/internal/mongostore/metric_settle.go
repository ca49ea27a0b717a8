package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// settledAtOnce is how many identities one transaction maps anew.
const settledAtOnce = 1000

// Settle implements metric.Warehouse: it brings the persons up to date with the links. The days on which a person's
// identities did anything are touched in the transaction that maps them, under the partition of links, so that windows
// which counted them apart are measured again. Where there are no links it asks for two counts and does nothing.
func (s *Metrics) Settle(ctx context.Context) error {
	links, err := s.db.Collection(linksCollection).EstimatedDocumentCount(ctx)
	if err != nil {
		return mongodb.Fault(err)
	}
	mapped, err := s.db.Collection(personsCollection).EstimatedDocumentCount(ctx)
	if err != nil || links+mapped == 0 {
		return mongodb.Fault(err)
	}
	for range 3 {
		at, err := moved(ctx, s.db, s.tenant)
		if err != nil {
			return err
		}
		changed, err := s.unsettled(ctx)
		if err != nil {
			return err
		}
		if err = s.settleAll(ctx, changed, at); !errors.Is(err, errMoved) {
			return err
		}
	}
	return fault.Wrap(fault.Transient, fault.Unavailable, errMoved, "people are linked or erased faster than it can be followed")
}

// errMoved says that the links have changed since it was worked out whom they connect.
var errMoved = errors.New("identities were linked, parted or erased meanwhile")

// settleAll stores changes that were worked out at a position under the partition of links. It stops where somebody else has
// changed links or persons since: what was deleted meanwhile must not come back.
func (s *Metrics) settleAll(ctx context.Context, changed []resettled, at int64) error {
	for some := range slices.Chunk(changed, settledAtOnce) {
		var next int64
		err := s.db.Tx(ctx, func(ctx context.Context) (err error) {
			now, err := moved(ctx, s.db, s.tenant)
			if err == nil && now != at {
				err = errMoved
			}
			if err == nil {
				next, err = s.settle(ctx, some)
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("map linked identities to persons: %w", err)
		}
		at = next
	}
	return nil
}

// resettled is an identity whose document is to be another one, or none.
type resettled struct {
	key   identity.Key
	doc   *personDoc
	moved bool // whether it belongs to somebody else now
}

// unsettled compares the persons that there are with those that the links make.
func (s *Metrics) unsettled(ctx context.Context) ([]resettled, error) {
	want, err := s.wanted(ctx)
	if err != nil {
		return nil, err
	}
	var have []personDoc
	if err := all(ctx, s.db.Collection(personsCollection), bson.D{{Key: "tenant", Value: s.tenant}}, &have); err != nil {
		return nil, fmt.Errorf("persons: %w", err)
	}
	var changed []resettled
	for _, d := range have {
		key := identity.Key(d.ID[len(s.tenant)+1:])
		w := want[key]
		if delete(want, key); w == nil {
			changed = append(changed, resettled{key, nil, d.Person != string(key)})
		} else if w.Person != d.Person || !slices.Equal(w.Members, d.Members) {
			changed = append(changed, resettled{key, w, w.Person != d.Person})
		}
	}
	for _, key := range sorted(want) {
		changed = append(changed, resettled{key, want[key], want[key].Person != string(key)})
	}
	return changed, nil
}

// wanted returns the documents that the links make.
func (s *Metrics) wanted(ctx context.Context) (map[identity.Key]*personDoc, error) {
	cur, err := s.db.Collection(linksCollection).Find(ctx, bson.D{{Key: "tenant", Value: s.tenant}}, options.Find().SetProjection(bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 1}}))
	if err != nil {
		return nil, fmt.Errorf("links: %w", mongodb.Fault(err))
	}
	defer cur.Close(ctx)
	var links []identity.Link
	for cur.Next(ctx) {
		var d linkDoc
		if err := cur.Decode(&d); err != nil {
			return nil, fmt.Errorf("links: %w", err)
		}
		links = append(links, identity.Link{A: d.A, B: d.B})
	}
	docs := map[identity.Key]*personDoc{}
	persons := metric.PersonsOf(links)
	for _, key := range sorted(persons) {
		person := persons[key]
		docs[key] = &personDoc{ID: id(s.tenant, string(key)), V: version, Tenant: s.tenant, Person: string(person)}
		docs[person].Members = append(docs[person].Members, docs[key].ID) // the person's own key is the smallest
	}
	return docs, mongodb.Fault(cur.Err())
}

// settle stores changes, touches the days that they change, and returns the position at which it did.
func (s *Metrics) settle(ctx context.Context, changed []resettled) (int64, error) {
	writes, days := []mongo.WriteModel{}, map[contract.Day]bool{}
	for _, c := range changed {
		key := id(s.tenant, string(c.key))
		if c.doc == nil {
			writes = append(writes, mongo.NewDeleteOneModel().SetFilter(byID(key)))
		} else {
			writes = append(writes, replacement(key, c.doc))
		}
		if !c.moved {
			continue
		}
		if err := s.daysOf(ctx, c.key, days); err != nil {
			return 0, err
		}
	}
	if _, err := s.db.Collection(personsCollection).BulkWrite(ctx, writes); err != nil {
		return 0, fmt.Errorf("persons: %w", mongodb.Fault(err))
	}
	return touch(ctx, s.db, s.tenant, sorted(days))
}

// daysOf adds the days on which an identity bought or answered.
func (s *Metrics) daysOf(ctx context.Context, key identity.Key, days map[contract.Day]bool) error {
	from := id(s.tenant, string(key)) + "|"
	rows := bson.D{{Key: "row", Value: between(from, from+"~")}}
	var found []struct {
		Day contract.Day `bson:"day"`
	}
	if err := all(ctx, s.db.Collection(factsCollection), rows, &found, options.Find().SetProjection(bson.D{{Key: "day", Value: 1}})); err != nil {
		return fmt.Errorf("days of an identity: %w", err)
	}
	for _, f := range found {
		days[f.Day] = true
	}
	return nil
}

// movesDoc counts the changes under the partition of links, so that of two at once one comes after the other.
type movesDoc struct {
	ID       string `bson:"_id"` // tenant|links
	V        int    `bson:"v"`
	Position int64  `bson:"position"`
}

func movesID(t contract.TenantID) string { return id(t, "links") }

// touch marks days under the partition of links, at a position after every earlier one, which it returns. It runs in a
// transaction.
func touch(ctx context.Context, db *mongodb.DB, t contract.TenantID, days []contract.Day) (int64, error) {
	last, err := moved(ctx, db, t)
	if err != nil {
		return 0, err
	}
	touches := db.Collection(touchesCollection)
	writes := touchWrites(t, days, ingest.Touch{Partition: metric.LinksPartition, Position: last + 1})
	moves := movesDoc{ID: movesID(t), V: version, Position: last + 1}
	if _, err := touches.BulkWrite(ctx, append(writes, replacement(moves.ID, moves)), unordered()); err != nil {
		return 0, fmt.Errorf("touch days: %w", mongodb.Fault(err))
	}
	return last + 1, nil
}

// moved returns the latest position under the partition of links.
func moved(ctx context.Context, db *mongodb.DB, t contract.TenantID) (int64, error) {
	var counted []movesDoc
	if err := all(ctx, db.Collection(touchesCollection), byID(movesID(t)), &counted); err != nil {
		return 0, fmt.Errorf("moves: %w", err)
	}
	if len(counted) > 0 {
		return counted[0].Position, nil
	}
	var docs []touchDoc // of a release that did not count them
	if err := all(ctx, db.Collection(touchesCollection), bson.D{{Key: "tenant", Value: t}, {Key: "partition", Value: metric.LinksPartition}}, &docs); err != nil {
		return 0, fmt.Errorf("touches: %w", err)
	}
	last := int64(0)
	for _, d := range docs {
		for _, at := range d.Days {
			last = max(last, at)
		}
	}
	return last, nil
}
