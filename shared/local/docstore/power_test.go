package docstore_test

import (
	"context"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"

	"github.com/strata-crm/strata/shared/local/docstore"
	"github.com/strata-crm/strata/shared/seedtest"
)

// snapshot copies what is acknowledged, or was shown to a majority read, so far.
func (l *ledger) snapshot() *ledger {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &ledger{plain: maps.Clone(l.plain), pairs: maps.Clone(l.pairs), acks: make(chan struct{}, 1)}
}

// watch reads with majority guarantees until ctx ends, and notes what it saw as if it had been acknowledged: no
// power cut may take it back.
func (l *ledger) watch(ctx context.Context, c *mongo.Client) {
	majority := c.Database("crash", options.Database().SetReadConcern(readconcern.Majority()))
	for {
		for name, m := range map[string]map[string]bool{"plain": l.plain, "right": l.pairs} {
			cur, err := majority.Collection(name).Find(ctx, bson.D{}, options.Find().SetSort(doc("_id", -1)).SetLimit(100))
			if err != nil {
				return
			}
			var docs []bson.Raw
			if cur.All(ctx, &docs) != nil {
				return
			}
			for _, d := range docs {
				l.note(m, d.Lookup("_id").StringValue())
			}
		}
	}
}

// slowSyncs makes every sync take up to a millisecond, so that there is always something that is not synced, and counts
// those under way.
func slowSyncs(fs vfs.FS, underWay *atomic.Int32) vfs.FS {
	return errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData {
			underWay.Add(1)
			<-time.After(rand.N(time.Millisecond))
			underWay.Add(-1)
		}
		return nil
	}))
}

// TestPowerCutsTakeNothingBack cuts the power of a store under load again and again, each time going on with what the
// disk had kept: all that was synced and a random part of the rest.
func TestPowerCutsTakeNothingBack(t *testing.T) {
	t.Parallel()
	seed := seedtest.New(t)
	rng := rand.New(rand.NewPCG(seed, 2))
	disk := vfs.NewCrashableMem()
	l := &ledger{plain: map[string]bool{}, pairs: map[string]bool{}, acks: make(chan struct{}, 1)}
	hits := 0
	for life := range repeat(40, 400) {
		var underWay atomic.Int32
		s, client := openApart(t, docstore.Options{Dir: "/data", FS: slowSyncs(disk, &underWay)})
		l.check(t, client)
		makeIndexes(t, client)
		ctx, over := context.WithCancel(t.Context())
		begun := sync.WaitGroup{}
		for w := range 6 {
			begun.Go(func() { l.work(ctx, client, w, life) })
		}
		begun.Go(func() { l.watch(ctx, client) })
		for range 20 + rng.IntN(100) {
			<-l.acks
		}
		kept := l.snapshot()
		if underWay.Load() > 0 {
			hits++
		}
		disk = disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(3) * 40, RNG: rand.New(rand.NewPCG(rng.Uint64(), 0))})
		over()
		begun.Wait()
		end(t, s, client)
		l = kept
		if t.Failed() {
			t.Fatalf("in life %d", life)
		}
	}
	s, client := openApart(t, docstore.Options{Dir: "/data", FS: disk})
	l.check(t, client)
	end(t, s, client)
	if hits == 0 {
		t.Error("no sync was under way at any power cut: the test shows nothing")
	}
	t.Logf("%d documents and %d transactions were acknowledged and are there; a sync was under way at %d power cuts", len(l.plain), len(l.pairs), hits)
}

// openApart is open for a store that the test ends itself.
func openApart(t *testing.T, o docstore.Options) (*docstore.Store, *mongo.Client) {
	t.Helper()
	o.Now = time.Now
	s, err := docstore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := mongo.Connect(options.Client().ApplyURI(s.URI()).SetDialer(s.Dialer()).SetTimeout(20 * time.Second).SetServerSelectionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return s, c
}

func end(t *testing.T, s *docstore.Store, c *mongo.Client) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_ = c.Disconnect(context.Background())
}

func makeIndexes(t *testing.T, c *mongo.Client) {
	t.Helper()
	crash := c.Database("crash")
	for name, m := range map[string]mongo.IndexModel{"plain": {Keys: doc("group", 1, "tags", -1)}, "right": {Keys: doc("u", 1), Options: options.Index().SetUnique(true)}} {
		if _, err := crash.Collection(name).Indexes().CreateOne(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNothingIsToldBeforeItIsDurable holds the log's syncs back while a write is visible, and lets everybody ask for it
// who may only be answered from what is durable.
func TestNothingIsToldBeforeItIsDurable(t *testing.T) {
	t.Parallel()
	disk := vfs.NewCrashableMem()
	var held atomic.Bool
	release := make(chan struct{})
	fs := errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if held.Load() && strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			<-release
		}
		return nil
	}))
	s, client := openApart(t, docstore.Options{Dir: "/data", FS: fs})
	ctx := t.Context()
	local := client.Database("db").Collection("c")
	if _, err := local.InsertOne(ctx, doc("_id", "old", "v", 1)); err != nil {
		t.Fatal(err)
	}
	held.Store(true)
	var all sync.WaitGroup
	began := make(chan struct{}, 16)
	expect := func(what string, f func() error) {
		all.Go(func() {
			began <- struct{}{}
			err := f()
			if held.Load() {
				t.Errorf("%s was answered before the write was durable", what)
			}
			if err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
		<-began
	}
	expect("the writer", func() error { _, err := local.InsertOne(ctx, doc("_id", "new", "v", 1)); return err })
	visible := func() bool {
		n, err := local.CountDocuments(ctx, bson.D{})
		if err != nil {
			t.Fatal(err)
		}
		return n == 2
	}
	for !visible() { // a local read sees it at once
	}
	askForDurable(t, client, expect)
	for range 300 { // time in which a wrong answer would have come
		visible()
	}
	cut := disk.CrashClone(vfs.CrashCloneCfg{})
	held.Store(false)
	close(release)
	all.Wait()
	end(t, s, client)
	after, again := openApart(t, docstore.Options{Dir: "/data", FS: cut})
	if n, err := again.Database("db").Collection("c").CountDocuments(ctx, bson.D{}); err != nil || n != 1 {
		t.Errorf("a power cut before the sync left %d documents (%v): the write was durable, the test shows nothing", n, err)
	}
	end(t, after, again)
}

func askForDurable(t *testing.T, client *mongo.Client, expect func(what string, f func() error)) {
	ctx := t.Context()
	local := client.Database("db").Collection("c")
	majority := client.Database("db", options.Database().SetReadConcern(readconcern.Majority())).Collection("c")
	expect("a find", func() error { return majority.FindOne(ctx, doc("_id", "new")).Err() })
	expect("a count", func() error { _, err := majority.EstimatedDocumentCount(ctx); return err })
	expect("an aggregate", func() error { _, err := majority.CountDocuments(ctx, bson.D{}); return err })
	expect("a distinct", func() error { return majority.Distinct(ctx, "v", bson.D{}).Err() })
	expect("an update that changes nothing", func() error {
		_, err := local.UpdateOne(ctx, doc("_id", "new"), doc("$set", doc("v", 1)))
		return err
	})
	expect("a delete that finds nothing", func() error { _, err := local.DeleteOne(ctx, doc("_id", "other")); return err })
	expect("an insert that finds its key taken", func() error {
		if _, err := local.InsertOne(ctx, doc("_id", "new")); !mongo.IsDuplicateKeyError(err) {
			return err
		}
		return nil
	})
	expect("a transaction that only reads", func() error {
		s, err := client.StartSession()
		if err != nil {
			return err
		}
		defer s.EndSession(ctx)
		_, err = s.WithTransaction(ctx, func(ctx context.Context) (any, error) { return nil, local.FindOne(ctx, doc("_id", "new")).Err() })
		return err
	})
}
