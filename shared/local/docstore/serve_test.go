package docstore_test

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore"
)

func TestTCPAsksForTheCredential(t *testing.T) {
	t.Parallel()
	s, memory := open(t, docstore.Options{InMemory: true, Credential: &docstore.Credential{Username: "strata", Password: "påss word"}})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	if err := memory.Ping(t.Context(), nil); err != nil {
		t.Errorf("in memory, without a credential: %v", err)
	}
	list := func(c *options.Credential) error {
		o := options.Client().ApplyURI("mongodb://" + l.Addr().String() + "/?replicaSet=strata").SetTimeout(5 * time.Second)
		if c != nil {
			o.SetAuth(*c)
		}
		client, err := mongo.Connect(o)
		if err != nil {
			return err
		}
		defer func() { _ = client.Disconnect(context.Background()) }()
		_, err = client.ListDatabaseNames(t.Context(), bson.D{})
		return err
	}
	if err := list(&options.Credential{AuthMechanism: "SCRAM-SHA-256", Username: "strata", Password: "påss word"}); err != nil {
		t.Errorf("with the credential: %v", err)
	}
	if err := list(&options.Credential{Username: "strata", Password: "påss word"}); err != nil {
		t.Errorf("with the mechanism left to negotiation: %v", err)
	}
	if list(&options.Credential{AuthMechanism: "SCRAM-SHA-256", Username: "strata", Password: "wrong"}) == nil {
		t.Error("a wrong password is let in")
	}
	if list(nil) == nil {
		t.Error("a client without a credential is let in")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != docstore.ErrClosed {
		t.Errorf("Serve returned %v after Close", err)
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	s, client := open(t, docstore.Options{InMemory: true, Now: func() time.Time { mu.Lock(); defer mu.Unlock(); return now }})
	coll := client.Database("db").Collection("c")
	if _, err := coll.Indexes().CreateMany(t.Context(), []mongo.IndexModel{
		{Keys: doc("at", 1), Options: options.Index().SetExpireAfterSeconds(60)},
		{Keys: doc("until", -1), Options: options.Index().SetExpireAfterSeconds(0)},
	}); err != nil {
		t.Fatal(err)
	}
	var docs []any
	for i := range 1200 {
		docs = append(docs, doc("_id", i, "at", now.Add(time.Duration(i)*time.Second)))
	}
	docs = append(docs, doc("_id", "text", "at", "2001"), doc("_id", "none"), doc("_id", "until", "until", now.Add(time.Second)),
		doc("_id", "later", "until", now.Add(time.Hour)), doc("_id", "array", "at", bson.A{now.Add(time.Hour), now}))
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	now = now.Add(1060 * time.Second)
	mu.Unlock()
	n, err := s.Expire(t.Context())
	if err != nil || n != 1001+2 {
		t.Errorf("%d documents expired, %v; want 1003", n, err)
	}
	if left, err := coll.CountDocuments(t.Context(), bson.D{}); err != nil || left != 199+3 {
		t.Errorf("%d documents are left, %v; want 202", left, err)
	}
	requireValid(t, client, "db", "c")
}

func TestCursorsCrossBatches(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true})
	coll := client.Database("db").Collection("c")
	var docs []any
	for i := range 3000 {
		docs = append(docs, doc("_id", i, "pad", make([]byte, 10000)))
	}
	if _, err := coll.InsertMany(t.Context(), docs); err != nil {
		t.Fatal(err)
	}
	cur, err := coll.Find(t.Context(), bson.D{}, options.Find().SetSort(doc("_id", 1)))
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for cur.Next(t.Context()) {
		if id := int(cur.Current.Lookup("_id").Int32()); id != next {
			t.Fatalf("document %d comes where %d is due", id, next)
		}
		// A cursor reads the snapshot it began with.
		if next == 200 {
			if _, err := coll.DeleteMany(t.Context(), doc("_id", doc("$gt", 2500))); err != nil {
				t.Fatal(err)
			}
		}
		next++
	}
	if cur.Err() != nil || next != 3000 {
		t.Errorf("%d documents, %v; want 3000", next, cur.Err())
	}
}

func TestFailPoint(t *testing.T) {
	t.Parallel()
	_, client := open(t, docstore.Options{InMemory: true, FailPoints: true})
	coll := client.Database("db").Collection("c")
	fail := doc("configureFailPoint", "failCommand", "mode", doc("times", 1), "data", doc("failCommands", bson.A{"insert"}, "closeConnection", true))
	if err := client.Database("admin").RunCommand(t.Context(), fail).Err(); err != nil {
		t.Fatal(err)
	}
	// The driver's retry carries the same number, so that the document is there once.
	if _, err := coll.InsertOne(t.Context(), doc("v", 1)); err != nil {
		t.Fatalf("the retry did not save the insert: %v", err)
	}
	if n, err := coll.CountDocuments(t.Context(), bson.D{}); err != nil || n != 1 {
		t.Errorf("%d documents, %v", n, err)
	}
}
