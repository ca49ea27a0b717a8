package mongostore

import (
	"context"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Warehouse implements ingest.Warehouse: profiles, links of identities, facts, customer-day rows and touches.
type Warehouse struct {
	currency                                       string
	profiles, links, facts, rows, touches, stirred *mongo.Collection
}

// NewWarehouse returns the store of the database. currency is the tenant's.
func NewWarehouse(db *mongodb.DB, currency string) *Warehouse {
	return &Warehouse{currency: currency, profiles: db.Collection(profilesCollection), links: db.Collection(linksCollection),
		facts: db.Collection(factsCollection), rows: db.Collection(rowsCollection), touches: db.Collection(touchesCollection), stirred: db.Collection(stirredCollection)}
}

var _ ingest.Warehouse = (*Warehouse)(nil)

// originDoc is one value of a profile and where it came from.
type originDoc struct {
	Value      any                `bson:"value"`
	At         time.Time          `bson:"at"`
	ReceivedAt time.Time          `bson:"receivedAt"`
	Source     contract.SourceID  `bson:"source"`
	Event      string             `bson:"event"`
	Format     string             `bson:"format"`
	Trust      string             `bson:"trust,omitempty"`
	Import     string             `bson:"import,omitempty"`
	Purposes   []contract.Purpose `bson:"purposes,omitempty"`
}

// seenAt is where in the log of events a document was last changed.
type seenAt struct {
	Partition int   `bson:"partition"`
	Position  int64 `bson:"position"`
}

type profileDoc struct {
	ID     string            `bson:"_id"` // tenant|identity key
	V      int               `bson:"v"`
	Tenant contract.TenantID `bson:"tenant"`
	Key    identity.Key      `bson:"customer"`
	Since  time.Time         `bson:"since"`
	Place  validity.Priority `bson:"priority"` // absent or 0 in profiles from before there was one: see FillPriorities
	Seen   seenAt            `bson:",inline"`
	Values bson.D            `bson:"values"` // parameter → originDoc, by name
}

type profileRead struct {
	Tenant contract.TenantID                    `bson:"tenant"`
	Key    identity.Key                         `bson:"customer"`
	Since  time.Time                            `bson:"since"`
	Place  validity.Priority                    `bson:"priority"`
	Values map[contract.ParameterName]originDoc `bson:"values"`
}

type linkDoc struct {
	ID     string            `bson:"_id"` // tenant|a|b
	V      int               `bson:"v"`
	Tenant contract.TenantID `bson:"tenant"`
	A      identity.Key      `bson:"a"`
	B      identity.Key      `bson:"b"`
	At     time.Time         `bson:"at"`
	Source contract.SourceID `bson:"source"`
	Event  string            `bson:"event"`
	Seen   seenAt            `bson:",inline"`
}

// factDoc is one fact. row is the id of the customer-day row that an order belongs to.
type factDoc struct {
	ID       string            `bson:"_id"` // tenant|source|event id
	V        int               `bson:"v"`
	Tenant   contract.TenantID `bson:"tenant"`
	Source   contract.SourceID `bson:"source"`
	Event    string            `bson:"event"`
	Customer identity.Key      `bson:"customer"`
	At       time.Time         `bson:"at"`
	Day      contract.Day      `bson:"day"`
	Row      string            `bson:"row"`
	Kind     fact.Kind         `bson:"kind"`
	Amount   *int64            `bson:"amountMinor,omitempty"`
	Currency string            `bson:"currency,omitempty"`
	Quantity *int64            `bson:"quantity,omitempty"`
	Score    *float64          `bson:"score,omitempty"`
	More     bson.D            `bson:"more,omitempty"`
	Format   string            `bson:"format"`
	Trust    string            `bson:"trust,omitempty"`
	Import   string            `bson:"import,omitempty"`
}

// dayDoc is a customer-day row, rewritten whole.
type dayDoc struct {
	ID         string            `bson:"_id"` // tenant|customer|day
	V          int               `bson:"v"`
	Tenant     contract.TenantID `bson:"tenant"`
	Customer   identity.Key      `bson:"customer"`
	Day        contract.Day      `bson:"day"`
	Orders     int64             `bson:"orders"`
	Revenue    int64             `bson:"revenueMinor"`
	Units      int64             `bson:"units"`
	Zero       int64             `bson:"zeroOrders"`
	Identical  int64             `bson:"identical"`
	WithAmount int64             `bson:"withAmount"`
	WithItems  int64             `bson:"withItems"`
}

// Known implements ingest.Warehouse.
func (s *Warehouse) Known(ctx context.Context, t contract.TenantID, customers []identity.Key, links []string) (ingest.Known, error) {
	k := ingest.Known{Profiles: map[identity.Key]profile.Profile{}, Links: map[string]identity.Link{}}
	ids := make([]string, len(customers))
	for i, c := range customers {
		ids[i] = id(t, string(c))
	}
	var docs []profileRead
	if err := all(ctx, s.profiles, in("_id", ids), &docs); err != nil {
		return k, fmt.Errorf("profiles: %w", err)
	}
	for i := range docs {
		p, err := docs[i].profile()
		if err != nil {
			return k, err
		}
		k.Profiles[p.Key] = p
	}
	if len(links) == 0 {
		return k, nil
	}
	stored := make([]string, len(links))
	for i, l := range links {
		stored[i] = id(t, l)
	}
	var found []linkDoc
	if err := all(ctx, s.links, in("_id", stored), &found); err != nil {
		return k, fmt.Errorf("identities: %w", err)
	}
	for _, d := range found {
		l := identity.Link{A: d.A, B: d.B, At: d.At.UTC(), Source: d.Source, Event: d.Event}
		k.Links[l.ID()] = l
	}
	return k, nil
}

func (d *profileRead) profile() (profile.Profile, error) {
	p := profile.Profile{Tenant: d.Tenant, Key: d.Key, Since: d.Since.UTC(), Priority: d.Place, Values: map[contract.ParameterName]profile.Value{}}
	for name, o := range d.Values {
		raw, err := toJSON(o.Value)
		if err != nil {
			return p, fmt.Errorf("value of %s: %w", name, err)
		}
		p.Values[name] = profile.Value{Value: raw, At: o.At.UTC(), ReceivedAt: o.ReceivedAt.UTC(), Source: o.Source, Event: o.Event,
			Format: o.Format, Trust: o.Trust, Import: o.Import, Purposes: o.Purposes}
	}
	return p, nil
}

// Orders implements ingest.Warehouse.
func (s *Warehouse) Orders(ctx context.Context, t contract.TenantID, days []fact.DayKey) ([]fact.Fact, error) {
	ids := make([]string, len(days))
	for i, d := range days {
		ids[i] = id(t, d.ID())
	}
	var docs []factDoc
	if err := all(ctx, s.facts, append(in("row", ids), bson.E{Key: "kind", Value: fact.Order}), &docs); err != nil {
		return nil, fmt.Errorf("orders: %w", err)
	}
	out := make([]fact.Fact, len(docs))
	for i, d := range docs {
		out[i] = fact.Fact{Tenant: d.Tenant, Source: d.Source, Event: d.Event, Customer: d.Customer, At: d.At.UTC(), Day: d.Day, Kind: d.Kind,
			Amount: d.Amount, Quantity: d.Quantity}
	}
	return out, nil
}

// Save implements ingest.Warehouse.
func (s *Warehouse) Save(ctx context.Context, t contract.TenantID, c ingest.Changes) error {
	for _, step := range []struct {
		collection *mongo.Collection
		save       func(context.Context, contract.TenantID, *ingest.Changes) error
	}{{s.profiles, s.saveProfiles}, {s.links, s.saveLinks}, {s.facts, s.saveFacts}, {s.rows, s.saveRows}, {s.touches, s.saveTouches}, {s.stirred, s.saveStirred}} {
		if err := step.save(ctx, t, &c); err != nil {
			return fmt.Errorf("save %s: %w", step.collection.Name(), refused(err))
		}
	}
	return nil
}

func (s *Warehouse) saveProfiles(ctx context.Context, t contract.TenantID, c *ingest.Changes) error {
	docs, err := encoded(len(c.Profiles), func(i int) (encoder, error) { return newProfileDoc(t, &c.Profiles[i], seenAt(c.At)) })
	if err != nil {
		return err
	}
	return mongodb.ReplaceAll(ctx, s.profiles, docs)
}

func newProfileDoc(t contract.TenantID, p *profile.Profile, seen seenAt) (*profileDoc, error) {
	doc := &profileDoc{ID: id(t, string(p.Key)), V: version, Tenant: t, Key: p.Key, Since: p.Since, Place: p.Priority, Seen: seen, Values: bson.D{}}
	for _, name := range sorted(p.Values) {
		v := p.Values[name]
		value, err := toBSON(v.Value)
		if err != nil {
			return nil, err
		}
		doc.Values = append(doc.Values, bson.E{Key: string(name), Value: originDoc{Value: value, At: v.At, ReceivedAt: v.ReceivedAt,
			Source: v.Source, Event: v.Event, Format: v.Format, Trust: v.Trust, Import: v.Import, Purposes: v.Purposes}})
	}
	return doc, nil
}

func (s *Warehouse) saveLinks(ctx context.Context, t contract.TenantID, c *ingest.Changes) error {
	if len(c.Links) == 0 {
		return nil
	}
	writes := make([]mongo.WriteModel, len(c.Links))
	for i, l := range c.Links {
		key := id(t, l.ID())
		writes[i] = replacement(key, linkDoc{ID: key, V: version, Tenant: t, A: l.A, B: l.B, At: l.At, Source: l.Source, Event: l.Event, Seen: seenAt(c.At)})
	}
	_, err := s.links.BulkWrite(ctx, writes, unordered())
	return err
}

// saveFacts inserts: a new event's fact cannot be there.
func (s *Warehouse) saveFacts(ctx context.Context, t contract.TenantID, c *ingest.Changes) error {
	docs, err := encoded(len(c.Facts), func(i int) (encoder, error) { return s.newFactDoc(t, &c.Facts[i]) })
	if err != nil {
		return err
	}
	return mongodb.InsertAll(ctx, s.facts, docs)
}

func (s *Warehouse) newFactDoc(t contract.TenantID, f *fact.Fact) (*factDoc, error) {
	more, err := values(f.More)
	if err != nil {
		return nil, err
	}
	doc := &factDoc{ID: id(t, f.ID()), V: version, Tenant: t, Source: f.Source, Event: f.Event, Customer: f.Customer, At: f.At, Day: f.Day,
		Row: id(t, f.Key().ID()), Kind: f.Kind, Amount: f.Amount, Quantity: f.Quantity, Score: f.Score, More: more, Format: f.Format,
		Trust: f.Trust, Import: f.Import}
	if f.Amount != nil {
		doc.Currency = s.currency
	}
	return doc, nil
}

func (s *Warehouse) saveRows(ctx context.Context, t contract.TenantID, c *ingest.Changes) error {
	docs, err := encoded(len(c.Rows), func(i int) (encoder, error) { return dayDocOf(t, &c.Rows[i]), nil })
	if err != nil {
		return err
	}
	return mongodb.ReplaceAll(ctx, s.rows, docs)
}

func dayDocOf(t contract.TenantID, r *fact.CustomerDay) *dayDoc {
	return &dayDoc{ID: id(t, fact.DayKey{Customer: r.Customer, Day: r.Day}.ID()), V: version, Tenant: t, Customer: r.Customer, Day: r.Day,
		Orders: r.Orders, Revenue: r.Revenue, Units: r.Units, Zero: r.ZeroOrders, Identical: r.Identical, WithAmount: r.WithAmount, WithItems: r.WithItems}
}

func (s *Warehouse) saveTouches(ctx context.Context, t contract.TenantID, c *ingest.Changes) error {
	if len(c.Touched) == 0 {
		return nil
	}
	_, err := s.touches.BulkWrite(ctx, touchWrites(t, c.Touched, c.At), unordered())
	return err
}

// touchWrites keep one document per partition and month: {days: {"09": position}}.
func touchWrites(t contract.TenantID, days []contract.Day, at ingest.Touch) []mongo.WriteModel {
	months := map[string]bson.D{}
	for _, d := range days {
		month, day := string(d[:7]), string(d[8:])
		months[month] = append(months[month], bson.E{Key: "days." + day, Value: at.Position})
	}
	var writes []mongo.WriteModel
	for _, month := range sorted(months) {
		key := id(t, fmt.Sprint(at.Partition), month)
		writes = append(writes, mongo.NewUpdateOneModel().SetUpsert(true).SetFilter(byID(key)).SetUpdate(bson.D{
			{Key: "$max", Value: months[month]},
			{Key: "$setOnInsert", Value: bson.D{{Key: "v", Value: version}, {Key: "tenant", Value: t}, {Key: "partition", Value: at.Partition}, {Key: "month", Value: month}}},
		}))
	}
	return writes
}

type touchDoc struct {
	Partition int              `bson:"partition"`
	Month     string           `bson:"month"`
	Days      map[string]int64 `bson:"days"`
}

// Touched returns, by day, the latest position of each partition at which facts of the day arrived, for the days from
// first to last. A measurement that contains positions at least as high as these is current.
func (s *Warehouse) Touched(ctx context.Context, t contract.TenantID, first, last contract.Day) (map[contract.Day]map[int]int64, error) {
	filter := bson.D{{Key: "tenant", Value: t}, {Key: "month", Value: bson.D{{Key: "$gte", Value: monthOf(first)}, {Key: "$lte", Value: monthOf(last)}}}}
	var docs []touchDoc
	if err := all(ctx, s.touches, filter, &docs, options.Find()); err != nil {
		return nil, fmt.Errorf("touches: %w", err)
	}
	out := map[contract.Day]map[int]int64{}
	for _, d := range docs {
		for day, at := range d.Days {
			key := contract.Day(d.Month + "-" + day)
			if key < first || key > last {
				continue
			}
			if out[key] == nil {
				out[key] = map[int]int64{}
			}
			out[key][d.Partition] = at
		}
	}
	return out, nil
}

func monthOf(d contract.Day) string { return string(d[:min(len(d), 7)]) }
