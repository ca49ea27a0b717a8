package docstorebench

import (
	"bufio"
	"context"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/strata-crm/strata/shared/local/docstore/wire"
)

// TestBenchDriver tells what the driver alone takes of the other measurements: it talks to a server that does nothing
// and answers at once. No store behind the driver can be faster than this.
func TestBenchDriver(t *testing.T) {
	c := nobody(t, document(t, 0))
	coll := c.Database("bench").Collection("events")
	docs := make([]bson.Raw, batchSize)
	for i := range docs {
		docs[i] = document(t, i)
	}
	insert := fastest(10, 3, func(int) {
		must[*mongo.InsertManyResult](t)(coll.InsertMany(t.Context(), docs))
	})
	update := fastest(10, 3, func(i int) {
		if err := upsertStore(t.Context(), coll, i, 0); err != nil {
			t.Fatal(err)
		}
	})
	ping, find := driverReads(t, c)
	t.Logf("the driver alone: insertMany %.0f documents/s, upserts %.0f/s; ping %v, findOne %v, ratio %.2f", rate(batchSize, insert), rate(batchSize, update), ping, find, find.Seconds()/ping.Seconds())
}

// driverReads returns what an empty command and a find of one document take with a server that does nothing.
func driverReads(t *testing.T, c *mongo.Client) (ping, find time.Duration) {
	t.Helper()
	coll := c.Database("bench").Collection("events")
	return pings(t, c), fastest(rounds, calls, func(int) { must[bson.Raw](t)(coll.FindOne(t.Context(), byID("x")).Raw()) })
}

// driverShare prints which part of the time in the store is the driver's own, the ratio to bare Pebble that a store
// would have which costs nothing at all, and that of the store's own part: the driver is not ours.
func driverShare(t testing.TB, what string, bare, inStore, driver time.Duration) {
	t.Helper()
	t.Logf("%-60s the driver alone takes %.0f %% of it; with a store that costs nothing the ratio would be %.2f", what, 100*driver.Seconds()/inStore.Seconds(), bare.Seconds()/driver.Seconds())
	t.Logf("%-60s %6.2f, the driver's time taken off: bare / (store - driver alone)", what, bare.Seconds()/(inStore-driver).Seconds())
}

// nobody returns a client of a server that finds doc whatever is asked, and stores nothing.
func nobody(t *testing.T, doc bson.Raw) *mongo.Client {
	t.Helper()
	l := wire.NewListener("nobody.local:27017")
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				r, replies, ready := bufio.NewReaderSize(conn, 64<<10), wire.NewReplies(conn), map[string]bson.Raw{}
				for {
					m, err := wire.Read(r)
					if err != nil || replies.Write(m, answer(m, doc, ready)) != nil {
						return
					}
				}
			}()
		}
	}()
	o := options.Client().ApplyURI("mongodb://nobody.local:27017/?directConnection=true").SetDialer(l).SetWriteConcern(writeconcern.Majority())
	c, err := mongo.Connect(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Disconnect(context.Background()) })
	return c
}

// answer makes the answer to m, but for those that are always the same: they are made once.
func answer(m *wire.Message, doc bson.Raw, ready map[string]bson.Raw) bson.Raw {
	reply := bson.D{{Key: "ok", Value: 1.0}}
	first, err := m.Body.IndexErr(0)
	if err != nil {
		return nil
	}
	name := first.Key()
	if same := ready[name]; same != nil {
		return same
	}
	switch name {
	case "insert", "update":
		n := 0
		for _, s := range m.Sequences {
			n += len(s.Docs)
		}
		reply = append(reply, bson.E{Key: "n", Value: int32(n)}, bson.E{Key: "nModified", Value: int32(n)})
	case "find":
		reply = append(reply, bson.E{Key: "cursor", Value: bson.D{{Key: "firstBatch", Value: bson.A{doc}}, {Key: "id", Value: int64(0)}, {Key: "ns", Value: "bench.events"}}})
	case "isMaster", "ismaster", "hello":
		reply = append(reply, bson.D{{Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true}, {Key: "ismaster", Value: true}, {Key: "setName", Value: "nobody"}, {Key: "minWireVersion", Value: int32(0)}, {Key: "maxWireVersion", Value: int32(21)},
			{Key: "logicalSessionTimeoutMinutes", Value: int32(30)}, {Key: "maxBsonObjectSize", Value: int32(16 << 20)}, {Key: "maxMessageSizeBytes", Value: int32(48_000_000)}, {Key: "maxWriteBatchSize", Value: int32(100_000)}, {Key: "localTime", Value: time.Now()}}...)
	}
	raw, err := bson.Marshal(reply)
	if err != nil {
		return nil
	}
	if name == "find" || name == "ping" {
		ready[name] = raw
	}
	return raw
}
