package mongostore

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"gopkg.in/yaml.v3"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

const tenant = contract.TenantID("main")

// root returns the folder that holds go.work.
func root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir
		}
	}
	t.Fatal("no folder above has a go.work")
	return ""
}

// dataset opens a shared data file; the test is skipped where the data are absent, but never in CI.
func dataset(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Open(filepath.Join(filepath.Dir(root(t)), "shared", "data", name))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the data set %s is missing: %v", name, err)
		}
		t.Skipf("the data set %s is not here", name)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// shipped returns the metric definitions that come with Strata, as the functional layer sends them.
func shipped(t testing.TB) map[contract.MetricID]contract.Definition {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root(t), "functional", "internal", "metric", "metrics.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var any []any
	if err := yaml.Unmarshal(raw, &any); err != nil {
		t.Fatal(err)
	}
	wire, err := json.Marshal(any)
	if err != nil {
		t.Fatal(err)
	}
	var defs []contract.Definition
	if err := json.Unmarshal(wire, &defs); err != nil {
		t.Fatal(err)
	}
	by := map[contract.MetricID]contract.Definition{}
	for _, d := range defs {
		by[d.ID] = d
	}
	return by
}

// cdnow returns the customer-days of the whole CDNOW file.
func cdnow(t testing.TB) []dayDoc {
	t.Helper()
	days := map[string]*dayDoc{}
	var order []string
	lines := bufio.NewScanner(dataset(t, "cdnow/CDNOW_master.txt"))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) != 4 || f[0] == "customer_id" {
			continue
		}
		day := contract.Day(f[1][:4] + "-" + f[1][4:6] + "-" + f[1][6:])
		key := id(tenant, f[0], string(day))
		d := days[key]
		if d == nil {
			d = &dayDoc{ID: key, V: version, Tenant: tenant, Customer: identity.Key(f[0]), Day: day}
			days[key] = d
			order = append(order, key)
		}
		d.add(t, f[2], f[3])
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	out := make([]dayDoc, len(order))
	for i, key := range order {
		out[i] = *days[key]
	}
	return out
}

func (d *dayDoc) add(t testing.TB, units, dollars string) {
	t.Helper()
	n, err := strconv.ParseInt(units, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	minor, err := strconv.ParseInt(strings.Replace(dollars, ".", "", 1), 10, 64)
	if err != nil || len(dollars)-strings.Index(dollars, ".") != 3 {
		t.Fatalf("%q is not an amount in cents: %v", dollars, err)
	}
	d.Orders, d.WithAmount, d.WithItems = d.Orders+1, d.WithAmount+1, d.WithItems+1
	d.Units += n
	d.Revenue += minor
	if minor == 0 {
		d.Zero++
	}
}

// warehouse returns a database with the given rows.
func warehouse(t testing.TB, days []dayDoc, profiles []profileDoc, facts []factDoc) *mongodb.DB {
	t.Helper()
	db := mongotest.Open(t, CollectIndexes()...)
	insert(t, db, rowsCollection, days)
	insert(t, db, profilesCollection, profiles)
	insert(t, db, factsCollection, facts)
	return db
}

func insert[T any](t testing.TB, db *mongodb.DB, collection string, docs []T) {
	t.Helper()
	const batch = 5000
	for len(docs) > 0 {
		n := min(batch, len(docs))
		many := make([]any, n)
		for i := range n {
			many[i] = docs[i]
		}
		if _, err := db.Collection(collection).InsertMany(t.Context(), many); err != nil {
			t.Fatal(err)
		}
		docs = docs[n:]
	}
}

func answerDoc(event, customer string, day contract.Day, score float64) factDoc {
	return factDoc{ID: id(tenant, "survey", event), V: version, Tenant: tenant, Source: "survey", Event: event, Customer: identity.Key(customer),
		Day: day, Kind: fact.Answer, Score: &score}
}

func profileOf(customer string, values bson.D) profileDoc {
	p := profileDoc{ID: id(tenant, customer), V: version, Tenant: tenant, Key: identity.Key(customer), Values: bson.D{}}
	for _, v := range values {
		p.Values = append(p.Values, bson.E{Key: v.Key, Value: originDoc{Value: v.Value}})
	}
	return p
}
