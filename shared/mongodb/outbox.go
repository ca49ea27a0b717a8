package mongodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/telemetry"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

const outboxCollection = "strata_outbox"

// Entry is the whole current state of one entity, to be published under a key.
type Entry struct {
	Topic    string
	Key      string // the message key
	Entity   string // tells entities with the same key apart, for example "directive"; the newest Put of (Topic, Key, Entity) wins
	Envelope contract.Envelope
	Payload  contract.Payload
}

// OutboxOptions are the outbox's settings and what it needs from the process.
type OutboxOptions struct {
	Now            func() time.Time     // required: the wall clock
	Logger         *slog.Logger         // required
	Tracer         trace.TracerProvider // nil means no spans
	Meter          metric.MeterProvider // nil counts nothing
	Gauges         *telemetry.Gauges    // where strata.outbox.pending and age go; nil = nowhere
	RepublishEvery time.Duration        // every entity is published again after half of this to all of it; 0 means 24 h
	Poll           time.Duration        // how long a change that nobody announced with Wake may wait; 0 means 500 ms
}

// Outbox holds what must be published, in the same database and the same transaction as the change it tells of: one
// document per (topic, key, entity) with the newest payload, so it coalesces and is bounded by the entities there are.
// A document is due while it was wanted more often than it was sent. Its relay publishes what is due and then marks as
// sent what it read, never more; so a crash or a lost answer between the two publishes again, and never loses.
// Delivery is at least once, the newest state always, in no order between entities.
type Outbox struct {
	db        *DB
	documents *mongo.Collection
	publisher bus.Publisher
	o         OutboxOptions
	wake      chan struct{}
	holder    string
	metrics   outboxMetrics
}

// NewOutbox returns the outbox of the database. Its relay works while Run does; run it in every replica.
func NewOutbox(db *DB, p bus.Publisher, o OutboxOptions) (*Outbox, error) {
	switch {
	case db == nil:
		return nil, errors.New("mongodb: NewOutbox: the database is missing")
	case p == nil:
		return nil, errors.New("mongodb: NewOutbox: the publisher is missing")
	case o.Now == nil || o.Logger == nil:
		return nil, errors.New("mongodb: NewOutbox: Now and Logger are required")
	}
	if o.RepublishEvery <= 0 {
		o.RepublishEvery = 24 * time.Hour
	}
	if o.Poll <= 0 {
		o.Poll = 500 * time.Millisecond
	}
	metrics, err := newOutboxMetrics(o.Tracer, o.Meter)
	if err != nil {
		return nil, err
	}
	outbox := &Outbox{db: db, documents: db.Collection(outboxCollection), publisher: p, o: o,
		wake: make(chan struct{}, 1), holder: uuid.NewString(), metrics: metrics}
	if o.Gauges != nil {
		o.Gauges.From(outbox.observe)
	}
	return outbox, nil
}

// outboxDocument is what is stored. Changes allowed: new optional fields. due and since are there only while it is due.
type outboxDocument struct {
	ID      string         `bson:"_id"`
	Topic   string         `bson:"topic"`
	Key     string         `bson:"key"`
	Entity  string         `bson:"entity"`
	Value   []byte         `bson:"value"`
	Headers []outboxHeader `bson:"headers"`
	Wanted  int64          `bson:"wanted"` // raised by every Put and every wish to publish again
	Sent    int64          `bson:"sent"`   // the wanted that the relay last read and published
	Due     bool           `bson:"due"`
	Since   time.Time      `bson:"since"` // since when it is due
	Next    time.Time      `bson:"next"`  // when it is published again even unchanged
	Version int            `bson:"v"`
}

type outboxHeader struct {
	Key   string `bson:"k"`
	Value []byte `bson:"v"`
}

const outboxVersion = 1

// Put makes e's payload what is published for its (topic, key, entity), with the trace of ctx, when the transaction
// commits. It runs inside [DB.Tx] only; call Wake after the commit. Errors: Invalid for what may never be published (no
// topic, key or entity, an incomplete envelope, an invalid or too large payload); else as [Fault] has it.
func (o *Outbox) Put(ctx context.Context, e Entry) error { return o.PutAll(ctx, e) }

// PutAll is Put for several entries in one round trip; of two with the same (topic, key, entity) the later wins.
func (o *Outbox) PutAll(ctx context.Context, entries ...Entry) error {
	if !inTx(ctx) {
		return errors.New("mongodb: outbox: Put outside a transaction: call it in DB.Tx with the change it tells of")
	}
	if len(entries) == 0 {
		return nil
	}
	writes := make([]mongo.WriteModel, 0, len(entries))
	for _, e := range entries {
		m, err := encode(ctx, e)
		if err != nil {
			return err
		}
		writes = append(writes, o.put(m, e.Entity))
	}
	if _, err := o.documents.BulkWrite(ctx, writes); err != nil {
		return fmt.Errorf("mongodb: outbox: put: %w", raced(err))
	}
	return nil
}

func encode(ctx context.Context, e Entry) (bus.Message, error) {
	if e.Entity == "" {
		return bus.Message{}, fault.New(fault.Invalid, fault.MissingField, "outbox: the entry for %s has no entity", e.Topic)
	}
	m, err := contract.Encode(e.Topic, e.Key, e.Envelope, e.Payload)
	if err != nil {
		return bus.Message{}, fmt.Errorf("mongodb: outbox: %w", err)
	}
	m = bus.Inject(ctx, m)
	if err := bus.Check(m); err != nil {
		return bus.Message{}, fmt.Errorf("mongodb: outbox: %w", err)
	}
	return m, nil
}

func (o *Outbox) put(m bus.Message, entity string) mongo.WriteModel {
	headers := make([]outboxHeader, len(m.Headers))
	for i, h := range m.Headers {
		headers[i] = outboxHeader(h)
	}
	now := o.o.Now().UTC()
	return mongo.NewUpdateOneModel().SetUpsert(true).
		SetFilter(bson.D{{Key: "_id", Value: outboxID(m.Topic, m.Key, entity)}}).
		SetUpdate(bson.D{
			{Key: "$set", Value: bson.D{{Key: "value", Value: m.Value}, {Key: "headers", Value: headers},
				{Key: "due", Value: true}, {Key: "next", Value: o.next(now)}}},
			{Key: "$min", Value: bson.D{{Key: "since", Value: now}}},
			{Key: "$inc", Value: bson.D{{Key: "wanted", Value: int64(1)}}},
			{Key: "$setOnInsert", Value: bson.D{{Key: "topic", Value: m.Topic}, {Key: "key", Value: m.Key},
				{Key: "entity", Value: entity}, {Key: "sent", Value: int64(0)}, {Key: "v", Value: outboxVersion}}},
		})
}

// outboxID joins the parts so that different ones never meet.
func outboxID(topic, key, entity string) string {
	escape := strings.NewReplacer("%", "%25", "|", "%7C")
	return escape.Replace(topic) + "|" + escape.Replace(key) + "|" + escape.Replace(entity)
}

// next is when an entity published now is published again: spread, so that they do not come all at once.
func (o *Outbox) next(now time.Time) time.Time {
	half := o.o.RepublishEvery / 2
	return now.Add(half + rand.N(half+1))
}

// Wake makes the relay look at once. Call it after a transaction with Put has committed; it never blocks.
func (o *Outbox) Wake() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// Republish makes every entity that match accepts due again, and returns how many those were. It answers a StateRequest.
// A nil match accepts all.
func (o *Outbox) Republish(ctx context.Context, match func(topic, key, entity string) bool) (int, error) {
	cursor, err := o.documents.Find(ctx, bson.D{}, options.Find().SetBatchSize(republishBatch).
		SetProjection(bson.D{{Key: "topic", Value: 1}, {Key: "key", Value: 1}, {Key: "entity", Value: 1}}))
	if err != nil {
		return 0, fmt.Errorf("mongodb: outbox: republish: %w", Fault(err))
	}
	defer func() { _ = cursor.Close(context.WithoutCancel(ctx)) }()
	raised, ids := 0, []string(nil)
	for cursor.Next(ctx) {
		var d outboxDocument
		if err := cursor.Decode(&d); err != nil {
			return raised, fmt.Errorf("mongodb: outbox: republish: %w", Fault(err))
		}
		if match == nil || match(d.Topic, d.Key, d.Entity) {
			ids = append(ids, d.ID)
		}
		if len(ids) == republishBatch {
			if err := o.raise(ctx, ids); err != nil {
				return raised, err
			}
			raised, ids = raised+len(ids), ids[:0]
		}
	}
	if err := errors.Join(cursor.Err(), ctx.Err()); err != nil {
		return raised, fmt.Errorf("mongodb: outbox: republish: %w", Fault(err))
	}
	if err := o.raise(ctx, ids); err != nil {
		return raised, err
	}
	o.Wake()
	return raised + len(ids), nil
}

const republishBatch = 500

// raise makes the documents due.
func (o *Outbox) raise(ctx context.Context, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	now := o.o.Now().UTC()
	writes := make([]mongo.WriteModel, len(ids))
	for i, id := range ids {
		writes[i] = mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: id}}).SetUpdate(bson.D{
			{Key: "$set", Value: bson.D{{Key: "due", Value: true}, {Key: "next", Value: o.next(now)}}},
			{Key: "$min", Value: bson.D{{Key: "since", Value: now}}},
			{Key: "$inc", Value: bson.D{{Key: "wanted", Value: int64(1)}}},
		})
	}
	err := o.db.Tx(ctx, func(ctx context.Context) error {
		_, err := o.documents.BulkWrite(ctx, writes)
		return err
	})
	if err != nil {
		return fmt.Errorf("mongodb: outbox: raise: %w", err)
	}
	return nil
}

// Status returns how many entities are due and for how long the oldest has been.
func (o *Outbox) Status(ctx context.Context) (pending int, oldest time.Duration, err error) {
	due := bson.D{{Key: "due", Value: true}}
	n, err := o.documents.CountDocuments(ctx, due)
	if err != nil || n == 0 {
		return 0, 0, Fault(err)
	}
	var d outboxDocument
	err = o.documents.FindOne(ctx, due, options.FindOne().SetSort(bson.D{{Key: "since", Value: 1}}).
		SetProjection(bson.D{{Key: "since", Value: 1}})).Decode(&d)
	switch {
	case errors.Is(err, mongo.ErrNoDocuments):
		return 0, 0, nil
	case err != nil:
		return 0, 0, fmt.Errorf("mongodb: outbox: status: %w", Fault(err))
	default:
		return int(n), max(0, o.o.Now().Sub(d.Since)), nil
	}
}

// Name implements service.Component.
func (o *Outbox) Name() string { return "outbox" }
