package attribute_test

import (
	"math/rand/v2"
	"testing"

	"github.com/strata-crm/strata/operational/internal/attribute"
	"github.com/strata-crm/strata/shared/contract"
)

// BenchmarkCount counts by three predicates over a million customers.
func BenchmarkCount(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	x := attribute.New()
	for at := 0; at < 1_000_000; {
		changes := make([]attribute.Change, 10_000)
		for i := range changes {
			changes[i] = attribute.Change{Customer: key(at), Attributes: attribute.Attributes{
				"country": []string{"at", "de", "fr", "us", "jp"}[r.IntN(5)], "vip": r.IntN(10) == 0, "orders": int64(r.ExpFloat64() * 5),
				"revenue": int64(r.ExpFloat64() * 10_000),
			}}
			at++
		}
		if err := x.Apply(changes, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.Logf("bitmaps of %d customers: %d MB", x.Customers(), x.Bytes()>>20)
	c := contract.Condition{All: []contract.Condition{
		{Field: "country", Op: contract.In, Value: []string{"at", "us"}}, {Field: "orders", Op: contract.Gte, Value: 3.0}, {Field: "revenue", Op: contract.Lt, Value: 12_345.0},
	}}
	for b.Loop() {
		if _, err := x.Count(&c); err != nil {
			b.Fatal(err)
		}
	}
}
