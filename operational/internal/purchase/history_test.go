package purchase_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/datatest"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/shared/fault"
)

func history(days ...purchase.Day) purchase.History {
	h := purchase.History{Customer: "c"}
	for _, d := range days {
		h.Visits = append(h.Visits, purchase.Visit{Day: d, Minor: 100})
	}
	return h
}

// The facts of the file are the design's.
func TestCDNOWFacts(t *testing.T) {
	t.Parallel()
	customers := datatest.CDNOW(t)
	days, revenue, once := 0, int64(0), 0
	for _, h := range customers {
		if err := h.Check(); err != nil {
			t.Fatal(err)
		}
		days += len(h.Visits)
		revenue += h.Revenue()
		if len(h.Visits) == 1 {
			once++
		}
	}
	got := []int64{int64(len(customers)), int64(days), revenue, int64(once)}
	if d := cmp.Diff([]int64{23570, 67591, 250031563, 12054}, got); d != "" {
		t.Error(d)
	}
	cut, err := purchase.AsOf(customers, datatest.Day("19970131"))
	if err != nil || len(cut) != 7846 {
		t.Errorf("%d customers bought by January (%v), want 7846", len(cut), err)
	}
}

func TestHistory(t *testing.T) {
	t.Parallel()
	h := history(0, 14, 21, 42)
	if d := cmp.Diff([]float64{14, 7, 21}, h.Gaps()); d != "" {
		t.Error(d)
	}
	if got := purchase.Median(h.Gaps()); got != 14 {
		t.Errorf("median gap %g, want 14", got)
	}
	if got := purchase.Median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four %g, want 2.5", got)
	}
	if got, want := h.Summary(49), (btyd.Summary{X: 3, Tx: 6, T: 7, Count: 1}); got != want {
		t.Errorf("summary %+v, want %+v", got, want)
	}
	if got := len(h.Until(20).Visits); got != 2 {
		t.Errorf("%d visits until day 20, want 2", got)
	}
	if got := len(h.Until(-1).Visits); got != 0 {
		t.Errorf("%d visits before the first day, want 0", got)
	}
	if next, ok := h.NextAfter(21); !ok || next != 42 {
		t.Errorf("next after 21 is %d, %v; want 42", next, ok)
	}
	if _, ok := h.NextAfter(42); ok {
		t.Error("there is no visit after the last")
	}
	if h.Gaps() == nil || history(3).Gaps() != nil {
		t.Error("one visit has no gaps")
	}
}

func TestHistoryRefusesWhatIsNotOne(t *testing.T) {
	t.Parallel()
	for name, hs := range map[string][]purchase.History{
		"no visits": {history()}, "same day twice": {history(3, 3)}, "backwards": {history(3, 2)}, "customer twice": {history(1), history(2)},
		"no customer": {{Visits: []purchase.Visit{{Day: 1}}}},
	} {
		if _, err := purchase.AsOf(hs, 10); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: got %v, want an invalid", name, err)
		}
	}
}
