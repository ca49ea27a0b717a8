package mongostore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
)

// Lake keeps events, what was set aside, and the list of erased customers.
type Lake struct{ events, aside, suppressed *mongo.Collection }

// NewLake returns the store of the database.
func NewLake(db *mongodb.DB) *Lake {
	return &Lake{events: db.Collection(lakeCollection), aside: db.Collection(quarantineCollection), suppressed: db.Collection(suppressedCollection)}
}

var (
	_ ingest.Lake        = (*Lake)(nil)
	_ ingest.Stored      = (*Lake)(nil)
	_ ingest.Suppression = (*Lake)(nil)
	_ collect.Known      = (*Lake)(nil)
	_ lake.Quarantine    = (*Lake)(nil)
)

type askedDoc struct {
	Directive contract.DirectiveID `bson:"directive"`
	Revision  int64                `bson:"revision"`
	Purposes  []contract.Purpose   `bson:"purposes"`
}

type rowDoc struct {
	Run string `bson:"run"`
	Row int64  `bson:"row"`
}

// eventDoc is an event as collected. It never changes; erasure deletes it.
type eventDoc struct {
	ID         string            `bson:"_id"` // tenant|source|event id
	V          int               `bson:"v"`
	Tenant     contract.TenantID `bson:"tenant"`
	Source     contract.SourceID `bson:"source"`
	Event      string            `bson:"event"`
	Call       string            `bson:"call"`
	Name       string            `bson:"name,omitempty"`
	Customer   string            `bson:"customer"`
	User       string            `bson:"userId,omitempty"`
	Anonymous  string            `bson:"anonymousId,omitempty"`
	Previous   string            `bson:"previousId,omitempty"`
	At         time.Time         `bson:"at"`
	Original   *time.Time        `bson:"originalTimestamp,omitempty"`
	SentAt     *time.Time        `bson:"sentAt,omitempty"`
	ReceivedAt time.Time         `bson:"receivedAt"`
	Parameters bson.D            `bson:"parameters"`
	Asked      []askedDoc        `bson:"asked"`
	Content    string            `bson:"content"`
	Import     *rowDoc           `bson:"import,omitempty"`
	Format     string            `bson:"format"`
	Trust      string            `bson:"trust,omitempty"`
	Epoch      int64             `bson:"epoch"`
	Partition  int               `bson:"partition"`
	Offset     int64             `bson:"offset"`
}

func newEventDoc(e *lake.Event) (*eventDoc, error) {
	params, err := values(e.Parameters)
	if err != nil {
		return nil, err
	}
	d := &eventDoc{ID: id(e.Tenant, string(e.Source), e.ID), V: version, Tenant: e.Tenant, Source: e.Source, Event: e.ID, Call: e.Call, Name: e.Event,
		Customer: e.CustomerKey, User: e.UserID, Anonymous: e.AnonymousID, Previous: e.PreviousID, At: e.Time, Original: e.OriginalTimestamp,
		SentAt: e.SentAt, ReceivedAt: e.ReceivedAt, Parameters: params, Content: e.Content, Format: e.Format, Trust: e.Trust,
		Epoch: e.Place.Epoch, Partition: e.Place.Partition, Offset: e.Place.Offset}
	for _, a := range e.Asked {
		d.Asked = append(d.Asked, askedDoc(a))
	}
	if e.Import != nil {
		d.Import = (*rowDoc)(e.Import)
	}
	return d, nil
}

// Keep implements ingest.Lake. An upsert that finds the id taken changes nothing and, unlike an insert, does not end the
// transaction.
func (s *Lake) Keep(ctx context.Context, events []lake.Event) ([]lake.Kept, error) {
	ids := make([]string, len(events))
	docs, err := encoded(len(events), func(i int) (encoder, error) {
		doc, err := newEventDoc(&events[i])
		if err != nil {
			return nil, fmt.Errorf("event at offset %d: %w", events[i].Place.Offset, err)
		}
		ids[i] = doc.ID
		return doc, nil
	})
	if err != nil {
		return nil, err
	}
	stored, err := mongodb.KeepAll(ctx, s.events, docs) // in order: of two with one id the first counts
	if err != nil {
		return nil, fmt.Errorf("keep events: %w", refused(err))
	}
	kept := make([]lake.Kept, len(events))
	var taken []string
	for i := range events {
		if stored[i] {
			kept[i] = lake.Kept{Outcome: lake.New, Seen: lake.Seen{Content: events[i].Content, Import: events[i].Import}}
		} else {
			taken = append(taken, ids[i])
		}
	}
	if len(taken) == 0 {
		return kept, nil
	}
	seen, err := s.seen(ctx, taken)
	if err != nil {
		return nil, err
	}
	for i := range events {
		if !stored[i] {
			kept[i] = events[i].Judge(seen[ids[i]])
		}
	}
	return kept, nil
}

type seenDoc struct {
	ID      string  `bson:"_id"`
	Content string  `bson:"content"`
	Import  *rowDoc `bson:"import"`
}

func (s *Lake) seen(ctx context.Context, ids []string) (map[string]lake.Seen, error) {
	var docs []seenDoc
	projection := options.Find().SetProjection(bson.D{{Key: "content", Value: 1}, {Key: "import", Value: 1}})
	if err := all(ctx, s.events, in("_id", ids), &docs, projection); err != nil {
		return nil, fmt.Errorf("look up events: %w", err)
	}
	seen := make(map[string]lake.Seen, len(docs))
	for _, d := range docs {
		seen[d.ID] = lake.Seen{Content: d.Content, Import: (*contract.ImportRow)(d.Import)}
	}
	return seen, nil
}

// Known implements collect.Known.
func (s *Lake) Known(ctx context.Context, t contract.TenantID, src contract.SourceID, ids []string) (map[string]lake.Seen, error) {
	prefix := id(t, string(src)) + "|"
	full := make([]string, len(ids))
	for i, e := range ids {
		full[i] = prefix + e
	}
	seen, err := s.seen(ctx, full)
	if err != nil {
		return nil, err
	}
	out := make(map[string]lake.Seen, len(seen))
	for k, v := range seen {
		out[k[len(prefix):]] = v
	}
	return out, nil
}

// Stored implements ingest.Stored.
func (s *Lake) Stored(ctx context.Context) (map[[2]int64]int64, error) {
	cursor, err := s.events.Aggregate(ctx, mongo.Pipeline{{{Key: "$group", Value: bson.D{
		{Key: "_id", Value: bson.D{{Key: "epoch", Value: "$epoch"}, {Key: "partition", Value: "$partition"}}},
		{Key: "n", Value: bson.D{{Key: "$sum", Value: int64(1)}}},
	}}}})
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var groups []struct {
		ID struct {
			Epoch     int64 `bson:"epoch"`
			Partition int64 `bson:"partition"`
		} `bson:"_id"`
		N int64 `bson:"n"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return nil, mongodb.Fault(err)
	}
	out := map[[2]int64]int64{}
	for _, g := range groups {
		out[[2]int64{g.ID.Epoch, g.ID.Partition}] = g.N
	}
	return out, nil
}

// manyKeys is how many customers are looked up in one query; a batch of ingest has no more, unless it cannot be read.
const manyKeys = 10_000

// Among implements ingest.Suppression.
func (s *Lake) Among(ctx context.Context, t contract.TenantID, customers []identity.Key) (map[identity.Key]bool, error) {
	found := map[identity.Key]bool{}
	for some := range slices.Chunk(customers, manyKeys) {
		ids := make([]string, len(some))
		for i, c := range some {
			ids[i] = id(t, string(c))
		}
		var docs []suppressedDoc
		if err := all(ctx, s.suppressed, in("_id", ids), &docs); err != nil {
			return nil, fmt.Errorf("suppression list: %w", err)
		}
		for _, d := range docs {
			found[d.Customer] = true
		}
	}
	return found, nil
}

var errNoKey = errors.New("a record that is set aside needs an id")

// quarantineDoc is a record that was set aside. It never changes.
type quarantineDoc struct {
	ID        string            `bson:"_id"` // tenant|reason|what it is about
	V         int               `bson:"v"`
	Tenant    contract.TenantID `bson:"tenant"`
	Reason    string            `bson:"reason"`
	At        time.Time         `bson:"at"`
	Source    contract.SourceID `bson:"source,omitempty"`
	Event     *eventDoc         `bson:"event,omitempty"`
	Raw       []byte            `bson:"raw,omitempty"`
	Customer  identity.Key      `bson:"customer,omitempty"`
	Epoch     *int64            `bson:"epoch,omitempty"`
	Partition *int              `bson:"partition,omitempty"`
	Offset    *int64            `bson:"offset,omitempty"`
}

// SetAside implements lake.Quarantine.
func (s *Lake) SetAside(ctx context.Context, records []lake.Quarantined) error {
	writes := make([]mongo.WriteModel, len(records))
	for i := range records {
		doc, err := newQuarantineDoc(&records[i])
		if err != nil {
			return err
		}
		writes[i] = mongo.NewUpdateOneModel().SetFilter(byID(doc.ID)).SetUpdate(bson.D{{Key: "$setOnInsert", Value: doc}}).SetUpsert(true)
	}
	if _, err := s.aside.BulkWrite(ctx, writes); err != nil {
		return fmt.Errorf("set aside: %w", refused(err))
	}
	return nil
}

// Withdraw implements lake.Quarantine.
func (s *Lake) Withdraw(ctx context.Context, t contract.TenantID, records []string) error {
	ids := make([]string, len(records))
	for i, r := range records {
		ids[i] = id(t, r)
	}
	if _, err := s.aside.DeleteMany(ctx, in("_id", ids)); err != nil {
		return fmt.Errorf("withdraw what was set aside: %w", mongodb.Fault(err))
	}
	return nil
}

func newQuarantineDoc(q *lake.Quarantined) (*quarantineDoc, error) {
	if q.ID == "" {
		return nil, errNoKey
	}
	doc := &quarantineDoc{ID: id(q.Tenant, q.ID), V: version, Tenant: q.Tenant, Reason: string(q.Reason), At: q.At, Source: q.Source, Raw: q.Raw, Customer: q.Customer}
	if q.Event != nil {
		event, err := newEventDoc(&lake.Event{Tenant: q.Tenant, CustomerEvent: *q.Event})
		if err != nil {
			return nil, err
		}
		doc.Event = event
	}
	if q.Place != nil {
		doc.Epoch, doc.Partition, doc.Offset = &q.Place.Epoch, &q.Place.Partition, &q.Place.Offset
	}
	return doc, nil
}

// AsideBetween counts what is set aside of some sources and about a time, half-open; what cannot be read, and so does not say of whom and
// what it is, by when it was set aside.
func (s *Lake) AsideBetween(ctx context.Context, t contract.TenantID, sources []contract.SourceID, from, until time.Time) (int64, error) {
	during := bson.D{{Key: "$gte", Value: from}, {Key: "$lt", Value: until}}
	n, err := s.aside.CountDocuments(ctx, bson.D{{Key: "tenant", Value: t}, {Key: "$or", Value: bson.A{
		bson.D{{Key: "source", Value: bson.D{{Key: "$in", Value: sources}}}, {Key: "event.at", Value: during}},
		bson.D{{Key: "event", Value: bson.D{{Key: "$exists", Value: false}}}, {Key: "at", Value: during}},
	}}})
	if err != nil {
		return 0, fmt.Errorf("count what is set aside: %w", mongodb.Fault(err))
	}
	return n, nil
}

// CountAside returns how much of a tenant is set aside, by source and reason.
func (s *Lake) CountAside(ctx context.Context, t contract.TenantID) ([]lake.AsideCount, error) {
	cursor, err := s.aside.Aggregate(ctx, mongo.Pipeline{
		{{Key: "$match", Value: bson.D{{Key: "tenant", Value: t}}}},
		{{Key: "$group", Value: bson.D{{Key: "_id", Value: bson.D{{Key: "source", Value: "$source"}, {Key: "reason", Value: "$reason"}}},
			{Key: "n", Value: bson.D{{Key: "$sum", Value: int64(1)}}}}}},
		{{Key: "$sort", Value: byID1}},
	})
	if err != nil {
		return nil, mongodb.Fault(err)
	}
	var groups []struct {
		ID struct {
			Source contract.SourceID `bson:"source"`
			Reason fault.Code        `bson:"reason"`
		} `bson:"_id"`
		N int64 `bson:"n"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return nil, mongodb.Fault(err)
	}
	out := make([]lake.AsideCount, len(groups))
	for i, g := range groups {
		out[i] = lake.AsideCount{Source: g.ID.Source, Reason: g.ID.Reason, Count: g.N}
	}
	return out, nil
}
