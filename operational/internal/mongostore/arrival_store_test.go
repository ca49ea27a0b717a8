package mongostore

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/arrival"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

func TestArrivals(t *testing.T) {
	t.Parallel()
	s := NewArrivals(mongotest.Open(t, CollectIndexes()...))
	add := func(before contract.Day, counts ...arrival.Count) {
		t.Helper()
		if err := s.Add(t.Context(), "main", counts, before); err != nil {
			t.Fatal(err)
		}
	}
	add("2026-01-01", arrival.Count{Source: "shop", Day: "2026-02-01", Bins: arrival.Bins{0: 5, 17: 1}},
		arrival.Count{Source: "till", Day: "2026-02-02", Bins: arrival.Bins{3: 2}})
	add("2026-01-01", arrival.Count{Source: "shop", Day: "2026-02-01", Bins: arrival.Bins{0: 2}},
		arrival.Count{Source: "shop", Day: "2026-02-03", Bins: arrival.Bins{1: 4}}, arrival.Count{Source: "shop", Day: "2025-12-31", Bins: arrival.Bins{1: 100}})
	if err := s.Add(t.Context(), "other", []arrival.Count{{Source: "shop", Day: "2026-02-01", Bins: arrival.Bins{0: 50}}}, "2026-01-01"); err != nil {
		t.Fatal(err)
	}
	sum := func(from, until contract.Day, want map[contract.SourceID]arrival.Bins) {
		t.Helper()
		got, err := s.Sum(t.Context(), "main", from, until)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
	}
	sum("2025-01-01", "2026-02-03", map[contract.SourceID]arrival.Bins{"shop": {0: 7, 17: 1}, "till": {3: 2}})
	add("2026-02-02")
	sum("2025-01-01", "2027-01-01", map[contract.SourceID]arrival.Bins{"shop": {1: 4}, "till": {3: 2}})
}
