package docstore_test

import (
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// open starts a store in memory, or in dir where that is not empty, and returns a client of it.
func open(t testing.TB, o docstore.Options) (*docstore.Store, *mongo.Client) {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	s, err := docstore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c, err := mongo.Connect(options.Client().ApplyURI(s.URI()).SetDialer(s.Dialer()).SetTimeout(30 * time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return s, c
}

func TestDriverRoundTrip(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := client.Database("db").Collection("people")
	if _, err := coll.InsertMany(ctx, []any{bson.D{{Key: "_id", Value: 1}, {Key: "name", Value: "Ada"}, {Key: "age", Value: 36}}, bson.D{{Key: "_id", Value: 2}, {Key: "name", Value: "Bob"}, {Key: "age", Value: 20}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "age", Value: -1}}}); err != nil {
		t.Fatal(err)
	}
	res, err := coll.UpdateOne(ctx, bson.D{{Key: "_id", Value: 3}}, bson.D{{Key: "$setOnInsert", Value: bson.D{{Key: "name", Value: "Cy"}, {Key: "age", Value: 50}}}}, options.UpdateOne().SetUpsert(true))
	if err != nil || res.UpsertedCount != 1 {
		t.Fatalf("upsert: %+v, %v", res, err)
	}
	cur, err := coll.Find(ctx, bson.D{{Key: "age", Value: bson.D{{Key: "$gt", Value: 30}}}}, options.Find().SetSort(bson.D{{Key: "age", Value: -1}}).SetBatchSize(1))
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		ID   int `bson:"_id"`
		Name string
	}
	if err := cur.All(ctx, &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Name != "Cy" || got[1].Name != "Ada" {
		t.Errorf("found %+v", got)
	}
}
