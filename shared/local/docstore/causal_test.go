package docstore_test

import (
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/shared/local/docstore"
)

// TestClusterTimes follows the times of replies, and what reads may ask for with them.
func TestClusterTimes(t *testing.T) {
	t.Parallel()
	clock := &manualClock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s, _ := open(t, docstore.Options{InMemory: true, Now: clock.now})
	raw := dialRaw(t, s)
	at := func(reply bson.Raw, path ...string) bson.Timestamp {
		t.Helper()
		sec, i, ok := reply.Lookup(path...).TimestampOK()
		if !ok {
			t.Fatalf("no %v in %s", path, reply)
		}
		return bson.Timestamp{T: sec, I: i}
	}
	insert := func() bson.Raw { return raw.run("db", doc("insert", "c", "documents", bson.A{bson.D{}})) }
	read := func(concern ...any) bson.Raw { return raw.run("db", doc("find", "c", "readConcern", doc(concern...))) }

	before := at(insert(), "operationTime")
	clock.advance(-time.Hour) // the wall clock was set back
	after := at(insert(), "operationTime")
	if !after.After(before) {
		t.Errorf("the second write has %v, the first %v", after, before)
	}
	if again := at(read(), "operationTime"); again != after {
		t.Errorf("a read has the time %v, the last write %v", again, after)
	}
	if code := codeOf(read("afterClusterTime", after)); code != 0 {
		t.Errorf("a read after the last write: code %d", code)
	}
	ahead := bson.Timestamp{T: after.T + 10, I: 1}
	if code := codeOf(read("afterClusterTime", ahead)); code != 72 {
		t.Errorf("a read after a time that nobody knows: code %d, want 72", code)
	}
	gossip := append(doc("ping", 1), bson.E{Key: "$clusterTime", Value: doc("clusterTime", ahead, "signature", doc("hash", bson.Binary{Data: make([]byte, 20)}, "keyId", int64(0)))})
	if got := at(raw.run("db", gossip), "$clusterTime", "clusterTime"); got != ahead {
		t.Errorf("the store goes on with %v, a client told %v", got, ahead)
	}
	if code := codeOf(read("afterClusterTime", ahead)); code != 0 {
		t.Errorf("a read after a time that a client told: code %d", code)
	}
	if got := at(insert(), "operationTime"); !got.After(ahead) {
		t.Errorf("a write has %v, a client told %v before", got, ahead)
	}
}

// TestSnapshotReadsOutsideOfTransactions reads one moment again until its window is over.
func TestSnapshotReadsOutsideOfTransactions(t *testing.T) {
	t.Parallel()
	clock := &manualClock{at: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	s, _ := open(t, docstore.Options{InMemory: true, Now: clock.now})
	raw := dialRaw(t, s)
	insert := func() { raw.run("db", doc("insert", "c", "documents", bson.A{bson.D{}})) }
	read := func(concern ...any) bson.Raw {
		return raw.run("db", doc("find", "c", "readConcern", doc(append([]any{"level", "snapshot"}, concern...)...)))
	}
	insert()
	first := read()
	sec, i := first.Lookup("cursor", "atClusterTime").Timestamp()
	moment := bson.Timestamp{T: sec, I: i}
	insert()
	if n := len(batch(t, read("atClusterTime", moment))); n != 1 {
		t.Errorf("the moment shows %d documents, want 1", n)
	}
	if n := len(batch(t, read())); n != 2 {
		t.Errorf("now shows %d documents, want 2", n)
	}
	if code := codeOf(read("atClusterTime", bson.Timestamp{T: moment.T - 1, I: 1})); code != 239 {
		t.Errorf("a moment that nobody kept: code %d, want 239", code)
	}
	if code := codeOf(raw.run("db", doc("count", "c", "readConcern", doc("level", "snapshot")))); code != 72 {
		t.Errorf("count at a snapshot: code %d, want 72", code)
	}
	clock.advance(6 * time.Minute)
	for deadline := time.Now().Add(20 * time.Second); codeOf(read("atClusterTime", moment)) != 239; {
		if time.Now().After(deadline) {
			t.Fatal("the moment is kept for ever")
		}
	}
}

func codeOf(reply bson.Raw) int64 {
	n, _ := reply.Lookup("code").AsInt64OK()
	return n
}

func batch(t *testing.T, reply bson.Raw) []bson.RawValue {
	t.Helper()
	values, err := reply.Lookup("cursor", "firstBatch").Array().Values()
	if err != nil {
		t.Fatal(err)
	}
	return values
}
