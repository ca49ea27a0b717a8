package mongostore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Sources implements source.Store and source.Watermarks.
type Sources struct {
	db             *mongodb.DB
	sources, marks *mongo.Collection
}

// NewSources returns the store of the database.
func NewSources(db *mongodb.DB) *Sources {
	return &Sources{db: db, sources: db.Collection(sourcesCollection), marks: db.Collection(watermarksCollection)}
}

var (
	_ source.Store      = (*Sources)(nil)
	_ source.Watermarks = (*Sources)(nil)
)

type sourceDoc struct {
	ID         string                   `bson:"_id"` // tenant|id
	V          int                      `bson:"v"`
	Tenant     contract.TenantID        `bson:"tenant"`
	Revision   int64                    `bson:"revision"`
	Source     contract.SourceID        `bson:"source"`
	Name       string                   `bson:"name"`
	Owner      string                   `bson:"owner"`
	Steward    string                   `bson:"steward"`
	Offers     []contract.ParameterName `bson:"offers"`
	Format     string                   `bson:"format"`
	Trust      source.Trust             `bson:"trust"`
	Lateness   int64                    `bson:"latenessMs"`
	Keys       []string                 `bson:"keys"` // hashes
	Registered time.Time                `bson:"registeredAt"`
	Changed    time.Time                `bson:"changedAt"`
}

func (d *sourceDoc) source() source.Source {
	return source.Source{Tenant: d.Tenant, Revision: d.Revision, Keys: d.Keys, RegisteredAt: d.Registered.UTC(), ChangedAt: d.Changed.UTC(),
		Draft: source.Draft{ID: d.Source, Name: d.Name, Owner: d.Owner, Steward: d.Steward, Offers: d.Offers, Format: d.Format,
			Trust: d.Trust, Lateness: time.Duration(d.Lateness) * time.Millisecond}}
}

// Save implements source.Store.
func (s *Sources) Save(ctx context.Context, x source.Source, previous int64) error {
	doc := sourceDoc{ID: x.Tenant.Key(string(x.ID)), V: version, Tenant: x.Tenant, Revision: x.Revision, Source: x.ID, Name: x.Name, Owner: x.Owner,
		Steward: x.Steward, Offers: x.Offers, Format: x.Format, Trust: x.Trust, Lateness: x.Lateness.Milliseconds(), Keys: x.Keys,
		Registered: x.RegisteredAt, Changed: x.ChangedAt}
	if err := s.swap(ctx, s.sources, doc.ID, previous, doc); err != nil {
		return fmt.Errorf("save source %s: %w", x.ID, err)
	}
	return nil
}

// swap is swap in a transaction: an Idempotency-Key knows of no other write, and a key that was renewed twice for one request
// shuts out the source that still sends with the one before.
func (s *Sources) swap(ctx context.Context, c *mongo.Collection, id string, previous int64, doc any) error {
	return s.db.Tx(ctx, func(ctx context.Context) error { return swap(ctx, c, id, previous, doc) })
}

// swap replaces a document if its revision is previous; 0 means that there must be none. fault.Conflict with
// precondition_failed otherwise.
func swap(ctx context.Context, c *mongo.Collection, id string, previous int64, doc any) error {
	if previous == 0 {
		_, err := c.InsertOne(ctx, doc)
		if err = mongodb.Fault(err); fault.Is(err, fault.Conflict) {
			return fault.Wrap(fault.Conflict, fault.PreconditionFailed, err, "it exists already: read it, and change that")
		}
		return err
	}
	res, err := c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "revision", Value: previous}}, doc)
	if err != nil {
		return mongodb.Fault(err)
	}
	if res.MatchedCount == 0 {
		return fault.New(fault.Conflict, fault.PreconditionFailed, "it has changed since: read it again")
	}
	return nil
}

// Get implements source.Store.
func (s *Sources) Get(ctx context.Context, t contract.TenantID, id contract.SourceID) (source.Source, error) {
	var d sourceDoc
	err := mongodb.Fault(s.sources.FindOne(ctx, byID(t.Key(string(id)))).Decode(&d))
	if fault.Is(err, fault.NotFound) {
		return source.Source{}, fault.New(fault.NotFound, fault.UnknownSource, "source %s is not registered: register it with POST /api/operational/v1/sources", id)
	}
	return d.source(), err
}

// List implements source.Store.
func (s *Sources) List(ctx context.Context, t contract.TenantID) ([]source.Source, error) {
	var docs []sourceDoc
	if err := all(ctx, s.sources, bson.D{{Key: "tenant", Value: t}}, &docs, options.Find().SetSort(byID1)); err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	out := make([]source.Source, len(docs))
	for i := range docs {
		out[i] = docs[i].source()
	}
	return out, nil
}

var byID1 = bson.D{{Key: "_id", Value: 1}}

// all reads every document that matches.
func all(ctx context.Context, c *mongo.Collection, filter bson.D, into any, opts ...options.Lister[options.FindOptions]) error {
	cursor, err := c.Find(ctx, filter, opts...)
	if err != nil {
		return mongodb.Fault(err)
	}
	return mongodb.Fault(cursor.All(ctx, into))
}

type declarationDoc struct {
	Until   time.Time        `bson:"until"`
	At      time.Time        `bson:"at"`
	Barrier map[string]int64 `bson:"barrier"` // partition → position
	Live    bool             `bson:"live,omitempty"`
}

type watermarkDoc struct {
	ID       string            `bson:"_id"` // tenant|source
	V        int               `bson:"v"`
	Tenant   contract.TenantID `bson:"tenant"`
	Source   contract.SourceID `bson:"source"`
	Revision int64             `bson:"revision"`
	Until    *time.Time        `bson:"until"`
	Declared *time.Time        `bson:"declared,omitempty"`
	Pending  []declarationDoc  `bson:"pending"`
}

// Put implements source.Watermarks.
func (s *Sources) Put(ctx context.Context, w source.Watermark, previous int64) error {
	doc := watermarkDoc{ID: w.Tenant.Key(string(w.Source)), V: version, Tenant: w.Tenant, Source: w.Source, Revision: w.Revision}
	if !w.Until.IsZero() {
		doc.Until = &w.Until
	}
	if !w.Declared.IsZero() {
		doc.Declared = &w.Declared
	}
	for _, p := range w.Pending {
		doc.Pending = append(doc.Pending, declarationDoc{Until: p.Until, At: p.At, Barrier: fromPosition(p.Barrier), Live: p.Live})
	}
	return s.swap(ctx, s.marks, doc.ID, previous, doc)
}

// Of implements source.Watermarks.
func (s *Sources) Of(ctx context.Context, t contract.TenantID) (map[contract.SourceID]source.Watermark, error) {
	var docs []watermarkDoc
	if err := all(ctx, s.marks, bson.D{{Key: "tenant", Value: t}}, &docs); err != nil {
		return nil, fmt.Errorf("watermarks: %w", err)
	}
	out := map[contract.SourceID]source.Watermark{}
	for _, d := range docs {
		w := source.Watermark{Tenant: d.Tenant, Source: d.Source, Revision: d.Revision}
		if d.Until != nil {
			w.Until = d.Until.UTC()
		}
		if d.Declared != nil {
			w.Declared = d.Declared.UTC()
		}
		for _, p := range d.Pending {
			w.Pending = append(w.Pending, source.Declaration{Until: p.Until.UTC(), At: p.At.UTC(), Barrier: toPosition(p.Barrier), Live: p.Live})
		}
		out[d.Source] = w
	}
	return out, nil
}

func fromPosition(p source.Position) map[string]int64 {
	m := map[string]int64{}
	for part, at := range p {
		m[strconv.Itoa(part)] = at
	}
	return m
}

func toPosition(m map[string]int64) source.Position {
	p := source.Position{}
	for part, at := range m {
		if n, err := strconv.Atoi(part); err == nil {
			p[n] = at
		}
	}
	return p
}

// Drops implements collect.DropStore.
type Drops struct{ c *mongo.Collection }

// NewDrops returns the store of the database.
func NewDrops(db *mongodb.DB) *Drops { return &Drops{c: db.Collection(droppedCollection)} }

var _ collect.DropStore = (*Drops)(nil)

type dropDoc struct {
	Name  string `bson:"name"`
	Count int64  `bson:"count"`
}

// Add implements collect.DropStore.
func (s *Drops) Add(ctx context.Context, t contract.TenantID, src contract.SourceID, d collect.Drops, at time.Time) error {
	var writes []mongo.WriteModel
	for name, n := range d {
		writes = append(writes, mongo.NewUpdateOneModel().SetUpsert(true).SetFilter(byID(id(t, string(src), name))).SetUpdate(bson.D{
			{Key: "$inc", Value: bson.D{{Key: "count", Value: n}}},
			{Key: "$set", Value: bson.D{{Key: "lastAt", Value: at}}},
			{Key: "$setOnInsert", Value: bson.D{{Key: "v", Value: version}, {Key: "tenant", Value: t}, {Key: "source", Value: src}, {Key: "name", Value: name}}},
		}))
	}
	if len(writes) == 0 {
		return nil
	}
	_, err := s.c.BulkWrite(ctx, writes, unordered())
	return mongodb.Fault(err)
}

// Of implements collect.DropStore.
func (s *Drops) Of(ctx context.Context, t contract.TenantID, src contract.SourceID) (collect.Drops, error) {
	prefix := id(t, string(src)) + "|"
	var docs []dropDoc
	filter := bson.D{{Key: "_id", Value: bson.D{{Key: "$gte", Value: prefix}, {Key: "$lt", Value: strings.TrimSuffix(prefix, "|") + "}"}}}}
	if err := all(ctx, s.c, filter, &docs); err != nil {
		return nil, err
	}
	out := collect.Drops{}
	for _, d := range docs {
		out[d.Name] = d.Count
	}
	return out, nil
}
