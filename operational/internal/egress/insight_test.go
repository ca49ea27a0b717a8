package egress

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// claimed is an insight in which every number would tell.
func claimed(value float64) contract.Insight {
	one := 31337.5
	return contract.Insight{ID: "in-1", Directive: "od-1", Strategic: "sd-1", Goal: "g-1", Metric: "repeat_rate", Version: "1.0.0",
		State: contract.InsightPublished, Published: one, Value: value, HalfWidth: one, N: 31337, Of: 31337, AsOf: noon, Unit: contract.Ratio,
		Group: "31337", Cap: &one, AboveCap: &one, Findings: []contract.Finding{{Question: contract.Volume, Effect: one}},
		Looks: []contract.Look{{N: 31337}}, Windows: []contract.Shifted{{Effect: one}}, Formats: []contract.Left{{Effect: one}},
		Tail: &contract.TailOf{Customers: 31337}, Unknown: &contract.Unverified{Share: one}, ShelfLife: &one, Model: &contract.ModelFit{Customers: 31337}}
}

func putInsight(t *testing.T, e *Egress, i contract.Insight, smallest int64, k Kept) {
	t.Helper()
	if err := e.PutInsight(t.Context(), i, smallest, k); err != nil {
		t.Fatal(err)
	}
}

func TestInsightPublished(t *testing.T) {
	t.Parallel()
	m := &memory{minimum: 10}
	e := open(t, m)
	putInsight(t, e, claimed(.5), 12, Kept{State: []byte("a")})
	if m.puts != 1 || m.insight.Revision != noon.UnixMilli() || m.insight.Value != .5 {
		t.Fatalf("published %d times as %+v", m.puts, m.insight)
	}
	putInsight(t, e, claimed(.5), 12, Kept{Version: 1, State: []byte("b")})
	if m.puts != 1 || string(m.kept.State) != "b" {
		t.Errorf("the same again was published %d times with state %s, want once and the new state kept", m.puts, m.kept.State)
	}
	putInsight(t, e, claimed(.6), 12, Kept{})
	if m.puts != 2 || m.insight.Revision != noon.UnixMilli()+1 {
		t.Errorf("another value was published %d times, revision %d", m.puts, m.insight.Revision)
	}
}

// TestInsightSuppressed: nothing of a group that is too small goes up, and what was told is taken back.
func TestInsightSuppressed(t *testing.T) {
	t.Parallel()
	m := &memory{minimum: 10}
	e := open(t, m)
	putInsight(t, e, claimed(.5), 12, Kept{})
	putInsight(t, e, claimed(.5), 11, Kept{}) // the directive wants 12
	raw, err := json.Marshal(m.insight)
	if m.puts != 2 || err != nil || strings.Contains(string(raw), "31337") || m.insight.Withheld == nil ||
		m.insight.Withheld.Code != fault.GroupTooSmall || m.insight.State != contract.InsightCandidate || m.insight.Check() != nil {
		t.Errorf("taken back it is %s, %v", raw, err)
	}
}

func TestInsightOfNoDirective(t *testing.T) {
	t.Parallel()
	m := &memory{minimum: 10}
	e := open(t, m)
	unasked := claimed(.5)
	unasked.Directive = "od-2"
	putInsight(t, e, unasked, 100, Kept{})
	if Tells(&m.insight) || m.insight.Value != 0 {
		t.Errorf("what nobody asks for went up as %+v", m.insight)
	}
	over := contract.Insight{ID: "in-1", Directive: "od-2", Metric: "repeat_rate", State: contract.InsightExpired}
	putInsight(t, e, over, 0, Kept{})
	if m.insight.State != contract.InsightExpired {
		t.Errorf("an end went up as %+v", m.insight)
	}
}

func TestInsightUngoverned(t *testing.T) {
	t.Parallel()
	m := &memory{}
	if err := open(t, m).PutInsight(t.Context(), claimed(.5), 100, Kept{}); fault.KindOf(err) != fault.Denied || m.puts != 0 {
		t.Errorf("without governance: %v and %d published, want denied and none", err, m.puts)
	}
}
