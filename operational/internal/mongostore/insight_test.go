package mongostore

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/egress"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/insight"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

func sampling(t testing.TB) *validity.Key {
	t.Helper()
	key, err := validity.NewKey([]byte("a secret of sixteen bytes or more"), "1")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// walked reads everybody, in batches.
func walked(t testing.TB, db *mongodb.DB, limit int) (all []insight.Customer, size int64) {
	t.Helper()
	w, err := NewCustomers(tenant, db, sampling(t)).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for last := false; !last; {
		var some []insight.Customer
		if some, last, err = w.Next(t.Context(), limit); err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all, w.Size()
}

// TestWalk: every customer once, in the order of the keyed priority, with all facts of all their identities; who is erased is
// gone, and profiles from before there was an order get their place.
func TestWalk(t *testing.T) {
	t.Parallel()
	var profiles []profileDoc
	var facts []factDoc
	for i := range 40 {
		name := fmt.Sprintf("c%02d", i)
		p := profileOf(name, bson.D{{Key: "segment", Value: "a"}})
		if i%2 == 0 {
			p.Place = sampling(t).Priority(name)
		}
		profiles = append(profiles, p)
		for n := range i % 4 {
			facts = append(facts, answerDoc(fmt.Sprintf("%s-%d", name, n), name, "2026-01-01", 9))
		}
	}
	facts = append(facts, answerDoc("anon", "a-cookie", "2026-01-02", 1)) // an identity without a profile
	db := warehouse(t, nil, profiles, facts)
	insert(t, db, linksCollection, []linkDoc{
		{ID: "l1", V: version, Tenant: tenant, A: "c01", B: "c07"}, {ID: "l2", V: version, Tenant: tenant, A: "a-cookie", B: "c07"},
	})
	all, size := walked(t, db, 7)
	if size != 39 || len(all) != 39 {
		t.Fatalf("%d customers walked, %d said: want 39, two identities of one being one", len(all), size)
	}
	at := func(key identity.Key) int {
		return slices.IndexFunc(all, func(c insight.Customer) bool { return c.Key == key })
	}
	for i, c := range all {
		if want := sampling(t).Priority(string(c.Key)); c.Priority != want || i > 0 && all[i-1].Priority >= want {
			t.Errorf("customer %s is at priority %d, want %d in ascending order", c.Key, c.Priority, want)
		}
	}
	if person := all[at("c01")]; at("c07") >= 0 || len(person.Facts) != 1+3+1 || len(person.Profiles) != 2 || len(person.Identities) != 3 {
		t.Errorf("the person of two profiles and a cookie has %d facts, %d profiles and identities %v", len(person.Facts), len(person.Profiles), person.Identities)
	}
	if _, err := db.Collection(profilesCollection).DeleteOne(t.Context(), byID(id(tenant, "c05"))); err != nil {
		t.Fatal(err)
	}
	if all, size = walked(t, db, 100); size != 38 || at("c05") >= 0 {
		t.Errorf("after an erasure %d customers, %d said", len(all), size)
	}
	if plain := all[at("c06")]; plain.Facts[0].Kind != fact.Answer || string(plain.Profiles[0].Values["segment"].Value) != `"a"` {
		t.Errorf("a customer is %+v", plain)
	}
}

func openInsights(t *testing.T) (*Insights, states) {
	t.Helper()
	s := openStates(t)
	return NewInsights(tenant, s.directives.db, s.outbox, contract.NewID), s
}

func TestInsights(t *testing.T) {
	t.Parallel()
	store, s := openInsights(t)
	put := func(id contract.InsightID, version int64, revision int64) error {
		return store.ReplaceInsight(t.Context(), id, egress.Kept{Version: version, State: []byte(`{"order":"x"}`), Contains: map[int]int64{3: 9}},
			func(i *contract.Insight) bool {
				news := i.Revision != revision
				*i = contract.Insight{ID: id, Revision: revision, Metric: "m", Scope: &contract.Condition{Field: "a", Op: contract.Eq, Value: 1.5}, AsOf: noon}
				return news
			})
	}
	for _, id := range []contract.InsightID{"in-2", "in-1", "in-3"} {
		if err := put(id, 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("in-1", 0, 2); !fault.Is(err, fault.Conflict) {
		t.Errorf("a write on a version that is over: %v, want conflict", err)
	}
	if err := put("in-1", 1, 1); err != nil || s.pending(t) != 3 {
		t.Errorf("the same again: %v, %d to be published, want 3", err, s.pending(t))
	}
	records, err := store.All(t.Context())
	if err != nil || len(records) != 3 || records[0].Version != 2 || records[0].Contains[3] != 9 || string(records[0].State) != `{"order":"x"}` {
		t.Errorf("the records are %+v, %v", records, err)
	}
	page, err := store.List(t.Context(), "m", "in-1", 1)
	if err != nil || len(page) != 1 || page[0].ID != "in-2" {
		t.Errorf("after in-1 comes %+v, %v", page, err)
	}
	if _, err := store.Get(t.Context(), "in-9"); !fault.Is(err, fault.NotFound) {
		t.Errorf("no insight: %v, want not found", err)
	}
	old := contract.Insight{ID: "in-4", Revision: 5, Metric: "m", Republished: 2, AsOf: noon}
	for _, revision := range []int64{5, 4} { // the later one counts
		old.Revision = revision
		if err := store.Restore(t.Context(), old); err != nil {
			t.Fatal(err)
		}
	}
	if i, err := store.Get(t.Context(), "in-4"); err != nil || i.Revision != 5 {
		t.Errorf("restored is %+v, %v", i, err)
	}
}

// TestInsightIndexes: the walk and the list use their indexes.
func TestInsightIndexes(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t, append(CollectIndexes(), InsightIndexes()...)...)
	for _, q := range []struct {
		collection, index string
		filter, sort      bson.D
	}{
		{profilesCollection, "priority", bson.D{{Key: "tenant", Value: tenant}, {Key: "priority", Value: op("$gt", 5)}}, bson.D{{Key: "tenant", Value: 1}, {Key: "priority", Value: 1}}},
		{factsCollection, "customer", bson.D{{Key: "tenant", Value: tenant}, {Key: "customer", Value: op("$in", bson.A{"a", "b"})}}, nil},
	} {
		find := bson.D{{Key: "find", Value: q.collection}, {Key: "filter", Value: q.filter}}
		if q.sort != nil {
			find = append(find, bson.E{Key: "sort", Value: q.sort})
		}
		raw, err := db.Database().RunCommand(t.Context(), bson.D{{Key: "explain", Value: find}}).Raw()
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(raw.String(), q.index) || strings.Contains(raw.String(), "COLLSCAN") {
			t.Errorf("%s is read by %s, want index %s", q.collection, raw, q.index)
		}
	}
}
