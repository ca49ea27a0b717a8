package mongostore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/erasure"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// customers makes the profiles of customers anew from the events that are left of them, so that they are as if those that
// expired had never come. Of whom no event is left nothing is left.
func (s *Expiry) customers(ctx context.Context, docs []oldDoc, counts map[string]int64) error {
	var keys []identity.Key
	for _, d := range docs {
		if !slices.Contains(keys, d.Customer) {
			keys = append(keys, d.Customer)
		}
	}
	left, err := s.profiles(ctx, keys)
	if err != nil {
		return err
	}
	var writes []mongo.WriteModel
	var gone []identity.Key
	for _, k := range keys {
		now := left[k]
		if now == nil {
			gone = append(gone, k)
			writes = append(writes, mongo.NewDeleteOneModel().SetFilter(byID(id(s.tenant, string(k)))))
			continue
		}
		values, err := newProfileDoc(s.tenant, now, seenAt{})
		if err != nil {
			return err
		}
		writes = append(writes, mongo.NewUpdateOneModel().SetFilter(byID(values.ID)).SetUpdate(set(bson.D{{Key: "since", Value: values.Since}, {Key: "values", Value: values.Values}})))
	}
	res, err := s.warehouse.profiles.BulkWrite(ctx, writes, unordered())
	if err != nil {
		return fmt.Errorf("profiles: %w", mongodb.Fault(err))
	}
	counts[profilesCollection] += res.DeletedCount
	return s.part(ctx, gone, counts)
}

// profiles returns what the events that are left say of customers; those of whom none is left are absent.
func (s *Expiry) profiles(ctx context.Context, keys []identity.Key) (map[identity.Key]*profile.Profile, error) {
	out := map[identity.Key]*profile.Profile{}
	filter := bson.D{{Key: "tenant", Value: s.tenant}, {Key: "customer", Value: op("$in", keys)}}
	err := each(ctx, s.db.Collection(lakeCollection), filter, options.Find(), func(d eventDoc) error {
		e, err := d.event()
		if err != nil {
			return err
		}
		f, is, err := fact.Of(&e, time.UTC) // only what kind of fact it is matters
		if err != nil {
			return err
		}
		key := identity.Key(e.CustomerKey)
		if out[key] == nil {
			out[key] = &profile.Profile{Tenant: s.tenant, Key: key}
		}
		out[key].Apply(&e, !is || f.Kind != fact.Order)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("events that are left: %w", err)
	}
	return out, nil
}

// event is the event as it was ingested, as far as profiles need it.
func (d *eventDoc) event() (lake.Event, error) {
	e := lake.Event{Tenant: d.Tenant, CustomerEvent: contract.CustomerEvent{Source: d.Source, ID: d.Event, Call: d.Call, Event: d.Name, CustomerKey: d.Customer,
		UserID: d.User, AnonymousID: d.Anonymous, PreviousID: d.Previous, Time: d.At.UTC(), ReceivedAt: d.ReceivedAt.UTC(), Format: d.Format, Trust: d.Trust,
		Import: (*contract.ImportRow)(d.Import), Parameters: map[contract.ParameterName]json.RawMessage{}}}
	for _, a := range d.Asked {
		e.Asked = append(e.Asked, contract.Asked(a))
	}
	for _, p := range d.Parameters {
		raw, err := toJSON(p.Value)
		if err != nil {
			return e, fmt.Errorf("value of %s: %w", p.Key, err)
		}
		e.Parameters[contract.ParameterName(p.Key)] = raw
	}
	return e, nil
}

// part removes customers of whom no event is left from the notes of ingest, and their links where nothing is left of any
// identity that those connect: until then they are needed to count one person as one.
func (s *Expiry) part(ctx context.Context, gone []identity.Key, counts map[string]int64) error {
	if len(gone) == 0 {
		return nil
	}
	if err := s.unnote(ctx, gone, counts); err != nil {
		return err
	}
	done := map[identity.Key]bool{}
	for _, k := range gone {
		if done[k] {
			continue
		}
		task := erasure.Task{Erasure: erasure.Erasure{Tenant: s.tenant}, Keys: []identity.Key{k}}
		more, err := s.erasures.connected(ctx, task)
		if err != nil || len(more) == 0 {
			if err != nil {
				return err
			}
			continue
		}
		all := append(more, k)
		for _, m := range all {
			done[m] = true
		}
		held, err := s.db.Collection(lakeCollection).CountDocuments(ctx, bson.D{{Key: "tenant", Value: s.tenant}, {Key: "customer", Value: op("$in", all)}}, options.Count().SetLimit(1))
		if err != nil {
			return mongodb.Fault(err)
		}
		if held > 0 {
			continue
		}
		if err := s.unlink(ctx, all, counts); err != nil {
			return err
		}
	}
	return nil
}

// unlink removes the links of identities, and tells whoever works out just now whom links connect.
func (s *Expiry) unlink(ctx context.Context, keys []identity.Key, counts map[string]int64) error {
	for _, end := range []string{"a", "b"} {
		res, err := s.warehouse.links.DeleteMany(ctx, bson.D{{Key: "tenant", Value: s.tenant}, {Key: end, Value: op("$in", keys)}})
		if err != nil {
			return fmt.Errorf("links: %w", mongodb.Fault(err))
		}
		counts[linksCollection] += res.DeletedCount
	}
	res, err := s.db.Collection(personsCollection).DeleteMany(ctx, byIDs(s.tenant, keys)[0])
	if err != nil {
		return fmt.Errorf("persons: %w", mongodb.Fault(err))
	}
	counts[personsCollection] += res.DeletedCount
	_, err = touch(ctx, s.db, s.tenant, nil)
	return err
}

// unnote takes customers out of the notes of ingest.
func (s *Expiry) unnote(ctx context.Context, keys []identity.Key, counts map[string]int64) error {
	var writes []mongo.WriteModel
	err := each(ctx, s.warehouse.stirred, byNotes(s.tenant, keys)[0], options.Find().SetProjection(shown), func(d found) error {
		if rest := unstirred(d, keys); rest != nil {
			writes = append(writes, mongo.NewUpdateOneModel().SetFilter(byID(d.ID)).SetUpdate(set(rest)))
		} else {
			writes = append(writes, mongo.NewDeleteOneModel().SetFilter(byID(d.ID)))
		}
		return nil
	})
	if err != nil || len(writes) == 0 {
		return err
	}
	counts[stirredCollection] += int64(len(writes))
	_, err = s.warehouse.stirred.BulkWrite(ctx, writes, unordered())
	return mongodb.Fault(err)
}
