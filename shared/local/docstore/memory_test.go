package docstore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/shared/local/docstore/bsonx"
	"github.com/strata-crm/strata/shared/local/docstore/engine"
)

// maxRSS is what a server may hold, in bytes, whatever it is asked.
const maxRSS = 512 << 20

// TestMemoryIsBounded scans a million documents, and sorts and groups more than the bound of memory holds, in a process of its own
// whose greatest size the system tells.
func TestMemoryIsBounded(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("the system does not tell the size of a process")
	}
	if instrumented {
		t.Skip("the race detector takes memory of its own")
	}
	const n = 1_000_000
	dir := t.TempDir()
	fillBig(t, dir, n)
	p := startProcess(t, dir)
	defer p.kill(t)
	coll := p.client.Database("big").Collection("c")
	if got, err := coll.CountDocuments(t.Context(), doc("pad", doc("$gt", ""))); err != nil || int(got) != n {
		t.Errorf("a scan found %d, %v", got, err)
	}
	t.Logf("%d documents scanned; the server took %d MiB", n, peak(t, p)>>20)
	some := repeat(330_000, n)
	inOrder(t, coll, n, some)
	cur, err := coll.Aggregate(t.Context(), bson.A{doc("$match", doc("_id", doc("$lt", some))), doc("$group", doc("_id", "$key", "n", doc("$sum", 1), "last", doc("$last", "$pad")))})
	groups := 0
	for ; err == nil && cur.Next(t.Context()); groups++ {
	}
	if err == nil {
		err = cur.Err()
	}
	if err != nil || groups != some {
		t.Errorf("%d groups, want %d: %v", groups, some, err)
	}
	t.Logf("%d sorted and grouped; the server took %d MiB", some, peak(t, p)>>20)
	for what, err := range map[string]error{
		"sort":  coll.FindOne(t.Context(), bson.D{}, options.FindOne().SetSort(doc("key", 1)).SetSkip(int64(n-1))).Err(),
		"false": refused(t, coll),
	} {
		if what == "false" {
			requireCode(t, err, 292, "")
		} else if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if rss := peak(t, p); rss > maxRSS {
		t.Errorf("the server took %d MiB, it may take %d", rss>>20, maxRSS>>20)
	}
}

// fillBig stores documents of 330 bytes whose keys are in no order, past the server, which is the quicker way.
func fillBig(t *testing.T, dir string, n int) {
	t.Helper()
	e, err := engine.Open(engine.Options{Dir: dir, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	c, err := e.Create(engine.Namespace{DB: "big", Name: "c"}, nil, nil)
	pad := bsonx.String(strings.Repeat("x", 280))
	for from := 0; from < n && err == nil; from += 20_000 {
		docs := make([]bson.Raw, min(20_000, n-from))
		for i := range docs {
			docs[i] = bsonx.NewDoc(340).Append("_id", bsonx.Int32(int32(from+i))).Append("key", bsonx.Int32(int32(scattered(from+i, n)))).Append("pad", pad).Raw()
		}
		err = insertReady(e.Begin(), c, docs)
	}
	if err := errors.Join(err, e.Close()); err != nil {
		t.Fatal(err)
	}
}

func insertReady(tx *engine.Tx, c *engine.Collection, docs []bson.Raw) error {
	ready := tx.MakeReady(c, docs)
	for i := range ready {
		if err := tx.InsertReady(c, &ready[i]); err != nil {
			tx.Abort()
			return err
		}
	}
	_, err := tx.CommitLater()
	return err
}

// scattered gives each of n numbers another one below n: 7919 divides no n of the test.
func scattered(i, n int) int { return i * 7919 % n }

// inOrder sorts those of n documents that come first by _id.
func inOrder(t *testing.T, coll *mongo.Collection, n, some int) {
	t.Helper()
	keys := make([]int, some)
	for i := range keys {
		keys[i] = scattered(i, n)
	}
	slices.Sort(keys)
	cur, err := coll.Find(t.Context(), doc("_id", doc("$lt", some)), options.Find().SetSort(doc("key", 1)))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for ; cur.Next(t.Context()); at++ {
		if got := int(cur.Current.Lookup("key").Int32()); at >= some || got != keys[at] {
			t.Fatalf("document %d of the sort has key %d", at, got)
		}
	}
	if cur.Err() != nil || at != some {
		t.Errorf("the sort gave %d documents, %v", at, cur.Err())
	}
}

// refused sorts without the permission to use the disk.
func refused(t *testing.T, coll *mongo.Collection) error {
	t.Helper()
	cur, err := coll.Find(t.Context(), bson.D{}, options.Find().SetSort(doc("key", 1)).SetAllowDiskUse(false))
	if err == nil {
		_ = cur.Close(context.Background())
	}
	return err
}

// peak returns the greatest size that the process has had, in bytes.
func peak(t *testing.T, p *process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "VmHWM:")
	line, _, _ := strings.Cut(rest, " kB")
	kib, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
