package mongodb

import (
	"context"
	"fmt"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/fault"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

const asideCollection = "strata_aside"

// Aside keeps messages that can never be handled, with why, so that a consumer may go on and a person may look.
type Aside struct {
	c   *mongo.Collection
	now func() time.Time
}

// NewAside returns the database's place for such messages; now is the wall clock.
func NewAside(db *DB, now func() time.Time) *Aside {
	return &Aside{db.Collection(asideCollection), now}
}

// asideDocument is a message set aside. Never changed; a repetition is the same document.
type asideDocument struct {
	ID        string            `bson:"_id"` // topic/partition/offset
	Topic     string            `bson:"topic"`
	Partition int               `bson:"partition"`
	Offset    int64             `bson:"offset"`
	Key       string            `bson:"key"`
	Headers   map[string]string `bson:"headers"`
	Value     []byte            `bson:"value"`
	Code      fault.Code        `bson:"code"`
	Cause     string            `bson:"cause"`
	At        time.Time         `bson:"at"`
	Version   int               `bson:"v"`
}

// Quarantine is a bus.Subscription's Quarantine: it stores the message with its cause before it returns nil.
func (a *Aside) Quarantine(ctx context.Context, m bus.Message, cause error) error {
	d := asideDocument{
		ID: fmt.Sprintf("%s/%d/%d", m.Topic, m.Partition, m.Offset), Topic: m.Topic, Partition: m.Partition, Offset: m.Offset,
		Key: m.Key, Headers: map[string]string{}, Value: m.Value, Code: fault.CodeOf(cause), Cause: cause.Error(),
		At: a.now().UTC(), Version: 1,
	}
	for _, h := range m.Headers {
		d.Headers[h.Key] = string(h.Value)
	}
	_, err := a.c.ReplaceOne(ctx, bson.D{{Key: "_id", Value: d.ID}}, d, options.Replace().SetUpsert(true))
	return Fault(err)
}

// Count returns how many messages of a topic are set aside.
func (a *Aside) Count(ctx context.Context, topic string) (int64, error) {
	n, err := a.c.CountDocuments(ctx, bson.D{{Key: "topic", Value: topic}})
	return n, Fault(err)
}
