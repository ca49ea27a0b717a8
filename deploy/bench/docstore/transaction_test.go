package docstorebench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// events is how many of them one transaction of the ingest kind takes in.
const events = 500

// TestBenchTransaction compares what ingest does in a transaction with the same operations on their own.
func TestBenchTransaction(t *testing.T) {
	client := store(t)
	db := client.Database("ingest")
	if _, err := db.Collection("events").Indexes().CreateMany(t.Context(), indexes); err != nil {
		t.Fatal(err)
	}
	n := max(7, min(60, size()/events/10))
	var together, apart []time.Duration
	for i := range n {
		together = append(together, timed(func() {
			if err := transact(t.Context(), client, func(ctx context.Context) error { return ingest(ctx, db, 2*i) }); err != nil {
				t.Fatal(err)
			}
		}))
		apart = append(apart, timed(func() {
			if err := ingest(t.Context(), db, 2*i+1); err != nil {
				t.Fatal(err)
			}
		}))
	}
	a, b := median(together), median(apart)
	t.Logf("%d events: in a transaction %v, without %v", events, a, b)
	atMost(t, "a transaction of the ingest kind / its operations without", a.Seconds()/b.Seconds(), 1.3)
}

func transact(ctx context.Context, c *mongo.Client, f func(ctx context.Context) error) error {
	s, err := c.StartSession()
	if err != nil {
		return err
	}
	defer s.EndSession(ctx)
	o := options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority())
	_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) { return nil, f(ctx) }, o)
	return err
}

// ingest takes in one batch as the operational layer does: a fence, the events, and what they change in profiles.
func ingest(ctx context.Context, db *mongo.Database, round int) error {
	fence := bson.D{{Key: "$set", Value: bson.D{{Key: "round", Value: round}}}}
	if _, err := db.Collection("fences").UpdateOne(ctx, bson.D{{Key: "_id", Value: "p0"}}, fence, options.UpdateOne().SetUpsert(true)); err != nil {
		return err
	}
	var facts, profiles []mongo.WriteModel
	for i := range events {
		at := time.UnixMilli(1_700_000_000_000 + int64(round*events+i))
		facts = append(facts, upsert(fmt.Sprintf("%08d-%04d", round, i), bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "customer", Value: customer(i)}, {Key: "amount", Value: int64(i * 100)}, {Key: "kind", Value: "purchase"}, {Key: "at", Value: at}, {Key: "note", Value: note}}}}))
		profiles = append(profiles, upsert(customer(i), bson.D{{Key: "$inc", Value: bson.D{{Key: "events", Value: int64(1)}, {Key: "amount", Value: int64(i)}}}, {Key: "$max", Value: bson.D{{Key: "last", Value: at}}}}))
	}
	if _, err := db.Collection("events").BulkWrite(ctx, facts, options.BulkWrite().SetOrdered(false)); err != nil {
		return err
	}
	_, err := db.Collection("profiles").BulkWrite(ctx, profiles, options.BulkWrite().SetOrdered(false))
	return err
}

func upsert(id string, update bson.D) mongo.WriteModel {
	return mongo.NewUpdateOneModel().SetFilter(byID(id)).SetUpdate(update).SetUpsert(true)
}
