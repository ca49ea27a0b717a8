package mongostore

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/ingest"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// TestStirred: customers count once, only for the days asked about, only after the position, and only up to enough.
func TestStirred(t *testing.T) {
	t.Parallel()
	db := warehouse(t, nil, nil, nil)
	w, s := NewWarehouse(db, "EUR"), NewMetrics(tenant, db)
	n := 0
	batch := func(partition int, position int64, day contract.Day, customers ...identity.Key) {
		t.Helper()
		c := ingest.Changes{Touched: []contract.Day{day}, At: ingest.Touch{Partition: partition, Position: position}}
		for _, k := range customers {
			n++
			c.Facts = append(c.Facts, fact.Fact{Tenant: tenant, Source: "shop", Event: fmt.Sprint(n), Customer: k, Day: day, Kind: fact.Order})
		}
		if err := db.Tx(t.Context(), func(ctx context.Context) error { return w.Save(ctx, tenant, c) }); err != nil {
			t.Fatal(err)
		}
	}
	batch(0, 10, "1997-01-05", "a", "b", "a")
	batch(0, 20, "1997-01-06", "a", "c")
	batch(0, 30, "1997-02-06", "d", "e")
	batch(1, 9, "1997-01-20", "f")
	january, all := []metric.Span{{From: "1997-01-01", Until: "1997-02-01"}}, []metric.Span{{Until: "1998-01-01"}}
	for _, c := range []struct {
		days   []metric.Span
		since  map[int]int64
		enough int64
		want   int64
	}{
		{january, map[int]int64{0: 0, 1: 0}, 99, 4}, {january, map[int]int64{0: 10, 1: 0}, 99, 3}, {january, map[int]int64{0: 20}, 99, 0},
		{all, map[int]int64{0: 0, 1: 0}, 99, 6}, {all, map[int]int64{0: 0, 1: 0}, 2, 2}, {all, nil, 99, 0}, {january, map[int]int64{0: 0}, 99, 3},
	} {
		if got, err := s.Stirred(t.Context(), c.days, c.since, c.enough); err != nil || got != c.want {
			t.Errorf("of %v since %v %d of %d stirred, %v; want %d", c.days, c.since, got, c.enough, err, c.want)
		}
	}
	batch(0, keptPositions+20, "1997-01-07", "g")
	if n, err := db.Collection(stirredCollection).CountDocuments(t.Context(), bson.D{}); err != nil || n != 4 {
		t.Errorf("%d notes are kept, %v; want those of the last positions, 4", n, err)
	}
}
