package mongostore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/expiry"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/telemetry"
)

// ruled are the rules of a company that keeps everything for a year, but orders for two.
type ruled struct{ ungoverned bool }

func (r ruled) Governance(context.Context) (contract.GovernanceDirective, error) {
	if r.ungoverned {
		return contract.GovernanceDirective{}, fault.New(fault.NotFound, "", "none")
	}
	return contract.GovernanceDirective{Retention: map[contract.DataType]int{contract.Transactional: 730, contract.Identification: 730, contract.Conversed: 365, contract.Descriptive: 365}}, nil
}

func (ruled) All(context.Context) ([]directive.Record, error) {
	d := contract.OperationalDirective{}
	for name, t := range map[contract.ParameterName]contract.DataType{contract.ParamOrderTime: contract.Transactional, contract.ParamOrderAmount: contract.Transactional,
		contract.ParamCustomerID: contract.Identification, "email": contract.Identification, contract.ParamNPS: contract.Conversed} {
		d.Collect = append(d.Collect, contract.Collection{Parameter: contract.Parameter{Name: name, DataType: t}})
	}
	return []directive.Record{{Order: &d, Answer: contract.Acknowledgement{State: contract.Executing,
		History: []contract.Step{{State: contract.Executing}}}}}, nil
}

// keeper is the shop with a worker that deletes what has expired, on a clock that is turned.
type keeper struct {
	*shop
	now    time.Time
	store  *Expiry
	worker *expiry.Worker
	told   int
}

func openKeeper(t *testing.T) *keeper {
	t.Helper()
	k := &keeper{shop: openShop(t), now: wallNoon}
	clock := func() time.Time { return k.now }
	k.store = NewExpiry(tenant, k.db, k.keys, "EUR", clock)
	k.worker = k.with(k.store, ruled{})
	return k
}

func (k *keeper) with(s expiry.Store, r expiry.Rules) *expiry.Worker {
	k.t.Helper()
	w, err := expiry.NewWorker(expiry.Options{Rules: r, Store: s, Now: func() time.Time { return k.now }, Logger: slog.New(slog.DiscardHandler),
		Meter: noop.NewMeterProvider(), Gauges: &telemetry.Gauges{}, Done: []func(){func() { k.told++ }}})
	if err != nil {
		k.t.Fatal(err)
	}
	return w
}

// pass makes a pass so many days after everything before was received.
func (k *keeper) pass(days int) {
	k.t.Helper()
	k.now = wallNoon.AddDate(0, 0, days)
	if err := k.worker.Round(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

func received(e contract.CustomerEvent, days int) contract.CustomerEvent {
	e.ReceivedAt = wallNoon.AddDate(0, 0, days)
	return e
}

func (k *keeper) count(collection string) int {
	k.t.Helper()
	n, err := k.db.Collection(collection).CountDocuments(k.t.Context(), byTenant())
	if err != nil {
		k.t.Fatal(err)
	}
	return int(n)
}

func byTenant() doc { return doc{{Key: "tenant", Value: tenant}} }

// TestExpiry: what was received long enough ago goes by its type of data, whenever it happened, with everything that came of it
// and with what is kept beside it; the account stays exact; of whom nothing is left, nothing is left anywhere.
func TestExpiry(t *testing.T) {
	t.Parallel()
	k := openKeeper(t)
	k.take(k.history()...)
	k.aside()
	settle(t, k.db)
	k.keep()
	old := buys("old", "grace", "", 1)
	old.Time = time.Date(1997, 1, 5, 0, 0, 0, 0, time.UTC)
	k.take(k.message(received(old, 300)), k.message(received(buys("late", "charles", "engine-room", 1), 300)))
	k.pass(364)
	if n := k.count(lakeCollection); n != 12 || k.told != 0 {
		t.Fatalf("%d of 12 events are left, told %d times, before anything is due", n, k.told)
	}
	k.pass(365)
	if n := k.count(lakeCollection); n != 11 || k.told != 1 {
		t.Errorf("%d events are left; want all but the answer", n)
	}
	if days := k.days(); len(days.Orders) != 0 || !slices.Equal(days.Answers, []contract.Day{"2025-03-05"}) {
		t.Errorf("expired are %+v", days)
	}
	if n := k.count(quarantineCollection); n != 2 {
		t.Errorf("%d records are set aside; want those of orders, and not what cannot be read, which is kept as shortly as anything", n)
	}
	k.pass(729)
	k.balanced(0, 1)
	k.pass(730)
	k.balanced(0, 10)
	if in := k.mentions(k.ofAda()...); in != nil {
		t.Errorf("the person of whom everything expired is still in %v", in)
	}
	if d := cmp.Diff(metric.Expired{Orders: []contract.Day{"2025-03-01", "2025-03-02", "2025-03-03"}, Answers: []contract.Day{"2025-03-05"}}, k.days()); d != "" {
		t.Errorf("expired days (-want +got):\n%s", d)
	}
	// What was received a year later stays, also where it happened in 1997; so does the day of the one of whom half expired.
	histories, err := NewMetrics(tenant, k.db).Histories(t.Context(), "2025-12-31")
	if err != nil || len(histories) != 2 {
		t.Fatalf("%d histories are left, %v", len(histories), err)
	}
	for _, h := range histories {
		if len(h.Visits) != 1 || h.Visits[0].Minor != 1200 {
			t.Errorf("what is left is %+v", h)
		}
	}
	if in := k.mentions(string(k.keys.Customer(identity.User, "charles"))); !slices.Contains(in, linksCollection) || !slices.Contains(in, profilesCollection) {
		t.Errorf("who bought since is only in %v", in)
	}
	k.pass(1030)
	k.balanced(0, 12)
	for _, r := range rooms {
		if n := k.count(r.collection); n != 0 {
			t.Errorf("%d documents are left in %s", n, r.collection)
		}
	}
}

func (k *keeper) days() metric.Expired {
	k.t.Helper()
	days, err := k.store.Days(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	return days
}

// TestExpiryOfMany: more than one transaction deletes, and more than the database hands out at once, go in one pass.
func TestExpiryOfMany(t *testing.T) {
	t.Parallel()
	k := openKeeper(t)
	const each, batches = 120, 4
	for b := range batches {
		var batch []bus.Message
		for i := range each {
			batch = append(batch, k.message(buys(fmt.Sprint(b, "/", i), fmt.Sprint("user-", i%50), "", 1+b)))
		}
		k.take(batch...)
	}
	k.keep()
	k.pass(730)
	k.balanced(0, each*batches)
	for _, c := range []string{lakeCollection, factsCollection, rowsCollection, profilesCollection, stirredCollection} {
		if n := k.count(c); n != 0 {
			t.Errorf("%d documents are left in %s", n, c)
		}
	}
	if all := historiesOf(t, k.shop); len(all) != 0 {
		t.Errorf("%d histories are left", len(all))
	}
}

// TestExpiryIsDaily: a pass is made once a day, by one replica; without rules nothing is deleted.
func TestExpiryIsDaily(t *testing.T) {
	t.Parallel()
	k := openKeeper(t)
	k.take(k.history()...)
	k.now = wallNoon.AddDate(5, 0, 0)
	if err := k.with(k.store, ruled{ungoverned: true}).Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := k.count(lakeCollection); n != 10 {
		t.Errorf("without rules %d events are left of 10", n)
	}
	if due, err := k.store.Claim(t.Context()); due || err != nil {
		t.Errorf("another pass is due at once (%v)", err)
	}
	k.now = k.now.Add(expiry.Every)
	for i := range 2 {
		if due, err := k.store.Claim(t.Context()); due != (i == 0) || err != nil {
			t.Errorf("claimed a second time: %v (%v)", due, err)
		}
	}
	k.now = k.now.Add(2 * claimTerm) // whoever claimed it was killed
	if err := k.worker.Round(t.Context()); err != nil || k.count(lakeCollection) != 0 {
		t.Errorf("%d events are left, %v", k.count(lakeCollection), err)
	}
	if at, err := k.store.Finished(t.Context()); err != nil || !at.Equal(k.now) {
		t.Errorf("it is said to have ended at %v, %v", at, err)
	}
}

// stopping is a store that is killed after a pass has deleted some of what is due.
type stopping struct{ *Expiry }

func (s stopping) Expire(ctx context.Context, l expiry.Limits, now time.Time) (map[string]int64, error) {
	var docs []oldDoc
	if err := all(ctx, s.db.Collection(lakeCollection), byTenant(), &docs, options.Find().SetProjection(oldFields)); err != nil {
		return nil, err
	}
	counts, err := s.deleteEvents(ctx, docs[:3])
	return counts, errors.Join(err, errKilled)
}

func TestExpiryGoesOn(t *testing.T) {
	t.Parallel()
	k := openKeeper(t)
	k.take(k.history()...)
	k.now = wallNoon.AddDate(5, 0, 0)
	if err := k.with(stopping{k.store}, ruled{}).Round(t.Context()); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	k.balanced(0, 3)
	if err := k.worker.Round(t.Context()); err != nil || k.count(lakeCollection) != 7 {
		t.Fatalf("somebody else went on at once (%v)", err)
	}
	k.now = k.now.Add(2 * claimTerm)
	if err := k.worker.Round(t.Context()); err != nil || k.count(lakeCollection) != 0 {
		t.Fatalf("%d events are left, %v", k.count(lakeCollection), err)
	}
	k.balanced(0, 10)
}

// TestWhatExpiredIsAsIfItHadNeverCome compares a shop in which some events have expired with one that never had them: facts,
// rows, profiles and histories are the same, whatever was kept beside the rows before.
func TestWhatExpiredIsAsIfItHadNeverCome(t *testing.T) {
	t.Parallel()
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			k, never := openKeeper(t), openShop(t)
			var with, without []bus.Message
			for i := range 40 {
				user := fmt.Sprint("user-", r.IntN(5))
				e := buys(fmt.Sprint(i), user, "", 1+r.IntN(5))
				if r.IntN(3) == 0 {
					e = says(fmt.Sprint(i), user, "", "")
					e.Time = e.Time.Add(time.Duration(r.IntN(5)) * time.Hour)
					e.Parameters["email"] = json.RawMessage(fmt.Sprintf(`"%d@example.org"`, i))
				}
				if r.IntN(2) == 0 {
					e = received(e, 300)
					without = append(without, never.message(e))
				}
				with = append(with, k.message(e))
			}
			k.take(with...)
			never.take(without...)
			if n := k.count(lakeCollection); n != len(with) {
				t.Fatalf("%d of %d events are stored", n, len(with))
			}
			if seed%2 == 0 {
				historiesOf(t, k.shop) // they are kept beside the rows from now on
			}
			k.pass(730)
			if d := cmp.Diff(historiesOf(t, never), historiesOf(t, k.shop)); d != "" {
				t.Errorf("histories (-never +expired):\n%s", d)
			}
			for _, collection := range []string{factsCollection, rowsCollection, profilesCollection, lakeCollection} {
				if d := cmp.Diff(contents(t, never, collection), contents(t, k.shop, collection)); d != "" {
					t.Errorf("%s (-never +expired):\n%s", collection, d)
				}
			}
			k.balanced(0, int64(len(with)-len(without)))
		})
	}
}

func historiesOf(t *testing.T, s *shop) []purchase.History {
	t.Helper()
	all, err := NewMetrics(tenant, s.db).Histories(t.Context(), "2025-12-31")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// contents are the documents of a collection without their places in the log.
func contents(t *testing.T, s *shop, collection string) []map[string]any {
	t.Helper()
	var docs []map[string]any
	if err := all(t.Context(), s.db.Collection(collection), byTenant(), &docs); err != nil {
		t.Fatal(err)
	}
	for _, d := range docs {
		for _, name := range []string{"partition", "position", "epoch", "offset", "receivedAt"} {
			delete(d, name)
		}
	}
	slices.SortFunc(docs, func(a, b map[string]any) int {
		return slices.Compare([]string{a["_id"].(string)}, []string{b["_id"].(string)})
	})
	return docs
}
