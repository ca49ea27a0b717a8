package mongodb_test

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// standalone answers everything as a mongod without replica set does to hello.
type standalone struct{}

func (standalone) DialContext(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	go serveStandalone(server)
	return client, nil
}

func serveStandalone(c net.Conn) {
	defer func() { _ = c.Close() }()
	doc, err := bson.Marshal(bson.D{{Key: "ok", Value: 1}, {Key: "helloOk", Value: true}, {Key: "isWritablePrimary", Value: true},
		{Key: "ismaster", Value: true}, {Key: "minWireVersion", Value: 0}, {Key: "maxWireVersion", Value: 21},
		{Key: "maxBsonObjectSize", Value: 16777216}, {Key: "maxMessageSizeBytes", Value: 48000000}, {Key: "maxWriteBatchSize", Value: 100000}})
	if err != nil {
		return
	}
	for {
		head := make([]byte, 16)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		if _, err := io.CopyN(io.Discard, c, int64(binary.LittleEndian.Uint32(head))-16); err != nil {
			return
		}
		if _, err := c.Write(reply(head, doc)); err != nil {
			return
		}
	}
}

// reply frames doc as OP_REPLY to an OP_QUERY, and as OP_MSG to everything else.
func reply(head, doc []byte) []byte {
	const opReply, opQuery, opMsg = 1, 2004, 2013
	opcode, body := uint32(opMsg), append(make([]byte, 5), doc...)
	if binary.LittleEndian.Uint32(head[12:]) == opQuery {
		opcode, body = opReply, append(make([]byte, 20), doc...)
		body[16] = 1 // one document
	}
	out := binary.LittleEndian.AppendUint32(nil, uint32(16+len(body)))
	out = binary.LittleEndian.AppendUint32(out, 1)
	out = append(out, head[4:8]...)
	return append(binary.LittleEndian.AppendUint32(out, opcode), body...)
}

func TestConnectRefusesAStandalone(t *testing.T) {
	t.Parallel()
	_, err := mongodb.Connect(t.Context(), mongodb.Config{URI: "mongodb://db.local:27017", Database: "x"},
		mongodb.Deps{Dialer: standalone{}, Logger: slog.New(slog.DiscardHandler), Now: time.Now})
	if !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "standalone") || !strings.Contains(err.Error(), "--replSet") {
		t.Errorf("Connect = %v, want a standalone refused by name, with the remedy", err)
	}
}

func TestConnectRefusesBadConfiguration(t *testing.T) {
	t.Parallel()
	c, d := mongotest.Settings(t)
	for name, change := range map[string]func(*mongodb.Config, *mongodb.Deps){
		"no URI":      func(c *mongodb.Config, _ *mongodb.Deps) { c.URI = "" },
		"no database": func(c *mongodb.Config, _ *mongodb.Deps) { c.Database = "" },
		"no logger":   func(_ *mongodb.Config, d *mongodb.Deps) { d.Logger = nil },
		"no clock":    func(_ *mongodb.Config, d *mongodb.Deps) { d.Now = nil },
		"no scheme":   func(c *mongodb.Config, _ *mongodb.Deps) { c.URI = "ada:secret@host" },
	} {
		c, d := c, d
		change(&c, &d)
		if _, err := mongodb.Connect(t.Context(), c, d); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: Connect = %v, want an error without the credentials", name, err)
		}
	}
}

func TestConnectSaysThatTheServerIsAway(t *testing.T) {
	t.Parallel()
	server := mongotest.Store(t)
	c, d := server.Settings("away")
	c.Timeout = 200 * time.Millisecond
	server.Stop(t)
	if _, err := mongodb.Connect(t.Context(), c, d); !fault.Is(err, fault.Transient) {
		t.Errorf("Connect = %v, want transient", err)
	}
}

func TestPingTellsWhetherTheServerIsThere(t *testing.T) {
	t.Parallel()
	server := mongotest.Store(t)
	db := server.Open(t, "ping")
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	server.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := db.Ping(ctx); !fault.Is(err, fault.Transient) {
		t.Errorf("Ping of a stopped server: %v, want transient", err)
	}
	server.Start(t)
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("Ping after the start: %v", err)
	}
}
