package mongostore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// TestPackedCustomers: what is packed comes out as it was, and what is cut short is told from it.
func TestPackedCustomers(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var want []keptCustomer
		var b []byte
		for range rapid.IntRange(1, 4).Draw(t, "customers") {
			c := keptCustomer{key: identity.Key(rapid.StringN(0, 40, 40).Draw(t, "key"))}
			for day := rapid.Int64Range(-800_000, 800_000).Draw(t, "first"); len(c.days) < 3; day += rapid.Int64Range(1, 9000).Draw(t, "gap") {
				d := keptDay{day: day}
				for i := range d.counts {
					d.counts[i] = rapid.Int64().Draw(t, "count")
				}
				c.days = append(c.days, d)
			}
			want, b = append(want, c), appendCustomer(b, &c)
		}
		for i, u := 0, (unpacker{b: b}); u.more(); i++ {
			var got keptCustomer
			if err := u.next(&got); err != nil {
				t.Fatal(err)
			}
			if got.key != want[i].key || !slices.Equal(got.days, want[i].days) {
				t.Fatalf("%+v came out as %+v", want[i], got)
			}
		}
		short := unpacker{b: b[:rapid.IntRange(1, len(b)-1).Draw(t, "cut")]}
		for n := 0; ; n++ {
			if !short.more() {
				if n >= len(want) {
					t.Fatal("a part of them was read as all")
				}
				break
			}
			var got keptCustomer
			if short.next(&got) != nil {
				break
			}
		}
	})
}

// keptRig is a warehouse that takes in orders as ingest does, and what is kept beside its rows.
type keptRig struct {
	db    *mongodb.DB
	own   contract.TenantID
	w     *Warehouse
	s     *Metrics
	part  int
	next  map[int]int64 // by partition
	event int
}

func newKeptRig(db *mongodb.DB, own contract.TenantID, part int) *keptRig {
	r := &keptRig{db: db, own: own, w: NewWarehouse(db, "EUR"), s: NewMetrics(own, db), part: part, next: map[int]int64{}}
	r.s.kept.pairsAtOnce, r.s.kept.rowsAtOnce = 3, 7 // so that few orders take several steps
	return r
}

// order is an order of a customer on a day; at one of two times, so that some are identical.
func (r *keptRig) order(who identity.Key, day contract.Day, minor int64, later bool) fact.Fact {
	r.event++
	at := day.Start(wallNoon.Location())
	if later {
		at = at.Add(1)
	}
	return fact.Fact{Tenant: r.own, Source: "shop", Event: fmt.Sprint(r.event), Customer: who, At: at, Day: day, Kind: fact.Order, Amount: &minor}
}

// arrive takes a batch in at the end of a partition's log, some records long.
func (r *keptRig) arrive(ctx context.Context, part int, records int64, orders ...fact.Fact) error {
	part += r.part
	first := r.next[part]
	next := first + records
	if first == 0 {
		if _, err := NewFences(r.db).Open(ctx, 1, part); err != nil {
			return err
		}
	}
	at := ingest.Fence{Epoch: 1, Partition: part, Next: next}.Position()
	err := r.db.Tx(ctx, func(ctx context.Context) error {
		if ok, err := NewFences(r.db).Advance(ctx, 1, part, first, next); err != nil || !ok {
			return fmt.Errorf("the fence stands elsewhere than at %d: %w", first, err)
		}
		var days []fact.DayKey
		for i := range orders {
			days = append(days, orders[i].Key())
		}
		before, err := r.w.Orders(ctx, r.own, days)
		if err != nil {
			return err
		}
		rows, _ := fact.Rows(r.own, before, orders)
		return r.w.Save(ctx, r.own, ingest.Changes{Facts: orders, Rows: rows, At: ingest.Touch{Partition: part, Position: at}})
	})
	r.next[part] = next
	return err
}

var someDays = metric.Span{From: "2025-03-10", Until: "2025-03-21"}

// agrees compares all that is read from what is kept with what rows say.
func (r *keptRig) agrees(ctx context.Context, until contract.Day) error {
	order := func(a, b btyd.Summary) int {
		return cmp.Or(cmp.Compare(a.X, b.X), cmp.Compare(a.Tx, b.Tx), cmp.Compare(a.T, b.T), cmp.Compare(a.Spend, b.Spend))
	}
	w := metric.Span{Until: until}
	got, ok, err := r.s.derived(ctx, until)
	if err != nil || !ok {
		return fmt.Errorf("nothing is kept: %v, %w", ok, err)
	}
	want, err := r.s.scanned(ctx, w, nil)
	if err != nil {
		return err
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if d := gocmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		return fmt.Errorf("summaries until %s (-rows +kept):\n%s", until, d)
	}
	past, _, err := r.s.recalled(ctx, until)
	if err != nil {
		return err
	}
	again, err := r.s.reread(ctx, until)
	if err != nil {
		return err
	}
	slices.SortFunc(again, func(a, b purchase.History) int { return cmp.Compare(a.Customer, b.Customer) })
	if d := gocmp.Diff(again, past, cmpopts.EquateEmpty()); d != "" {
		return fmt.Errorf("histories until %s (-rows +kept):\n%s", until, d)
	}
	for _, w := range []metric.Span{everyDay, someDays, {From: someDays.From, Until: until}} {
		kept, _, err := r.s.rolled(ctx, w.From, w.Until)
		if err != nil {
			return err
		}
		if rows, err := r.s.quality(ctx, w); err != nil || rows != kept {
			return fmt.Errorf("quality of %+v is %+v, the rows say %+v, %w", w, kept, rows, err)
		}
	}
	return nil
}

// content is every document that is kept, without its generation.
func (r *keptRig) content(ctx context.Context) (map[string]string, error) {
	out := map[string]string{}
	st, err := r.s.kept.state(ctx)
	if err != nil || st == nil {
		return out, err
	}
	for _, c := range []string{bucketsCollection, rollupsCollection} {
		var docs []bson.Raw
		if err := all(ctx, r.db.Collection(c), bson.D{{Key: "_id", Value: r.s.ofTenant()}}, &docs); err != nil {
			return nil, err
		}
		for _, d := range docs {
			key := d.Lookup("_id").StringValue()
			skip := len(r.s.kept.of(st.Generation, ""))
			if key[:skip] != r.s.kept.of(st.Generation, "") {
				return nil, fmt.Errorf("%s of another generation than %d", key, st.Generation)
			}
			value := d.Lookup("customers").String()
			if c == rollupsCollection {
				_, _, sums, err := keptRow(d)
				if err != nil {
					return nil, err
				}
				value = fmt.Sprint(d.Lookup("rows"), sums)
			}
			out[c+"/"+key[skip:]] = value
		}
	}
	return out, nil
}

// TestKeptIsWhatRowsSay: after any updates (new and late orders of new and old customers, on days that they had bought on or
// not; erasures; a log that was forgotten), what is kept says what rows say, document for document what is made anew.
func TestKeptIsWhatRowsSay(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t, CollectIndexes()...)
	run := 0
	rapid.Check(t, func(t *rapid.T) {
		run++
		r := newKeptRig(db, contract.TenantID(fmt.Sprintf("k%d", run)), 2*run)
		customers := rapid.SampledFrom([][]identity.Key{{"aaaa1", "aaaa2", "aaaab", "aaab1", "bbbb1"}, {"1", "12", "123", "1234", "12341"}}).Draw(t, "keys")
		who, day := rapid.SampledFrom(customers), rapid.Custom(func(t *rapid.T) contract.Day {
			return contract.Day("2025-03-01").Add(rapid.IntRange(0, 40).Draw(t, "day"))
		})
		for range rapid.IntRange(1, 8).Draw(t, "updates") {
			switch rapid.SampledFrom([]string{"orders", "orders", "orders", "erase", "leap"}).Draw(t, "update") {
			case "orders":
				var orders []fact.Fact
				for range rapid.IntRange(0, 12).Draw(t, "orders") {
					orders = append(orders, r.order(who.Draw(t, "who"), day.Draw(t, "day"), rapid.Int64Range(0, 3).Draw(t, "minor"), rapid.Bool().Draw(t, "later")))
				}
				must(t, r.arrive(t.Context(), rapid.IntRange(0, 1).Draw(t, "partition"), int64(len(orders)+1), orders...))
			case "erase":
				must(t, r.erase(t.Context(), who.Draw(t, "erased")))
			case "leap":
				must(t, r.arrive(t.Context(), 0, keptPositions+1, r.order(who.Draw(t, "who"), day.Draw(t, "day"), 5, false)))
			}
			if rapid.Bool().Draw(t, "looks") {
				must(t, r.agrees(t.Context(), day.Draw(t, "until")))
			}
		}
		must(t, r.agrees(t.Context(), "2025-05-01"))
		followed, err := r.content(t.Context())
		must(t, err)
		position, err := r.s.kept.position(t.Context())
		must(t, err)
		if _, ok, err := r.s.kept.make(t.Context(), position); err != nil || !ok {
			t.Fatalf("not made anew: %v, %v", ok, err)
		}
		anew, err := r.content(t.Context())
		must(t, err)
		if d := gocmp.Diff(anew, followed); d != "" {
			t.Fatalf("what is kept (-made anew +followed):\n%s", d)
		}
	})
}

func must(t interface{ Fatal(...any) }, err error) {
	if err != nil {
		t.Fatal(err)
	}
}

// erase removes a customer's facts and rows, and takes them out of what is kept in the same transaction.
func (r *keptRig) erase(ctx context.Context, who identity.Key) error {
	return r.db.Tx(ctx, func(ctx context.Context) error {
		for _, c := range []string{factsCollection, rowsCollection} {
			if _, err := r.db.Collection(c).DeleteMany(ctx, bson.D{{Key: "tenant", Value: r.own}, {Key: "customer", Value: who}}); err != nil {
				return err
			}
		}
		return r.s.kept.forget(ctx, []identity.Key{who})
	})
}

// TestKeptByManyAtOnce has several processes follow ingest while orders arrive and customers are erased.
func TestKeptByManyAtOnce(t *testing.T) {
	t.Parallel()
	r := newKeptRig(mongotest.Open(t, CollectIndexes()...), tenant, 0)
	key := func(i int) identity.Key { return identity.Key(fmt.Sprintf("%04x%d", i%7, i)) }
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		other := NewMetrics(tenant, r.db)
		other.kept.pairsAtOnce = 4
		wg.Go(func() {
			for {
				if _, _, err := other.derived(t.Context(), "2025-04-01"); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	for n := range 30 {
		var orders []fact.Fact
		for i := range 10 {
			orders = append(orders, r.order(key(n*3+i), contract.Day("2025-03-01").Add(i), int64(n), false))
		}
		must(t, r.arrive(t.Context(), 0, 10, orders...))
		if n%10 == 9 {
			must(t, r.erase(t.Context(), key(n)))
		}
	}
	close(done)
	wg.Wait()
	must(t, r.agrees(t.Context(), "2025-04-01"))
}

// documents returns the ids of everything that is kept of a generation.
func (r *keptRig) documents(t *testing.T, generation int64) (ids []string) {
	t.Helper()
	for _, c := range []string{bucketsCollection, rollupsCollection} {
		var docs []bson.Raw
		must(t, all(t.Context(), r.db.Collection(c), r.s.kept.within(generation), &docs))
		for _, d := range docs {
			ids = append(ids, c+"/"+d.Lookup("_id").StringValue())
		}
	}
	return ids
}

// halfMade begins to make what is kept and stops in the middle, with the buckets of some customers written.
func (r *keptRig) halfMade(t *testing.T) *builder {
	t.Helper()
	m, err := r.s.kept.begin(t.Context())
	must(t, err)
	b := m.builder()
	must(t, r.s.kept.everyRow(t.Context(), b.add))
	must(t, b.closeCustomer(t.Context(), ""))
	must(t, b.flush(t.Context()))
	if len(r.documents(t, m.generation)) == 0 {
		t.Fatal("nothing was written")
	}
	return b
}

// TestKeptIsMadeByTheLastThatBegan: who lost the lease without knowing goes on writing while another one makes what is kept.
// Nothing of the former comes into what the latter makes, takes its place, or stays.
func TestKeptIsMadeByTheLastThatBegan(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before the second is through", "after it"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			r := newKeptRig(mongotest.Open(t, CollectIndexes()...), tenant, 0)
			must(t, r.arrive(t.Context(), 0, 3, r.order("aaaa1", "2025-03-02", 100, false), r.order("bbbb1", "2025-03-03", 200, false), r.order("cccc1", "2025-03-03", 50, true)))
			lost := r.halfMade(t)
			late := func() {
				lost.ready = []any{bucketDoc{lost.m.k.of(lost.m.generation, "dddd"), nil}}
				if err := lost.flush(t.Context()); !errors.Is(err, errSuperseded) {
					t.Errorf("a making that is over could write: %v", err)
				}
				if err := lost.finish(t.Context(), nil); !errors.Is(err, errSuperseded) {
					t.Errorf("a making that is over came through: %v", err)
				}
			}
			if when == "after it" {
				must(t, r.agrees(t.Context(), "2025-05-01"))
				late()
			} else {
				second := r.halfMade(t)
				must(t, second.m.k.clear(t.Context(), second.m.generation, second.m.instead))
				late()
				must(t, lost.m.drop(t.Context()))
				if len(r.documents(t, second.m.generation)) == 0 {
					t.Error("what the second one had written is gone")
				}
			}
			if left := r.documents(t, lost.m.generation); len(left) > 0 {
				t.Errorf("left of the first: %v", left)
			}
			must(t, r.agrees(t.Context(), "2025-05-01"))
			if _, err := r.content(t.Context()); err != nil { // looks that there is no other generation
				t.Error(err)
			}
		})
	}
}

// TestErasedWhileKeptIsMade: what was written of a person before they were erased is gone with them, also where the process
// that made it was killed, and cannot come through.
func TestErasedWhileKeptIsMade(t *testing.T) {
	t.Parallel()
	r := newKeptRig(mongotest.Open(t, CollectIndexes()...), tenant, 0)
	must(t, r.arrive(t.Context(), 0, 2, r.order("aaaa1", "2025-03-02", 100, false), r.order("bbbb1", "2025-03-03", 200, false)))
	killed := r.halfMade(t)
	must(t, r.erase(t.Context(), "aaaa1"))
	left := r.documents(t, killed.m.generation)
	if want := []string{bucketsCollection + "/" + killed.m.k.of(killed.m.generation, "bbbb")}; !slices.Equal(left, want) {
		t.Errorf("left of what was being made: %v, want %v", left, want)
	}
	if err := killed.finish(t.Context(), nil); !errors.Is(err, errSuperseded) {
		t.Errorf("what was made before the erasure came through: %v", err)
	}
	must(t, killed.m.drop(t.Context()))
	if left := r.documents(t, killed.m.generation); len(left) > 0 {
		t.Errorf("left of what came to nothing: %v", left)
	}
	must(t, r.agrees(t.Context(), "2025-05-01"))
}
