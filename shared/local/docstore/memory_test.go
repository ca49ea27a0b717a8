package docstore_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// maxRSS is what a server may hold, in bytes, whatever it is asked.
const maxRSS = 512 << 20

// TestMemoryIsBounded scans, sorts and groups more documents than the bound of memory holds, in a process of its own
// whose greatest size the system tells.
func TestMemoryIsBounded(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("the system does not tell the size of a process")
	}
	if instrumented {
		t.Skip("the race detector takes memory of its own")
	}
	n := repeat(330_000, 1_000_000)
	p := startProcess(t, t.TempDir())
	defer p.kill(t)
	coll := p.client.Database("big").Collection("c")
	fillBig(t, coll, n)
	t.Logf("%d documents are in; the server took %d MiB", n, peak(t, p)>>20)
	if got, err := coll.CountDocuments(t.Context(), doc("pad", doc("$gt", ""))); err != nil || int(got) != n {
		t.Errorf("a scan found %d, %v", got, err)
	}
	inOrder(t, coll, n)
	cur, err := coll.Aggregate(t.Context(), bson.A{doc("$group", doc("_id", "$key", "n", doc("$sum", 1), "last", doc("$last", "$pad")))})
	groups := 0
	for ; err == nil && cur.Next(t.Context()); groups++ {
	}
	if err == nil {
		err = cur.Err()
	}
	if err != nil || groups != n {
		t.Errorf("%d groups, want %d: %v", groups, n, err)
	}
	t.Logf("scanned, sorted and grouped; the server took %d MiB", peak(t, p)>>20)
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

// fillBig inserts documents of 330 bytes whose keys are in no order.
func fillBig(t *testing.T, coll *mongo.Collection, n int) {
	t.Helper()
	pad := strings.Repeat("x", 280)
	batch := make([]any, 0, 5000)
	for i := range n {
		batch = append(batch, doc("_id", i, "key", scattered(i, n), "pad", pad))
		if len(batch) == cap(batch) || i == n-1 {
			if _, err := coll.InsertMany(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

// scattered gives each of n numbers another one below n: 7919 divides no n of the test.
func scattered(i, n int) int { return i * 7919 % n }

func inOrder(t *testing.T, coll *mongo.Collection, n int) {
	t.Helper()
	cur, err := coll.Find(t.Context(), bson.D{}, options.Find().SetSort(doc("key", 1)))
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for ; cur.Next(t.Context()); at++ {
		if got := int(cur.Current.Lookup("key").Int32()); got != at {
			t.Fatalf("document %d of the sort has key %d", at, got)
		}
	}
	if cur.Err() != nil || at != n {
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
