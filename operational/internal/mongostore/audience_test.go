package mongostore

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/attribute"
	"github.com/strata-crm/strata/operational/internal/audience"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// town is customers as a test keeps them beside the database.
type town struct {
	t        *testing.T
	r        *rand.Rand
	db       *mongodb.DB
	store    *Warehouse
	fences   *Fences
	at       map[int]int64 // by partition
	profiles map[identity.Key]profile.Profile
	links    []identity.Link
	rows     map[string]fact.CustomerDay
}

func (w *town) key(i int) identity.Key { return identity.Key(fmt.Sprintf("%032x", i)) }

// Position implements audience.Positions.
func (w *town) Position(context.Context) (map[int]int64, error) { return w.at, nil }

// ingest stores a random change of a customer, as ingest would.
func (w *town) ingest() {
	w.t.Helper()
	i := w.r.IntN(40)
	k, part := w.key(i), i%3
	w.at[part]++
	c := ingest.Changes{At: ingest.Touch{Partition: part, Position: w.at[part]}}
	p, known := w.profiles[k]
	if !known || w.r.IntN(3) == 0 {
		p = w.profileOf(k, p)
		w.profiles[k], c.Profiles = p, []profile.Profile{p}
	}
	if w.r.IntN(2) == 0 {
		day := contract.Day("2026-01-01").Add(w.r.IntN(60))
		row := w.rows[string(k)+string(day)]
		row.Tenant, row.Customer, row.Day = tenant, k, day
		row.Orders, row.Revenue, row.Units = row.Orders+1, row.Revenue+int64(w.r.IntN(500)), row.Units+1
		w.rows[string(k)+string(day)] = row
		c.Rows, c.Touched = []fact.CustomerDay{row}, []contract.Day{day}
	}
	if w.r.IntN(15) == 0 {
		other := w.key(w.r.IntN(40))
		if _, there := w.profiles[other]; there && other != k {
			l := identity.Link{A: min(k, other), B: max(k, other), At: time.UnixMilli(int64(i)).UTC(), Source: "shop", Event: "e"}
			w.links, c.Links = append(w.links, l), []identity.Link{l}
		}
	}
	if err := w.db.Tx(w.t.Context(), func(ctx context.Context) error { return w.store.Save(ctx, tenant, c) }); err != nil {
		w.t.Fatal(err)
	}
}

func (w *town) profileOf(k identity.Key, p profile.Profile) profile.Profile {
	p.Tenant, p.Key, p.Since = tenant, k, time.UnixMilli(0).UTC()
	values := map[contract.ParameterName]profile.Value{}
	for name, raw := range map[contract.ParameterName]string{
		"country": fmt.Sprintf("%q", []string{"at", "de", "us"}[w.r.IntN(3)]), "age": fmt.Sprint(20 + w.r.IntN(50)), "vip": fmt.Sprint(w.r.IntN(2) == 0),
	} {
		if w.r.IntN(5) > 0 {
			values[name] = profile.Value{Value: []byte(raw), At: time.UnixMilli(int64(w.r.IntN(1e9))).UTC(), Source: "shop", Event: "e"}
		}
	}
	p.Values = values
	return p
}

// TestBitmapsCountWhatTheRowsSay changes customers at random and, again and again, compares bitmaps that follow with
// bitmaps made anew from all rows.
func TestBitmapsCountWhatTheRowsSay(t *testing.T) {
	t.Parallel()
	const seed = 7
	db := mongotest.Open(t, CollectIndexes()...)
	w := &town{t: t, r: rand.New(rand.NewPCG(seed, seed)), db: db, store: NewWarehouse(db, "EUR"), fences: NewFences(db), at: map[int]int64{},
		profiles: map[identity.Key]profile.Profile{}, rows: map[string]fact.CustomerDay{}}
	for part := range 3 {
		if _, err := w.fences.Open(t.Context(), 1, part); err != nil {
			t.Fatal(err)
		}
	}
	keeper := func() *audience.Keeper {
		k, err := audience.NewKeeper(audience.Options{Rows: NewMetrics(tenant, db), Positions: w, Now: time.Now, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	following := keeper()
	for step := range 40 {
		for range 1 + w.r.IntN(12) {
			w.ingest()
		}
		if err := following.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		anew := keeper()
		if err := anew.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, c := range asked {
			got, err := following.Count(t.Context(), &c)
			if err != nil {
				t.Fatal(err)
			}
			want, err := anew.Count(t.Context(), &c)
			if err != nil || got.Customers != want.Customers || got.Of != want.Of {
				t.Fatalf("seed %d, step %d, %+v: following counts %+v, the rows say %+v (%v)", seed, step, c, got, want, err)
			}
			if by := w.count(c); got.Customers != by {
				t.Fatalf("seed %d, step %d, %+v: counted %d, the test knows %d", seed, step, c, got.Customers, by)
			}
			for part, at := range w.at {
				if got.Through[part] != at {
					t.Fatalf("step %d: it contains partition %d through %d, want %d", step, part, got.Through[part], at)
				}
			}
		}
	}
	if len(w.links) < 5 {
		t.Errorf("only %d links were made", len(w.links))
	}
}

var asked = []contract.Condition{
	{Field: "country", Op: contract.Eq, Value: "at"}, {Field: "age", Op: contract.Gte, Value: 40.0}, {Field: "vip", Op: contract.Exists, Value: false},
	{Field: "orders", Op: contract.Gt, Value: 3.0}, {Field: attribute.LastDay, Op: contract.Lt, Value: "2026-02-01"},
	{All: []contract.Condition{{Field: "country", Op: contract.In, Value: []string{"de", "us"}}, {Field: "revenue", Op: contract.Gte, Value: 500.0}}},
}

// count is the conditions' meaning over what the test keeps: only those in asked.
func (w *town) count(c contract.Condition) (n int64) {
	persons := map[identity.Key][]identity.Key{}
	of := w.persons()
	for k := range w.profiles {
		persons[of(k)] = append(persons[of(k)], k)
	}
	for _, members := range persons {
		if w.holds(c, members) {
			n++
		}
	}
	return n
}

func (w *town) persons() func(identity.Key) identity.Key {
	group := map[identity.Key]identity.Key{}
	of := func(k identity.Key) identity.Key {
		if g, ok := group[k]; ok {
			return g
		}
		return k
	}
	for _, l := range w.links {
		a, b := of(l.A), of(l.B)
		for k := range w.profiles {
			if g := of(k); g == a || g == b {
				group[k] = min(a, b)
			}
		}
	}
	return of
}

func (w *town) holds(c contract.Condition, members []identity.Key) bool {
	if len(c.All) > 0 {
		return !slices.ContainsFunc(c.All, func(part contract.Condition) bool { return !w.holds(part, members) })
	}
	var orders, revenue int64
	var last contract.Day
	for _, r := range w.rows {
		if slices.Contains(members, r.Customer) {
			orders, revenue, last = orders+r.Orders, revenue+r.Revenue, max(last, r.Day)
		}
	}
	value := ""
	var at time.Time
	slices.Sort(members)
	for _, k := range members {
		if v, ok := w.profiles[k].Values[contract.ParameterName(c.Field)]; ok && (value == "" || v.At.After(at)) {
			value, at = string(v.Value), v.At
		}
	}
	switch c.Field {
	case "orders":
		return orders > 3
	case "revenue":
		return orders > 0 && revenue >= 500
	case attribute.LastDay:
		return last != "" && last < "2026-02-01"
	case "vip":
		return value == ""
	case "age":
		return value >= "40"
	}
	if c.Op == contract.In {
		return value == `"de"` || value == `"us"`
	}
	return value == `"at"`
}
