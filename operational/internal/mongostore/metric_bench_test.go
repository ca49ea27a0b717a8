package mongostore

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
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

// TestBenchIncrementalDay compares a day's new orders, one in a hundred of all, taken in as ingest does, with computing
// all customer-day rows and purchase summaries again from all orders, and both results with each other.
// STRATA_BENCH_CUSTOMERS sets the size.
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
	b := newYear(t, customers)
	touched, stored, rows, summaries := b.day(t)
	day := rows + summaries
	began := time.Now()
	whole := b.recompute(t)
	full := time.Since(began)
	t.Logf("%d customers, %d orders, of which %d are new", customers, customers*ordersEach, b.fresh)
	t.Logf("the day: rows %v, summaries of its customers read again %v (storing its orders, which both need, %v); everything again %v", rows, summaries, stored, full)
	t.Logf("rows alone are 1 to %.1f, with the summaries 1 to %.1f", full.Seconds()/rows.Seconds(), full.Seconds()/day.Seconds())
	sameRows(t, b.db, b.again)
	for _, c := range sorted(touched) {
		if whole[c] != touched[c] {
			t.Fatalf("the summary of %s is %+v, computed again %+v", c, touched[c], whole[c])
		}
	}
}

const (
	ordersEach = 10
	lastDay365 = 364
)

// year is a year of orders without its last day, and the orders of that.
type year struct {
	db, again *mongodb.DB // with the rows kept, and computed again
	w         *Warehouse
	customers int
	fresh     int
	random    *rand.Rand
}

// newYear stores nine hundred and ninety of a thousand orders, with their rows.
func newYear(t *testing.T, customers int) *year {
	t.Helper()
	y := &year{db: mongotest.Open(t, CollectIndexes()...), again: mongotest.Open(t, CollectIndexes()...), customers: customers, fresh: customers * ordersEach / 100, random: rand.New(rand.NewPCG(5, 9))}
	y.w = NewWarehouse(y.db, "EUR")
	for from := 0; from < customers; from += 1000 {
		var facts []fact.Fact
		for c := from; c < min(customers, from+1000); c++ {
			for i := range ordersEach {
				if c*ordersEach+i >= y.fresh {
					facts = append(facts, y.order(c, i, y.random.IntN(lastDay365)))
				}
			}
		}
		rows, _ := fact.Rows(tenant, nil, facts)
		y.save(t, ingest.Changes{Facts: facts, Rows: rows, At: ingest.Touch{Position: int64(from)}})
	}
	return y
}

func (y *year) order(customer, i, day int) fact.Fact {
	minor, n := int64(100+y.random.IntN(9900)), int64(1+y.random.IntN(3))
	d := contract.Day("2025-01-01").Add(day)
	return fact.Fact{Tenant: tenant, Source: "shop", Event: fmt.Sprintf("%d-%d", customer, i), Customer: identity.Key(fmt.Sprintf("%032x", customer*7919)),
		At: d.Start(time.UTC).Add(time.Duration(y.random.IntN(1440)) * time.Minute), Day: d, Kind: fact.Order, Amount: &minor, Quantity: &n, Format: "call"}
}

func (y *year) save(t *testing.T, c ingest.Changes) {
	t.Helper()
	if err := y.db.Tx(t.Context(), func(ctx context.Context) error { return y.w.Save(ctx, tenant, c) }); err != nil {
		t.Fatal(err)
	}
}

// day takes the new orders in, nine of ten on the last day and one late, in batches as ingest does, and returns the
// purchase summaries of whoever they are of, with what storing them, their rows and the summaries took.
func (y *year) day(t *testing.T) (touched map[identity.Key]btyd.Summary, stored, rows, summaries time.Duration) {
	t.Helper()
	var orders []fact.Fact
	for i := range y.fresh {
		day := lastDay365
		if i%10 == 0 {
			day = y.random.IntN(lastDay365)
		}
		orders = append(orders, y.order(i*97%y.customers, ordersEach+i, day))
	}
	touched = map[identity.Key]btyd.Summary{}
	for batch := range slices.Chunk(orders, 500) {
		began := time.Now()
		var keys []fact.DayKey
		for i := range batch {
			keys = append(keys, batch[i].Key())
			touched[batch[i].Customer] = btyd.Summary{}
		}
		before, err := y.w.Orders(t.Context(), tenant, keys)
		if err != nil {
			t.Fatal(err)
		}
		made, _ := fact.Rows(tenant, before, batch)
		y.save(t, ingest.Changes{Rows: made, At: ingest.Touch{Position: 1 << 30}})
		rows += time.Since(began)
		began = time.Now()
		y.save(t, ingest.Changes{Facts: batch, At: ingest.Touch{Position: 1 << 30}})
		stored += time.Since(began)
	}
	began := time.Now()
	for _, c := range sorted(touched) {
		touched[c] = y.summary(t, c)
	}
	return touched, stored, rows, time.Since(began)
}

// summary computes the summary of a customer from their rows.
func (y *year) summary(t *testing.T, c identity.Key) btyd.Summary {
	t.Helper()
	from := id(tenant, string(c)) + "|"
	var rows []dayDoc
	needed := options.Find().SetProjection(bson.D{{Key: "day", Value: 1}, {Key: "revenueMinor", Value: 1}}).SetSort(bson.D{{Key: "_id", Value: 1}})
	if err := all(t.Context(), y.db.Collection(rowsCollection), bson.D{{Key: "_id", Value: between(from, from+"~")}}, &rows, needed); err != nil {
		t.Fatal(err)
	}
	return summed(rows)
}

// recompute makes all rows and summaries again from the orders, a customer at a time.
func (y *year) recompute(t *testing.T) map[identity.Key]btyd.Summary {
	t.Helper()
	cur, err := y.db.Collection(factsCollection).Find(t.Context(), bson.D{{Key: "row", Value: bson.D{{Key: "$gt", Value: ""}}}},
		options.Find().SetSort(bson.D{{Key: "row", Value: 1}}).SetBatchSize(5000))
	if err != nil {
		t.Fatal(err)
	}
	defer cur.Close(t.Context())
	var orders []fact.Fact
	var docs []dayDoc
	whole := map[identity.Key]btyd.Summary{}
	flush := func(least int) {
		rows, _ := fact.Rows(tenant, nil, orders)
		orders = orders[:0]
		var mine []dayDoc
		for _, r := range rows {
			mine = append(mine, dayDoc{ID: id(tenant, fact.DayKey{Customer: r.Customer, Day: r.Day}.ID()), V: version, Tenant: tenant, Customer: r.Customer, Day: r.Day, Orders: r.Orders,
				Revenue: r.Revenue, Units: r.Units, Zero: r.ZeroOrders, Identical: r.Identical, WithAmount: r.WithAmount, WithItems: r.WithItems})
		}
		if docs = append(docs, mine...); len(mine) > 0 {
			whole[mine[0].Customer] = summed(mine)
		}
		if len(docs) >= least {
			insert(t, y.again, rowsCollection, docs)
			docs = docs[:0]
		}
	}
	for cur.Next(t.Context()) {
		var d factDoc
		if err := cur.Decode(&d); err != nil {
			t.Fatal(err)
		}
		if len(orders) > 0 && orders[0].Customer != d.Customer {
			flush(5000)
		}
		orders = append(orders, fact.Fact{Tenant: d.Tenant, Source: d.Source, Event: d.Event, Customer: d.Customer, At: d.At.UTC(), Day: d.Day, Kind: d.Kind, Amount: d.Amount, Quantity: d.Quantity})
	}
	flush(0)
	if cur.Err() != nil {
		t.Fatal(cur.Err())
	}
	return whole
}

// summed is the purchase summary of a customer's rows, in the order of their days.
func summed(rows []dayDoc) btyd.Summary {
	asOf := contract.Day("2025-01-01").Add(lastDay365)
	first, last := rows[0].Day, rows[len(rows)-1].Day
	s := btyd.Summary{X: float64(len(rows) - 1), Tx: float64(last.Sub(first)) / 7, T: float64(asOf.Sub(first)) / 7, Count: 1}
	for _, r := range rows[1:] {
		s.Spend += float64(r.Revenue)
	}
	if s.X > 0 {
		s.Spend /= s.X
	}
	return s
}

// sameRows compares two stores' rows, document for document, and what all of them add up to.
func sameRows(t *testing.T, a, b *mongodb.DB) {
	t.Helper()
	open := func(db *mongodb.DB) func() bson.Raw {
		cur, err := db.Collection(rowsCollection).Find(t.Context(), bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetBatchSize(5000))
		if err != nil {
			t.Fatal(err)
		}
		return func() bson.Raw {
			if !cur.Next(t.Context()) {
				return nil
			}
			return cur.Current
		}
	}
	nextA, nextB := open(a), open(b)
	n := 0
	for {
		x, y := nextA(), nextB()
		if string(x) != string(y) {
			t.Fatalf("row %d is %v, computed again %v", n, x, y)
		}
		if x == nil {
			break
		}
		n++
	}
	year := metric.Span{From: "2025-01-01", Until: "2026-01-01"}
	qa, err := NewMetrics(tenant, a).Quality(t.Context(), year)
	if err != nil {
		t.Fatal(err)
	}
	qb, err := NewMetrics(tenant, b).Quality(t.Context(), year)
	if d := gocmp.Diff(qa, qb); err != nil || d != "" || n == 0 {
		t.Fatalf("%d rows, %v: %s", n, err, d)
	}
	t.Logf("%d rows are the same, byte for byte", n)
}
