package functional

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
)

// claim is what the operational layer says of the first claim that an order asks for.
func claim(o contract.OperationalDirective, revision int64) contract.Insight {
	asked := o.Insights[0]
	holds := contract.Holds
	return contract.Insight{
		ID: asked.ID, Revision: revision, Directive: o.ID, Strategic: o.Strategic, Goal: o.Goal, Metric: asked.Metric.ID, Version: asked.Metric.Version,
		State: contract.InsightPublished, Kind: asked.Kind, Published: 4000, Value: 4100, HalfWidth: 90, Unit: contract.Money, Currency: "USD",
		Tolerance: asked.Tolerance, N: 3318, Of: 23570, AsOf: time.Date(1998, 1, 1, 0, 0, 0, 0, time.UTC), Grain: asked.Grain,
		Verdicts: contract.Verdicts{Volume: holds, Velocity: holds, Variety: holds, Variability: holds, Veracity: holds},
	}
}

func (r *rig) claim(i contract.Insight) {
	r.t.Helper()
	r.say(contract.TopicInsights, contract.TypeOperationalInsight, string(i.ID), contract.Operational, i.Strategic, &i)
}

// passedOn waits for a revision of an insight on its way up, of which there must be more than n messages by then.
func (r *rig) passedOn(revision int64) contract.Insight {
	r.t.Helper()
	i, m := heard(r, contract.TopicInformation, contract.TypeFunctionalInsight, func(i contract.Insight) bool { return i.Revision == revision })
	if m.Key != string(i.Goal) {
		r.t.Errorf("its key is %q, not that of its goal", m.Key)
	}
	return i
}

func (r *rig) passed() (n int) {
	for _, m := range r.bus.Messages(contract.TopicInformation) {
		if m.Header("ce_type") == contract.TypeFunctionalInsight {
			n++
		}
	}
	return n
}

func TestInsightsAreOrderedAndPassedOn(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	o := r.ordered("sd-1", "marketing", 0)
	if len(o.Insights) != 1 || o.Insights[0].Kind != contract.ForecastInsight || o.Insights[0].Metric.ID != "predicted_value_52w" || o.Insights[0].Tolerance != .1 {
		t.Fatalf("ordered %+v", o.Insights)
	}
	summary := r.acked("sd-1", contract.Received, func(a contract.Acknowledgement) bool { return len(a.Plan.Insights) > 0 }).Plan.Insights
	if summary[0].ID != o.Insights[0].ID || summary[0].Part != "marketing" {
		t.Errorf("the layer above sees %+v", summary)
	}

	sent := claim(o, 1)
	r.claim(sent)
	got := r.passedOn(1)
	sent.Label = "Predicted 52-week value"
	if d := cmp.Diff(sent, got); d != "" {
		t.Errorf("(-sent +passed on):\n%s", d)
	}
	r.claim(claim(o, 3))
	r.claim(claim(o, 2)) // old
	r.claim(claim(o, 3)) // again
	other := claim(o, 4)
	other.Directive = "od-of-nobody"
	r.claim(other)
	r.claim(claim(o, 5))
	r.passedOn(5)
	for _, m := range r.bus.Messages(contract.TopicInformation) {
		if _, i, err := contract.Decode[contract.Insight](m); err == nil && m.Header("ce_type") == contract.TypeFunctionalInsight && (i.Revision == 2 || i.Revision == 4) {
			t.Errorf("revision %d was passed on", i.Revision)
		}
	}
	var page struct {
		Items []contract.Insight
		Next  string
	}
	r.do("GET", "/insights?goal=goal-of-sd-1", manager, nil, nil, 200, &page)
	if len(page.Items) != 1 || page.Items[0].Revision != 5 || page.Items[0].Label == "" || page.Next != "" {
		t.Errorf("%+v", page)
	}
	r.do("GET", "/insights?goal=another&limit=1", manager, nil, nil, 200, &page)
	if page.Items == nil || len(page.Items) > 0 {
		t.Errorf("%+v", page)
	}
}

func TestInsightsOutliveAWipeAndAreRepeated(t *testing.T) {
	t.Parallel()
	b := bustest.Memory(t, contract.Specs()...)
	r := start(t, b, nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	o := r.ordered("sd-1", "marketing", 0)
	r.claim(claim(o, 1))
	before := r.passedOn(1)
	n := r.passed()
	r.say(contract.TopicFunctionalRequests, contract.TypeStateRequest, "strategic", contract.Strategic, "",
		&contract.StateRequest{Requester: contract.Strategic, Of: contract.Functional, Cause: "gap", At: time.Now()})
	r.eventually(func() bool { return r.passed() > n })
	r.stop()

	r = start(t, b, nil)
	var page struct{ Items []contract.Insight }
	r.eventually(func() bool {
		r.do("GET", "/insights", manager, nil, nil, 200, &page)
		return len(page.Items) == 1
	})
	if d := cmp.Diff(before, page.Items[0]); d != "" {
		t.Errorf("(-before +after):\n%s", d)
	}
	n = r.passed()
	r.say(contract.TopicFunctionalRequests, contract.TypeStateRequest, "strategic", contract.Strategic, "",
		&contract.StateRequest{Requester: contract.Strategic, Of: contract.Functional, Cause: "gap", At: time.Now()})
	r.eventually(func() bool { return r.passed() > n })
}
