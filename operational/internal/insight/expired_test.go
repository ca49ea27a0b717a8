package insight

import (
	"testing"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

// TestWhatExpiredJudgesNothing: a claim is not looked at by windows, nor against a baseline, of which facts have expired: what is
// left of them is not what happened. It goes on where nothing of either has.
func TestWhatExpiredJudgesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	living(r, 3000)
	id := r.want(contract.InsightOrder{Kind: contract.LevelInsight, Metric: shipped(t, "purchase_frequency_month"), Tolerance: .25})
	r.until(months[0])
	st, err := r.records[id].state()
	if err != nil || st.Later == nil || st.Later.Base < leastBaseline {
		t.Fatalf("it has no baseline: %s, %v", show(r.insight(id)), err)
	}
	base := st.Later.Anchor.Add(-st.Later.Base * st.Later.Days)
	for _, c := range []struct {
		what  string
		day   contract.Day
		until contract.Day
		looks bool
	}{
		{"a day of the baseline", base, months[1], false},
		{"a day of the window", months[0], months[1], false},
		{"a day before either", base.Add(-1), months[1], true},
	} {
		r.expired = metric.Expired{Orders: []contract.Day{c.day}}
		before := r.records[id]
		r.until(c.until)
		after, err := r.records[id].state()
		if err != nil {
			t.Fatal(err)
		}
		if looked := after.Seen == c.until && r.records[id].Version != before.Version; looked != c.looks {
			t.Errorf("%s (%s) has expired: looked at %v, want %v", c.what, c.day, looked, c.looks)
		}
	}
}
