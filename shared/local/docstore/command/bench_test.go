package command_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore/command"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
	"github.com/strata-crm/strata/shared/local/docstore/wire"
)

// peer talks to a server as a connection does, but without a driver: what is measured here is the store's own work.
type peer struct {
	tb     testing.TB
	server *command.Server
	conn   *command.Conn
}

func newPeer(tb testing.TB) *peer {
	tb.Helper()
	e, err := engine.Open(engine.Options{Dir: tb.TempDir(), Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	s, err := command.New(command.Config{Engine: e, Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		s.Close()
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	p := &peer{tb: tb, server: s, conn: s.Connect("bench:1", true)}
	p.run(raw(tb, bson.D{{Key: "createIndexes", Value: "events"}, {Key: "indexes", Value: bson.A{
		bson.D{{Key: "key", Value: bson.D{{Key: "customer", Value: 1}, {Key: "at", Value: -1}}}, {Key: "name", Value: "customer_1_at_-1"}},
		bson.D{{Key: "key", Value: bson.D{{Key: "at", Value: 1}}}, {Key: "name", Value: "at_1"}},
	}}, {Key: "$db", Value: "bench"}}))
	return p
}

func raw(tb testing.TB, v any) bson.Raw {
	tb.Helper()
	b, err := bson.Marshal(v)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// run sends a command and returns its answer, which must be ok and without write errors.
func (p *peer) run(body bson.Raw, sequences ...wire.Sequence) bson.Raw {
	reply, _ := p.server.Handle(context.Background(), p.conn, &wire.Message{Body: body, Sequences: sequences})
	if ok, isDouble := reply.Lookup("ok").DoubleOK(); !isDouble || ok != 1 || reply.Lookup("writeErrors").Type != 0 {
		p.tb.Fatalf("%s: %s", body, reply)
	}
	return reply
}

func benchID(i int) string { return fmt.Sprintf("shop|web|order-%08d", i) }

// benchDocument is one of 330 bytes, as the benchmarks of deploy/bench/docstore store them.
func benchDocument(tb testing.TB, i int) bson.Raw {
	d := bson.D{{Key: "_id", Value: benchID(i)}, {Key: "customer", Value: fmt.Sprintf("c-%07d", i*7919%5000)}, {Key: "kind", Value: "purchase"},
		{Key: "at", Value: time.UnixMilli(1_700_000_000_000 + int64(i)*1000)}, {Key: "amount", Value: int64(i)}, {Key: "quantity", Value: int32(3)},
		{Key: "currency", Value: "EUR"}, {Key: "channel", Value: "web"}, {Key: "weight", Value: 0.5},
		{Key: "source", Value: bson.D{{Key: "topic", Value: "events"}, {Key: "partition", Value: int32(i % 12)}, {Key: "offset", Value: int64(i)}}},
		{Key: "note", Value: ""}}
	d[len(d)-1].Value = strings.Repeat("x", 330-len(raw(tb, d)))
	return raw(tb, d)
}

const benchBatch = 1000

// session is what a driver adds to every command.
func session(number int64) bson.D {
	d := bson.D{{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")}}}},
		{Key: "$clusterTime", Value: bson.D{{Key: "clusterTime", Value: bson.Timestamp{T: 1_700_000_000, I: 1}}, {Key: "signature", Value: bson.D{{Key: "hash", Value: bson.Binary{Data: make([]byte, 20)}}, {Key: "keyId", Value: int64(0)}}}}}}
	if number > 0 {
		d = append(d, bson.E{Key: "txnNumber", Value: number}, bson.E{Key: "writeConcern", Value: bson.D{{Key: "w", Value: "majority"}}})
	} else {
		d = append(d, bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}})
	}
	return append(d, bson.E{Key: "$db", Value: "bench"})
}

// BenchmarkInsert gives the time per document of inserts of 1,000.
func BenchmarkInsert(b *testing.B) {
	p := newPeer(b)
	b.ReportAllocs()
	for n := 0; n < b.N; n += benchBatch {
		b.StopTimer()
		docs := make([]bson.Raw, benchBatch)
		for i := range docs {
			docs[i] = benchDocument(b, n+i)
		}
		body := raw(b, append(bson.D{{Key: "insert", Value: "events"}, {Key: "ordered", Value: true}}, session(int64(n/benchBatch+1))...))
		b.StartTimer()
		p.run(body, wire.Sequence{Name: "documents", Docs: docs})
	}
}

// BenchmarkUpsert gives the time per statement of updates of 1,000 by _id, of which the first 10,000 insert.
func BenchmarkUpsert(b *testing.B) {
	p := newPeer(b)
	b.ReportAllocs()
	for n := 0; n < b.N; n += benchBatch {
		b.StopTimer()
		updates := make([]bson.Raw, benchBatch)
		for i := range updates {
			k := (n + i) % 10_000
			updates[i] = raw(b, bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: fmt.Sprintf("%08x-%08d", uint32(k)*2654435761, k)}}}, {Key: "u", Value: bson.D{
				{Key: "$inc", Value: bson.D{{Key: "events", Value: int64(1)}, {Key: "amount", Value: int64(n + i)}}},
				{Key: "$set", Value: bson.D{{Key: "last", Value: int64(n)}}},
				{Key: "$setOnInsert", Value: bson.D{{Key: "country", Value: "NL"}, {Key: "segment", Value: "new"}, {Key: "note", Value: strings.Repeat("n", 100)}}},
			}}, {Key: "upsert", Value: true}})
		}
		body := raw(b, append(bson.D{{Key: "update", Value: "profiles"}, {Key: "ordered", Value: false}}, session(int64(n/benchBatch+1))...))
		b.StartTimer()
		p.run(body, wire.Sequence{Name: "updates", Docs: updates})
	}
}

// BenchmarkRead gives the time of commands that answer one document, beside one that answers nothing.
func BenchmarkRead(b *testing.B) {
	const n = 20_000
	p := newPeer(b)
	for i := 0; i < n; i += benchBatch {
		docs := make([]bson.Raw, benchBatch)
		for j := range docs {
			docs[j] = benchDocument(b, i+j)
		}
		p.run(raw(b, bson.D{{Key: "insert", Value: "events"}, {Key: "$db", Value: "bench"}}), wire.Sequence{Name: "documents", Docs: docs})
	}
	find := func(filter bson.D) bson.D {
		return bson.D{{Key: "find", Value: "events"}, {Key: "filter", Value: filter}, {Key: "limit", Value: int64(1)}, {Key: "singleBatch", Value: true}}
	}
	for _, c := range []struct {
		name string
		body func(i int) bson.D
	}{
		{"ping", func(int) bson.D { return bson.D{{Key: "ping", Value: 1}} }},
		{"by_id", func(i int) bson.D { return find(bson.D{{Key: "_id", Value: benchID(i)}}) }},
		{"by_index", func(i int) bson.D { return find(bson.D{{Key: "customer", Value: fmt.Sprintf("c-%07d", i%5000)}}) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			var bodies [64]bson.Raw
			for i := range bodies {
				bodies[i] = raw(b, append(c.body(i*7919%n), session(0)...))
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				p.run(bodies[i%len(bodies)])
			}
		})
	}
}
