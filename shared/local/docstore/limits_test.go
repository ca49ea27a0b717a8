package docstore_test

import (
	"encoding/binary"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/local/docstore/wire"
)

// TestLimits sends what the driver itself would refuse to send: trap 139 of the design.
func TestLimits(t *testing.T) {
	t.Parallel()
	s, _ := open(t, docstore.Options{InMemory: true})
	raw := dialRaw(t, s)
	insert := func(docs ...any) bson.D { return doc("insert", "c", "documents", bson.A(docs)) }
	for _, c := range []struct {
		what string
		cmd  bson.D
		want int64
	}{
		{"a document of 16 MiB and more", insert(doc("_id", 1, "a", strings.Repeat("x", 16<<20))), 10334},
		{"a document just below", insert(doc("_id", 1, "a", strings.Repeat("x", 16<<20-64))), 0},
		{"a document of 100 levels", insert(doc("_id", 2, "a", nested(99))), 0},
		{"a document of 181 levels", insert(doc("_id", 3, "a", nested(180))), 15},
		{"more than 100,000 writes", insert(many(100001)...), 16},
	} {
		reply := raw.run("db", c.cmd)
		got, _ := reply.Lookup("code").AsInt64OK()
		if list, ok := reply.Lookup("writeErrors").ArrayOK(); ok {
			got = list.Index(0).Document().Lookup("code").AsInt64()
		}
		if got != c.want {
			t.Errorf("%s: code %d, want %d", c.what, got, c.want)
		}
	}
}

// TestTooLongAMessageEndsItsConnection is the rest of trap 139: whoever sends more than 48,000,000 bytes hears nothing and
// is cut off, and the others go on.
func TestTooLongAMessageEndsItsConnection(t *testing.T) {
	t.Parallel()
	s, _ := open(t, docstore.Options{InMemory: true})
	bad, good := dialRaw(t, s), dialRaw(t, s)
	head := binary.LittleEndian.AppendUint32(nil, wire.MaxMessageSize+1)
	head = binary.LittleEndian.AppendUint32(append(head, 1, 0, 0, 0, 0, 0, 0, 0), 2013)
	if _, err := bad.c.Write(head); err != nil {
		t.Fatal(err)
	}
	if n, err := bad.c.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the connection answers %d bytes, %v", n, err)
	}
	if code := good.code("admin", doc("ping", 1)); code != 0 {
		t.Errorf("ping on another connection: code %d", code)
	}
	if got := good.run("admin", doc("hello", 1)).Lookup("maxMessageSizeBytes").AsInt64(); got != wire.MaxMessageSize {
		t.Errorf("hello announces %d bytes", got)
	}
}

func nested(levels int) bson.D {
	d := bson.D{}
	for range levels - 1 {
		d = doc("a", d)
	}
	return d
}

func many(n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = bson.D{}
	}
	return all
}

// manualClock is a clock that a test moves.
type manualClock struct {
	mu sync.Mutex
	at time.Time
}

func (c *manualClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *manualClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// TestTransactionsEndAfterAMinute is trap 138 of the design.
func TestTransactionsEndAfterAMinute(t *testing.T) {
	t.Parallel()
	clock := &manualClock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s, _ := open(t, docstore.Options{InMemory: true, Now: clock.now})
	raw := dialRaw(t, s)
	lsid := doc("id", bson.Binary{Subtype: 4, Data: []byte("0123456789abcdef")})
	insert := func(id int, more ...any) bson.D {
		return append(doc("insert", "c", "documents", bson.A{doc("_id", id)}, "lsid", lsid, "txnNumber", int64(1), "autocommit", false), doc(more...)...)
	}
	if code := raw.code("db", insert(1, "startTransaction", true)); code != 0 {
		t.Fatalf("start: code %d", code)
	}
	clock.advance(61 * time.Second)
	for deadline := time.Now().Add(20 * time.Second); ; {
		// The store looks for old transactions once a second.
		reply := raw.run("db", doc("find", "c", "lsid", lsid, "txnNumber", int64(1), "autocommit", false))
		if code, _ := reply.Lookup("code").AsInt64OK(); code == 251 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the transaction goes on after its time")
		}
	}
	if n := raw.run("db", doc("count", "c")).Lookup("n").AsInt64(); n != 0 {
		t.Errorf("%d documents of the transaction are there", n)
	}
}
