package docstore_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// ingest is one transaction as the operational layer writes it: a fence, events, and profiles, each by _id.
func ingest(ctx context.Context, c *mongo.Client, worker, round, size int) error {
	db := c.Database("ingest")
	s, err := c.StartSession()
	if err != nil {
		return err
	}
	defer s.EndSession(ctx)
	opts := options.Transaction().SetReadConcern(readconcern.Snapshot()).SetWriteConcern(writeconcern.Majority())
	_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) {
		fence := bson.D{{Key: "$set", Value: bson.D{{Key: "round", Value: round}}}}
		if _, err := db.Collection("fences").UpdateOne(ctx, bson.D{{Key: "_id", Value: worker}}, fence, options.UpdateOne().SetUpsert(true)); err != nil {
			return nil, err
		}
		var events, profiles []mongo.WriteModel
		for i := range size {
			id := fmt.Sprintf("%02d-%06d-%04d", worker, round, i)
			events = append(events, upsert(id, bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "customer", Value: i}, {Key: "amount", Value: int64(i * 100)}, {Key: "kind", Value: "purchase"}, {Key: "at", Value: time.UnixMilli(int64(round))}}}}))
			profiles = append(profiles, upsert(fmt.Sprintf("%02d-%04d", worker, i), bson.D{{Key: "$inc", Value: bson.D{{Key: "events", Value: 1}}}, {Key: "$max", Value: bson.D{{Key: "last", Value: round}}}}))
		}
		if _, err := db.Collection("events").BulkWrite(ctx, events, options.BulkWrite().SetOrdered(false)); err != nil {
			return nil, err
		}
		return db.Collection("profiles").BulkWrite(ctx, profiles, options.BulkWrite().SetOrdered(false))
	}, opts)
	return err
}

func upsert(id string, u bson.D) mongo.WriteModel {
	return mongo.NewUpdateOneModel().SetFilter(bson.D{{Key: "_id", Value: id}}).SetUpdate(u).SetUpsert(true)
}

func TestIngestTransactionsOnDisjointDocumentsDoNotConflict(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const workers, rounds, size = 24, 3, 50
	_, client := open(t, docstore.Options{Dir: t.TempDir()})
	events := client.Database("ingest").Collection("events")
	if _, err := events.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "customer", Value: 1}, {Key: "at", Value: -1}}}); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for w := range workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for r := range rounds {
				if err := ingest(ctx, client, w, r, size); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
	if n, err := events.CountDocuments(ctx, bson.D{}); err != nil || n != workers*rounds*size {
		t.Errorf("%d events, %v; want %d", n, err, workers*rounds*size)
	}
	n, err := client.Database("ingest").Collection("profiles").CountDocuments(ctx, bson.D{{Key: "events", Value: rounds}, {Key: "last", Value: rounds - 1}})
	if err != nil || n != workers*size {
		t.Errorf("%d complete profiles, %v; want %d", n, err, workers*size)
	}
	requireValid(t, client, "ingest", "events", "profiles", "fences")
}

// requireValid fails the test where documents and indexes of a collection disagree.
func requireValid(t testing.TB, c *mongo.Client, db string, collections ...string) {
	t.Helper()
	for _, name := range collections {
		var reply struct {
			Valid  bool
			Errors []string
		}
		if err := c.Database(db).RunCommand(context.Background(), bson.D{{Key: "validate", Value: name}}).Decode(&reply); err != nil {
			t.Fatal(err)
		}
		if !reply.Valid {
			t.Errorf("%s.%s: %v", db, name, reply.Errors)
		}
	}
}

func BenchmarkIngest(b *testing.B) {
	for _, workers := range []int{1, 24} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			ctx := context.Background()
			_, client := open(b, docstore.Options{Dir: b.TempDir()})
			if _, err := client.Database("ingest").Collection("events").Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "customer", Value: 1}, {Key: "at", Value: -1}}}); err != nil {
				b.Fatal(err)
			}
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range workers {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for r := next.Add(1); r <= int64(b.N); r = next.Add(1) {
						if err := ingest(ctx, client, w, int(r), 500); err != nil {
							b.Error(err)
						}
					}
				}()
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)*1000/b.Elapsed().Seconds(), "upserts/s")
		})
	}
}
