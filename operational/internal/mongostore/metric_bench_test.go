package mongostore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// TestBenchIncrementalDay compares a day's new orders, one in a hundred of all, with computing all customer-day rows, sums of
// days and purchase summaries again from all orders, on disk, and both results with each other.
// STRATA_BENCH_CUSTOMERS sets the size; each customer has ten orders. The year before the day is written in bulk, not
// through ingest; the day is taken in as ingest does.
func TestBenchIncrementalDay(t *testing.T) {
	if os.Getenv("STRATA_BENCH") == "" {
		t.Skip("a benchmark: set STRATA_BENCH")
	}
	customers := 100_000
	if s := os.Getenv("STRATA_BENCH_CUSTOMERS"); s != "" {
		var err error
		if customers, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	store := mongotest.Store(t)
	y := newYear(t, customers, store.Open(t, "kept", CollectIndexes()...), store.Open(t, "again", CollectIndexes()...))
	y.compare(t)
	const aim = 20
	took := &y.took
	day := took.rows + took.follow + took.read
	t.Logf("%d customers, %d orders, of which %d are new: everything again takes as long as %.1f such days (aim >= %d); without reading the summaries, %.1f", customers,
		customers*ordersEach, y.fresh, took.full.Seconds()/day.Seconds(), aim, took.full.Seconds()/(day-took.read).Seconds())
	t.Logf("the same, document for document: %d rows, %d buckets of purchases, %d sums of days; and the summaries of all customers", y.same[0], y.same[1], y.same[2])
	if took.full < aim*day && customers >= 100_000 {
		t.Logf("a day takes more than a %dth of everything: MISSED", aim)
	}
}

// TestIncrementalDay is the same, small: what a day leaves is what computing everything again gives.
func TestIncrementalDay(t *testing.T) {
	t.Parallel()
	newYear(t, 300, mongotest.Open(t, CollectIndexes()...), mongotest.Open(t, CollectIndexes()...)).compare(t)
}

const (
	ordersEach = 10
	lastDay365 = 364
	firstOf365 = contract.Day("2025-01-01")
	logs       = 24 // partitions
)

// year is a year of orders without its last day, and the orders of that.
type year struct {
	db, again *mongodb.DB // with the rows kept, and computed again
	w         *Warehouse
	keys      []identity.Key
	fresh     int
	next      [logs]int64
	random    *rand.Rand
	took      struct{ load, made, rows, stored, follow, read, full time.Duration }
	same      [3]int
}

// newYear stores all orders but one in a hundred, with their rows.
func newYear(t *testing.T, customers int, db, again *mongodb.DB) *year {
	t.Helper()
	y := &year{db: db, again: again, w: NewWarehouse(db, "EUR"), fresh: customers * ordersEach / 100, random: rand.New(rand.NewPCG(5, 9))}
	keys, err := identity.NewKeys(make([]byte, identity.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	for c := range customers {
		y.keys = append(y.keys, keys.Customer(identity.User, strconv.Itoa(c)))
	}
	began := time.Now()
	const writers, portion = 4, 1000
	var wg sync.WaitGroup
	for n := range writers {
		wg.Go(func() {
			for from := n * portion; from < customers; from += writers * portion {
				if err := y.load(t.Context(), from, min(customers, from+portion)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for part := range logs {
		if _, err := NewFences(db).Open(t.Context(), 1, part); err != nil {
			t.Fatal(err)
		}
	}
	y.took.load = time.Since(began)
	return y
}

// load writes the orders and rows of some customers.
func (y *year) load(ctx context.Context, from, until int) error {
	r := rand.New(rand.NewPCG(7, uint64(from)))
	var facts []fact.Fact
	for c := from; c < until; c++ {
		for i := range ordersEach {
			if c*ordersEach+i >= y.fresh {
				facts = append(facts, y.order(r, c, i, r.IntN(lastDay365)))
			}
		}
	}
	if len(facts) == 0 {
		return nil
	}
	docs, err := encoded(len(facts), func(i int) (encoder, error) { return y.w.newFactDoc(tenant, &facts[i]) })
	if err != nil {
		return err
	}
	some := options.InsertMany().SetOrdered(false)
	if _, err := y.w.facts.InsertMany(ctx, docs, some); err != nil {
		return err
	}
	rows, _ := fact.Rows(tenant, nil, facts)
	if docs, err = encoded(len(rows), func(i int) (encoder, error) { return dayDocOf(tenant, &rows[i]), nil }); err != nil {
		return err
	}
	_, err = y.w.rows.InsertMany(ctx, docs, some)
	return err
}

func (y *year) order(r *rand.Rand, customer, i, day int) fact.Fact {
	minor, n := int64(100+r.IntN(9900)), int64(1+r.IntN(3))
	d := firstOf365.Add(day)
	return fact.Fact{Tenant: tenant, Source: "shop", Event: fmt.Sprintf("%d-%d", customer, i), Customer: y.keys[customer],
		At: d.Start(time.UTC).Add(time.Duration(r.IntN(1440)) * time.Minute), Day: d, Kind: fact.Order, Amount: &minor, Quantity: &n, Format: "call"}
}

// compare makes what is kept, lets the day come in, makes everything again, and fails where the two differ.
func (y *year) compare(t *testing.T) {
	t.Helper()
	s := NewMetrics(tenant, y.db)
	timed := func(into *time.Duration, f func() error) {
		t.Helper()
		began := time.Now()
		if err := f(); err != nil {
			t.Fatal(err)
		}
		*into += time.Since(began)
	}
	current := func() error {
		if _, ok, err := s.kept.current(t.Context()); err != nil || !ok {
			return fmt.Errorf("nothing is kept: %v, %w", ok, err)
		}
		return nil
	}
	timed(&y.took.made, current)
	t.Logf("stored in %.0f s, and what is kept made from the rows in %.1f s", y.took.load.Seconds(), y.took.made.Seconds())
	var orders []fact.Fact
	for i := range y.fresh { // nine of ten on the last day and one late
		day := lastDay365
		if i%10 == 0 {
			day = y.random.IntN(lastDay365)
		}
		orders = append(orders, y.order(y.random, i*97%len(y.keys), ordersEach+i, day))
	}
	n := 0
	for batch := range slices.Chunk(orders, 500) {
		timed(&y.took.rows, func() error { return y.takeRows(t.Context(), n%logs, batch) })
		timed(&y.took.stored, func() error { return y.store(t.Context(), n%logs, batch) })
		n++
	}
	timed(&y.took.follow, current)
	until := firstOf365.Add(lastDay365 + 1)
	read := func(s *Metrics) (out any) {
		sums, ok, err := s.derived(t.Context(), until)
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		return sums
	}
	began := time.Now()
	kept := read(s)
	y.took.read = time.Since(began)
	t.Logf("the day: rows %.2f s, what is kept brought up to date %.2f s, summaries of all customers read from it %.2f s (storing its orders, which both need, %.2f s)",
		y.took.rows.Seconds(), y.took.follow.Seconds(), y.took.read.Seconds(), y.took.stored.Seconds())
	timed(&y.took.full, func() error { return y.recompute(t.Context()) })
	t.Logf("everything again: %.1f s", y.took.full.Seconds())
	if d := gocmp.Diff(read(NewMetrics(tenant, y.again)), kept); d != "" {
		t.Fatalf("summaries (-again +kept):\n%s", d)
	}
	for i, c := range []string{rowsCollection, bucketsCollection, rollupsCollection} {
		y.same[i] = sameDocuments(t, y.db, y.again, c)
	}
	whole := metric.Span{From: firstOf365, Until: until}
	for _, db := range []*mongodb.DB{y.db, y.again} {
		if q, err := NewMetrics(tenant, db).Quality(t.Context(), whole); err != nil || q.Orders != int64(len(y.keys)*ordersEach) {
			t.Fatalf("%d orders, %v; want %d", q.Orders, err, len(y.keys)*ordersEach)
		}
	}
}

// takeRows writes the rows of a batch's days again, as ingest does.
func (y *year) takeRows(ctx context.Context, part int, batch []fact.Fact) error {
	return y.db.Tx(ctx, func(ctx context.Context) error {
		var keys []fact.DayKey
		for i := range batch {
			keys = append(keys, batch[i].Key())
		}
		before, err := y.w.Orders(ctx, tenant, keys)
		if err != nil {
			return err
		}
		rows, _ := fact.Rows(tenant, before, batch)
		return y.w.Save(ctx, tenant, ingest.Changes{Rows: rows})
	})
}

// store stores a batch's orders, with the note of who did something, and moves the fence.
func (y *year) store(ctx context.Context, part int, batch []fact.Fact) error {
	first := y.next[part]
	y.next[part] += int64(len(batch))
	return y.db.Tx(ctx, func(ctx context.Context) error {
		if ok, err := NewFences(y.db).Advance(ctx, 1, part, first, y.next[part]); err != nil || !ok {
			return fmt.Errorf("the fence stands elsewhere: %w", err)
		}
		at := ingest.Fence{Epoch: 1, Partition: part, Next: y.next[part]}.Position()
		return y.w.Save(ctx, tenant, ingest.Changes{Facts: batch, At: ingest.Touch{Partition: part, Position: at}})
	})
}

// recompute makes all rows again from the orders, a customer at a time, and in the same pass what is kept beside them.
func (y *year) recompute(ctx context.Context) error {
	cur, err := y.db.Collection(factsCollection).Find(ctx, bson.D{{Key: "row", Value: bson.D{{Key: "$gt", Value: ""}}}},
		options.Find().SetSort(bson.D{{Key: "row", Value: 1}}).SetBatchSize(5000))
	if err != nil {
		return err
	}
	defer cur.Close(ctx)
	k := newKept(tenant, y.again)
	making, err := k.begin(ctx)
	if err != nil {
		return err
	}
	b := making.builder()
	var orders []fact.Fact
	var docs []any
	flush := func(least int) error {
		rows, _ := fact.Rows(tenant, nil, orders)
		orders = orders[:0]
		for i := range rows {
			d := dayDocOf(tenant, &rows[i])
			docs = append(docs, d)
			c := counts{ofOrders: d.Orders, ofRevenue: d.Revenue, ofUnits: d.Units, ofZero: d.Zero, ofIdentical: d.Identical, ofAmount: d.WithAmount, ofItems: d.WithItems}
			if err := b.add(ctx, d.Customer, d.Day, &c); err != nil {
				return err
			}
		}
		if len(docs) < least {
			return nil
		}
		_, err := y.again.Collection(rowsCollection).InsertMany(ctx, docs, options.InsertMany().SetOrdered(false))
		docs = docs[:0]
		return err
	}
	for cur.Next(ctx) {
		var d factDoc
		if err := cur.Decode(&d); err != nil {
			return err
		}
		if len(orders) > 0 && orders[0].Customer != d.Customer {
			if err := flush(5000); err != nil {
				return err
			}
		}
		orders = append(orders, fact.Fact{Tenant: d.Tenant, Source: d.Source, Event: d.Event, Customer: d.Customer, At: d.At.UTC(), Day: d.Day, Kind: d.Kind, Amount: d.Amount, Quantity: d.Quantity})
	}
	if err := cur.Err(); err != nil {
		return err
	}
	if err := flush(0); err != nil {
		return err
	}
	return b.finish(ctx, nil)
}

// sameDocuments compares two collections document for document, and returns how many there are.
func sameDocuments(t *testing.T, a, b *mongodb.DB, collection string) int {
	t.Helper()
	open := func(db *mongodb.DB) func() bson.Raw {
		cur, err := db.Collection(collection).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(5000))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cur.Close(context.Background()) })
		return func() bson.Raw {
			if !cur.Next(t.Context()) {
				if cur.Err() != nil {
					t.Fatal(cur.Err())
				}
				return nil
			}
			return cur.Current
		}
	}
	nextA, nextB := open(a), open(b)
	for n := 0; ; n++ {
		x, y := nextA(), nextB()
		if string(x) != string(y) {
			t.Fatalf("%s: document %d is %v, computed again %v", collection, n, x, y)
		}
		if x == nil {
			if n == 0 {
				t.Fatalf("%s is empty", collection)
			}
			return n
		}
	}
}

// BenchmarkLinked measures a rate over all history of CDNOW while some of its customers are one person with many identities, in
// the two ways in which linked identities are mapped; without links there is one.
func BenchmarkLinked(b *testing.B) {
	rows := cdnow(b)
	var customers []string
	for i := range rows {
		customers = append(customers, string(rows[i].Customer))
	}
	slices.Sort(customers)
	customers = slices.Compact(customers)
	cal := metric.Calendar{WeekStart: time.Monday}
	p, why := metric.Compile(&contract.Computation{Metric: shipped(b)["repeat_rate"], Grain: contract.GrainMonth}, cal)
	if why != nil {
		b.Fatal(why)
	}
	for _, n := range []int{0, 200, 1000, 5000, 20_000} {
		db := warehouse(b, rows, nil, nil)
		var persons []personDoc
		for _, c := range customers[:n] {
			persons = append(persons, personDoc{ID: id(tenant, c), V: version, Tenant: tenant, Person: customers[0]})
		}
		insert(b, db, personsCollection, persons)
		for how, few := range map[string]int{"apart": 20_000, "looked-up": 0} {
			if n == 0 && how == "looked-up" {
				continue
			}
			b.Run(fmt.Sprintf("%d/%s", n, how), func(b *testing.B) {
				s := NewMetrics(tenant, db)
				s.few = few
				for b.Loop() {
					if _, err := p.Measure(b.Context(), s, cal.Of(contract.GrainMonth, "1998-06-01"), btyd.DefaultGates(), metric.SmallestGroup); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
