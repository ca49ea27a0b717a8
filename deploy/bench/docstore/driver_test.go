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
	ping := pings(t, c)
	find := fastest(rounds, calls, func(int) { must[bson.Raw](t)(coll.FindOne(t.Context(), byID("x")).Raw()) })
	t.Logf("the driver alone: insertMany %.0f documents/s; ping %v, findOne %v, ratio %.2f", rate(batchSize, insert), ping, find, find.Seconds()/ping.Seconds())
}

// nobody returns a client of a server that finds doc whatever is asked, and inserts nothing.
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
				r := bufio.NewReaderSize(conn, 64<<10)
				for {
					m, err := wire.Read(r)
					if err != nil || wire.WriteReply(conn, m, answer(m, doc)) != nil {
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

func answer(m *wire.Message, doc bson.Raw) bson.Raw {
	reply := bson.D{{Key: "ok", Value: 1.0}}
	first, err := m.Body.IndexErr(0)
	if err != nil {
		return nil
	}
	switch first.Key() {
	case "insert":
		n := 0
		for _, s := range m.Sequences {
			n += len(s.Docs)
		}
		reply = append(reply, bson.E{Key: "n", Value: int32(n)})
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
	return raw
}
