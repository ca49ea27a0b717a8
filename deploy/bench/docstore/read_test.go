package docstorebench

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// TestBenchCollection loads one collection step by step and measures everything that depends on its size on the way.
func TestBenchCollection(t *testing.T) {
	client := store(t)
	idle := nobody(t, document(t, 0))
	l := &loaded{coll: collection(t, client, "events"), db: bare(t), idle: idle.Database("bench").Collection("events")}
	small, full := first(), size()
	l.extend(t, small, 1)
	before := l.costs(t)

	half := (full - small) / 2
	t.Logf("insertMany / bare Pebble, one client: %.2f", l.extend(t, small+half, 1))
	atLeast(t, "insertMany / bare Pebble, two clients for two cores", l.extend(t, full, 2), 0.40)

	after := l.costs(t)
	for i, c := range after {
		atMost(t, "growth of "+c.name+" with 100 times the documents", c.time.Seconds()/before[i].time.Seconds(), 3)
	}
	ping, point := pings(t, client), after[0].time
	t.Logf("ping %v, findOne by _id %v, by index %v, sorted 50 %v", ping, point, after[1].time, after[2].time)
	driverPing, driverFind := driverReads(t, idle)
	t.Logf("the driver alone: ping %v, findOne %v, which is %.0f %% of findOne by _id and %.2f times the ping that the store answers", driverPing, driverFind, 100*driverFind.Seconds()/point.Seconds(), driverFind.Seconds()/ping.Seconds())
	l.pointBound(t, ping, driverFind-driverPing)
	atMost(t, "findOne by _id / ping", point.Seconds()/ping.Seconds(), 2)
	atMost(t, "findOne by a secondary index / ping", after[1].time.Seconds()/ping.Seconds(), 2)
	atMost(t, "find sorted by an index, limit 50 / findOne by _id", after[2].time.Seconds()/point.Seconds(), 4)
	l.group(t)
}

// pointBound prints what no store behind the driver on Pebble gets below in a findOne by _id, which mostly reads a block that
// is not in the cache, and what it takes where the block is there; driver is what the driver takes more than for a ping.
func (l *loaded) pointBound(t *testing.T, ping, driver time.Duration) {
	t.Helper()
	at := func(i int) int { return i * 7919 % l.n }
	keys := make([][]byte, rounds*calls)
	for i := range keys {
		keys[i] = entries(document(t, at(i)))[0].key
	}
	get := fastest(rounds, calls, func(i int) {
		_, closer, err := l.db.Get(keys[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := closer.Close(); err != nil {
			t.Fatal(err)
		}
	})
	bound := ping + driver + get
	t.Logf("bare Pebble reads such a document in %v: with a store that costs no more than a ping beside it, findOne by _id would take %v, %.2f times a ping", get, bound, bound.Seconds()/ping.Seconds())
	cached := fastest(rounds, calls, func(i int) {
		must[bson.Raw](t)(l.coll.FindOne(t.Context(), byID(documentID(at(i%calls)))).Raw())
	})
	t.Logf("findOne by _id of a document that was read before: %v, %.2f times a ping", cached, cached.Seconds()/ping.Seconds())
}

// cost is the time of one operation that an index serves.
type cost struct {
	name string
	time time.Duration
}

// rounds and calls make up the measurement of an operation that takes some ten microseconds.
const (
	rounds = 40
	calls  = 50
)

// costs measures the operations whose answers do not grow with the collection.
func (l *loaded) costs(t *testing.T) []cost {
	t.Helper()
	l.settle(t)
	at := func(i int) int { return i * 7919 % l.n }
	ctx := t.Context()
	last := bson.D{{Key: "at", Value: -1}}
	operations := []struct {
		name string
		run  func(i int)
	}{
		{"findOne by _id", func(i int) {
			must[bson.Raw](t)(l.coll.FindOne(ctx, byID(documentID(at(i)))).Raw())
		}},
		{"findOne by a secondary index", func(i int) {
			must[bson.Raw](t)(l.coll.FindOne(ctx, bson.D{{Key: "customer", Value: customer(owner(at(i)))}}).Raw())
		}},
		{"find sorted by an index, limit 50", func(i int) {
			since := bson.D{{Key: "at", Value: bson.D{{Key: "$lte", Value: time.UnixMilli(1_700_000_000_000 + int64(max(60, at(i)))*1000)}}}}
			l.read(t, since, 50, options.Find().SetSort(last).SetLimit(50))
		}},
		{"find of one customer's documents, the latest first", func(i int) {
			l.read(t, bson.D{{Key: "customer", Value: customer(owner(at(i)))}}, perCustomer, options.Find().SetSort(last))
		}},
		{"count of one customer's documents", func(i int) {
			must[int64](t)(l.coll.CountDocuments(ctx, bson.D{{Key: "customer", Value: customer(owner(at(i)))}}))
		}},
		{"a group of one customer's documents", func(i int) {
			match := bson.D{{Key: "$match", Value: bson.D{{Key: "customer", Value: customer(owner(at(i)))}}}}
			cur := must[*mongo.Cursor](t)(l.coll.Aggregate(ctx, bson.A{match, groupStage}))
			var all []bson.Raw
			if err := cur.All(ctx, &all); err != nil || len(all) == 0 {
				t.Fatalf("%d groups, %v", len(all), err)
			}
		}},
		{"an update by _id", func(i int) {
			set := bson.D{{Key: "$set", Value: bson.D{{Key: "quantity", Value: int32(i)}}}}
			must[*mongo.UpdateResult](t)(l.coll.UpdateByID(ctx, documentID(at(i)), set))
		}},
	}
	out := make([]cost, len(operations))
	for i, o := range operations {
		o.run(0)
		out[i] = cost{o.name, fastest(rounds, calls, o.run)}
	}
	return out
}

// read fails unless the query finds exactly n documents.
func (l *loaded) read(t *testing.T, filter bson.D, n int, o *options.FindOptionsBuilder) {
	t.Helper()
	cur := must[*mongo.Cursor](t)(l.coll.Find(t.Context(), filter, o))
	got := 0
	for cur.Next(t.Context()) {
		got++
	}
	if err := cur.Err(); err != nil || got != n {
		t.Fatalf("%d documents, want %d, %v", got, n, err)
	}
}

func pings(t *testing.T, c *mongo.Client) time.Duration {
	t.Helper()
	admin, ping := c.Database("admin"), bson.D{{Key: "ping", Value: 1}}
	return fastest(rounds, calls, func(int) {
		if err := admin.RunCommand(t.Context(), ping).Err(); err != nil {
			t.Fatal(err)
		}
	})
}

// settle waits until bare Pebble has nothing to compact, and gives the store, which does the same work, as long.
func (l *loaded) settle(t *testing.T) {
	t.Helper()
	if err := l.db.Flush(); err != nil {
		t.Fatal(err)
	}
	for m := l.db.Metrics(); m.Compact.NumInProgress > 0 || m.Flush.NumInProgress > 0; m = l.db.Metrics() {
		time.Sleep(20 * time.Millisecond)
	}
}

var groupStage = bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$kind"}, {Key: "n", Value: bson.D{{Key: "$sum", Value: int32(1)}}}, {Key: "amount", Value: bson.D{{Key: "$sum", Value: "$amount"}}}}}}

// group compares a $match and a $group over everything with a loop over Pebble that looks at the same fields.
func (l *loaded) group(t *testing.T) {
	t.Helper()
	l.settle(t)
	pipeline := bson.A{bson.D{{Key: "$match", Value: bson.D{{Key: "amount", Value: bson.D{{Key: "$gte", Value: int64(5000)}}}}}}, groupStage}
	var inStore, inBare []time.Duration
	for range 3 {
		var got, want map[string][2]int64
		inStore = append(inStore, cpu(t, func() { got = l.groupStore(t, pipeline) }))
		inBare = append(inBare, cpu(t, func() { want = l.groupBare(t) }))
		for kind, sums := range want {
			if got[kind] != sums {
				t.Fatalf("%s: the store answers %v, the loop %v", kind, got[kind], sums)
			}
		}
	}
	a, b := median(inStore), median(inBare)
	t.Logf("$match and $group over %d documents: store %v, loop %v of processor time", l.n, a, b)
	atMost(t, "$match and $group / bare Pebble and raw BSON, processor time", a.Seconds()/b.Seconds(), 2.5)
}

func (l *loaded) groupStore(t *testing.T, pipeline bson.A) map[string][2]int64 {
	t.Helper()
	var all []struct {
		ID        string `bson:"_id"`
		N, Amount int64
	}
	if err := must[*mongo.Cursor](t)(l.coll.Aggregate(t.Context(), pipeline)).All(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	out := map[string][2]int64{}
	for _, g := range all {
		out[g.ID] = [2]int64{g.N, g.Amount}
	}
	return out
}

func (l *loaded) groupBare(t *testing.T) map[string][2]int64 {
	t.Helper()
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: prefix(0), UpperBound: prefix(1)})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][2]int64{}
	for ok := it.First(); ok; ok = it.Next() {
		doc := bson.Raw(it.Value())
		amount := doc.Lookup("amount").Int64()
		if amount < 5000 {
			continue
		}
		kind := doc.Lookup("kind").StringValue()
		sums := out[kind]
		out[kind] = [2]int64{sums[0] + 1, sums[1] + amount}
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return out
}
