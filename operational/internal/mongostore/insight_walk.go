package mongostore

import (
	"context"
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/insight"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Customers implements insight.Customers: a walk over the index of priorities, and for each customer all of their facts by
// the index on customers. Never from facts.
type Customers struct {
	tenant                 contract.TenantID
	order                  *validity.Key
	profiles, facts, links *mongo.Collection
}

var _ insight.Customers = (*Customers)(nil)

// NewCustomers returns the walk over the database's customers, in the order that key draws.
func NewCustomers(t contract.TenantID, db *mongodb.DB, key *validity.Key) *Customers {
	return &Customers{t, key, db.Collection(profilesCollection), db.Collection(factsCollection), db.Collection(linksCollection)}
}

// fillBatch is how many profiles are given their priority at a time.
const fillBatch = 500

// Fill gives a priority to profiles that were stored before there was an order.
func (s *Customers) Fill(ctx context.Context) error {
	without := bson.D{{Key: "tenant", Value: s.tenant}, {Key: "priority", Value: bson.D{{Key: "$in", Value: bson.A{nil, 0}}}}}
	for {
		var found []struct {
			ID  string       `bson:"_id"`
			Key identity.Key `bson:"customer"`
		}
		if err := all(ctx, s.profiles, without, &found, options.Find().SetLimit(fillBatch).SetProjection(bson.D{{Key: "customer", Value: 1}})); err != nil {
			return fmt.Errorf("profiles without a priority: %w", err)
		}
		if len(found) == 0 {
			return nil
		}
		writes := make([]mongo.WriteModel, len(found))
		for i, f := range found {
			writes[i] = mongo.NewUpdateOneModel().SetFilter(byID(f.ID)).SetUpdate(set(bson.D{{Key: "priority", Value: s.order.Priority(string(f.Key))}}))
		}
		if _, err := s.profiles.BulkWrite(ctx, writes, unordered()); err != nil {
			return fmt.Errorf("give priorities: %w", mongodb.Fault(err))
		}
	}
}

// Begin implements insight.Customers.
func (s *Customers) Begin(ctx context.Context) (insight.Walk, error) {
	if err := s.Fill(ctx); err != nil {
		return nil, err
	}
	w := &walk{s: s, after: -1}
	if err := w.link(ctx); err != nil {
		return nil, err
	}
	n, err := s.profiles.CountDocuments(ctx, bson.D{{Key: "tenant", Value: s.tenant}}, options.Count().SetHint("priority"))
	w.size = n - w.merged
	return w, mongodb.Fault(err)
}

// walk is one way through all customers.
type walk struct {
	s        *Customers
	after    validity.Priority
	size     int64
	merged   int64                           // profiles that are another identity of a customer
	survivor map[identity.Key]identity.Key   // of linked identities with a profile
	members  map[identity.Key][]identity.Key // all identities of a survivor
}

// link reads which identities are one person. The person's place is that of the smallest key that has a profile.
func (w *walk) link(ctx context.Context) error {
	var docs []linkDoc
	if err := all(ctx, w.s.links, bson.D{{Key: "tenant", Value: w.s.tenant}}, &docs, options.Find().SetProjection(bson.D{{Key: "a", Value: 1}, {Key: "b", Value: 1}})); err != nil {
		return fmt.Errorf("identities: %w", err)
	}
	links := make([]identity.Link, len(docs))
	for i, d := range docs {
		links[i] = identity.Link{A: d.A, B: d.B}
	}
	of := map[identity.Key][]identity.Key{}
	persons := metric.PersonsOf(links)
	for _, key := range sorted(persons) {
		of[persons[key]] = append(of[persons[key]], key)
	}
	known, err := w.known(ctx, sorted(persons))
	if err != nil {
		return err
	}
	w.survivor, w.members = map[identity.Key]identity.Key{}, map[identity.Key][]identity.Key{}
	for _, keys := range of {
		var first identity.Key
		for _, key := range keys { // ascending
			switch {
			case !known[key]:
				continue
			case first == "":
				first = key
			default:
				w.merged++
			}
			w.survivor[key] = first
		}
		w.members[first] = keys
	}
	return nil
}

// known returns which of the identities have a profile.
func (w *walk) known(ctx context.Context, keys []identity.Key) (map[identity.Key]bool, error) {
	const batch = 1000
	known := map[identity.Key]bool{}
	for ; len(keys) > 0; keys = keys[min(batch, len(keys)):] {
		ids := make([]string, min(batch, len(keys)))
		for i := range ids {
			ids[i] = id(w.s.tenant, string(keys[i]))
		}
		var found []profileRead
		if err := all(ctx, w.s.profiles, in("_id", ids), &found, options.Find().SetProjection(bson.D{{Key: "customer", Value: 1}})); err != nil {
			return nil, fmt.Errorf("profiles of linked identities: %w", err)
		}
		for i := range found {
			known[found[i].Key] = true
		}
	}
	return known, nil
}

// Size implements insight.Walk.
func (w *walk) Size() int64 { return w.size }

// Next implements insight.Walk.
func (w *walk) Next(ctx context.Context, limit int) ([]insight.Customer, bool, error) {
	var docs []profileRead
	filter := bson.D{{Key: "tenant", Value: w.s.tenant}, {Key: "priority", Value: bson.D{{Key: "$gt", Value: w.after}}}}
	order := bson.D{{Key: "tenant", Value: 1}, {Key: "priority", Value: 1}}
	if err := all(ctx, w.s.profiles, filter, &docs, options.Find().SetSort(order).SetLimit(int64(limit))); err != nil {
		return nil, false, fmt.Errorf("customers by priority: %w", err)
	}
	if len(docs) == 0 {
		return nil, true, nil
	}
	w.after = docs[len(docs)-1].Place
	customers, err := w.people(ctx, docs)
	if err != nil {
		return nil, false, err
	}
	return customers, len(docs) < limit, w.facts(ctx, customers)
}

// people makes customers of profiles: those of other identities of a customer are left out, or put beside.
func (w *walk) people(ctx context.Context, docs []profileRead) ([]insight.Customer, error) {
	var out []insight.Customer
	for i := range docs {
		key := docs[i].Key
		if first, linked := w.survivor[key]; linked && first != key {
			continue
		}
		c := insight.Customer{Key: key, Priority: docs[i].Place, Identities: w.members[key]}
		if c.Identities == nil {
			c.Identities = []identity.Key{key}
		}
		own, err := docs[i].profile()
		if err != nil {
			return nil, err
		}
		c.Profiles = []profile.Profile{own}
		if len(c.Identities) > 1 {
			if c.Profiles, err = w.profiles(ctx, c.Identities); err != nil {
				return nil, err
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func (w *walk) profiles(ctx context.Context, keys []identity.Key) ([]profile.Profile, error) {
	ids := make([]string, len(keys))
	for i, key := range keys {
		ids[i] = id(w.s.tenant, string(key))
	}
	var docs []profileRead
	if err := all(ctx, w.s.profiles, in("_id", ids), &docs, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}})); err != nil {
		return nil, fmt.Errorf("profiles of a customer: %w", err)
	}
	out := make([]profile.Profile, len(docs))
	for i := range docs {
		var err error
		if out[i], err = docs[i].profile(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// facts adds the facts of all customers.
func (w *walk) facts(ctx context.Context, customers []insight.Customer) error {
	at := map[identity.Key]int{}
	var keys bson.A
	for i := range customers {
		for _, key := range customers[i].Identities {
			at[key] = i
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	var docs []factDoc
	if err := all(ctx, w.s.facts, bson.D{{Key: "tenant", Value: w.s.tenant}, {Key: "customer", Value: bson.D{{Key: "$in", Value: keys}}}}, &docs); err != nil {
		return fmt.Errorf("facts of customers: %w", err)
	}
	for i := range docs {
		d := &docs[i]
		c := &customers[at[d.Customer]]
		c.Facts = append(c.Facts, fact.Fact{Tenant: d.Tenant, Source: d.Source, Event: d.Event, Customer: d.Customer, At: d.At.UTC(), Day: d.Day,
			Kind: d.Kind, Amount: d.Amount, Quantity: d.Quantity, Score: d.Score, Format: d.Format, Trust: d.Trust})
	}
	return nil
}
