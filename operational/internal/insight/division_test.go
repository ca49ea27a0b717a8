package insight

import (
	"fmt"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// TestManyWays: what came in more ways than can be told apart is one of its own, and none of the first.
func TestManyWays(t *testing.T) {
	t.Parallel()
	var names []string
	for n := range 100 {
		want := min(n, mostWays-1)
		if got := index(&names, fmt.Sprint("source-", n)); got != want {
			t.Fatalf("the %d-th source is number %d, want %d", n, got, want)
		}
	}
	if index(&names, "source-0") != 0 || index(&names, "source-99") != mostWays-1 || index(&names, otherWays) != mostWays-1 || len(names) != mostWays || names[mostWays-1] != otherWays {
		t.Errorf("the sources are %v", names)
	}
}

// TestReadMost: a claim whose interval is too wide at the most that a look reads says that, and not that customers are lacking.
func TestReadMost(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := plain()
	s.customers, r.most = 6000, 1000
	s.trade(r, 5, 300, dayOf("2026-01-01"))
	r.engine = r.open()
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: aov(), Tolerance: .01})
	r.until("2026-01-01")
	if i := r.insight(id); i.Withheld == nil || i.Withheld.Code != fault.Validity || i.Withheld.Item != readMost || r.read != 1000 {
		t.Errorf("%d read: %s", r.read, show(i))
	}
}

// TestFunnel: what the value was told to be after fewer customers could have been shown then, with the interval of the card.
func TestFunnel(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	s := plain()
	s.customers = 5000
	s.trade(r, 5, 300, dayOf("2026-01-01"))
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: aov(), Tolerance: .08})
	r.until("2026-01-01")
	i := r.insight(id)
	if i.State != contract.InsightPublished || len(i.Looks) == 0 {
		t.Fatal(show(i))
	}
	last := i.Looks[len(i.Looks)-1]
	if i.Looks[0].N < 400 || last.N != i.N || last.Value != i.Value || last.HalfWidth != i.HalfWidth {
		t.Errorf("the looks are %+v, the card says %s", i.Looks, show(i))
	}
}
