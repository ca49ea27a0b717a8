package mongostore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/attribute"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// TestBenchSegmentCount compares counting 1,000,000 customers by three predicates with reading one profile by its id from
// the document store, in the same run.
func TestBenchSegmentCount(t *testing.T) {
	if os.Getenv("STRATA_BENCH") == "" {
		t.Skip("a benchmark: STRATA_BENCH=1 runs it")
	}
	const customers, profiles, aim = 1_000_000, 100_000, 20
	r := rand.New(rand.NewPCG(1, 1))
	x := attribute.New()
	for at := 0; at < customers; {
		changes := make([]attribute.Change, portion)
		for i := range changes {
			changes[i] = attribute.Change{Customer: identity.Key(fmt.Sprintf("%032x", at)), Attributes: attribute.Attributes{
				"country": []string{"at", "de", "fr", "us", "jp"}[r.IntN(5)], "orders": int64(r.ExpFloat64() * 5), "revenue": int64(r.ExpFloat64() * 10_000),
				attribute.LastDay: string(contract.Day("2026-01-01").Add(r.IntN(300))),
			}}
			at++
		}
		if err := x.Apply(changes, nil); err != nil {
			t.Fatal(err)
		}
	}
	db := mongotest.Open(t, CollectIndexes()...)
	c := db.Collection(profilesCollection)
	for at := 0; at < profiles; at += portion {
		docs := make([]any, portion)
		for i := range docs {
			key := fmt.Sprintf("%032x", at+i)
			docs[i] = bson.D{{Key: "_id", Value: id(tenant, key)}, {Key: "tenant", Value: tenant}, {Key: "customer", Value: key},
				{Key: "values", Value: bson.D{{Key: "country", Value: bson.D{{Key: "value", Value: "at"}}}}}}
		}
		if _, err := c.InsertMany(t.Context(), docs); err != nil {
			t.Fatal(err)
		}
	}
	where := contract.Condition{All: []contract.Condition{
		{Field: "country", Op: contract.In, Value: []string{"at", "us"}}, {Field: "orders", Op: contract.Gte, Value: 3.0}, {Field: "revenue", Op: contract.Lt, Value: 12_345.0},
	}}
	var n int64
	count := median(300, func() (err error) { n, err = x.Count(&where); return err }, t)
	read := median(3000, func() error {
		return c.FindOne(t.Context(), byID(id(tenant, fmt.Sprintf("%032x", r.IntN(profiles))))).Err()
	}, t)
	ratio := float64(count) / float64(read)
	t.Logf("count of %d of %d customers by three predicates: %.1f findOnes by _id (aim <= %d; %v against %v); the bitmaps take %d MiB", n, customers, ratio, aim,
		count, read, x.Bytes()>>20)
	if n == 0 || n == customers || ratio > aim {
		t.Errorf("it counts %d in %.1f findOnes, want %d at most", n, ratio, aim)
	}
}

// median returns the median time of some calls.
func median(calls int, f func() error, t *testing.T) time.Duration {
	t.Helper()
	times := make([]time.Duration, calls)
	for i := range times {
		began := time.Now()
		if err := f(); err != nil {
			t.Fatal(err)
		}
		times[i] = time.Since(began)
	}
	slices.Sort(times)
	return times[calls/2]
}
