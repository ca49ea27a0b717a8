package effort

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/sequence"
)

const own contract.MetricID = "repeat_rate"

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func of[T any](v T) *T { return &v }

var completed = contract.Method{Call: "track", Event: "Order Completed"}

func pursued() (*plan.Plan, *contract.StrategicDirective) {
	p := &plan.Plan{
		ID: "p-1", State: plan.Active, Customers: 1000, Constraints: contract.Constraints{Tolerance: .1},
		History: []plan.Change{{Event: plan.Approve, At: noon.AddDate(0, 0, -200)}},
		Parts: []plan.Part{{
			Unit:    "marketing",
			Metrics: []plan.Metric{{Definition: contract.Definition{ID: own, Version: "1.2.0", Parameters: []contract.ParameterName{"order_time"}}, Required: true}},
			Collect: []contract.Collection{
				{Parameter: contract.Parameter{Name: "order_time", DataType: contract.Transactional, Owner: "sales", Steward: "data", Method: completed}, Required: true},
				{Parameter: contract.Parameter{Name: "exit_reason", DataType: contract.Conversed, Owner: "service", Steward: "data", Method: contract.Method{Call: "track", Event: "Exit"}}},
			},
		}},
	}
	return p, &contract.StrategicDirective{
		Order: contract.Order{ID: "sd-1", Standing: contract.InForce, ValidFrom: noon.AddDate(0, 0, -300)}, TimeZone: "UTC",
		Goal: contract.Goal{ID: "g-1", Metric: own},
	}
}

// grown is months with so many customers each.
func grown(ns ...int64) []contract.Measurement {
	var ms []contract.Measurement
	for i, n := range ns {
		start := time.Date(2026, time.Month(1+i), 1, 0, 0, 0, 0, time.UTC)
		ms = append(ms, contract.Measurement{Metric: own, Version: "1.0.0", Closed: true, Revision: 1, N: n, Window: contract.Window{Start: start, End: start.AddDate(0, 1, 0)}})
	}
	return ms
}

func TestWhenThereAreEnoughCustomers(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ms   []contract.Measurement
		when When
		day  contract.Day
	}{
		"nothing yet":         {nil, NotYetKnown, ""},
		"two windows":         {grown(100, 200), NotYetKnown, ""},
		"enough":              {grown(900, 1000), Reached, ""},
		"no more of them":     {grown(500, 500, 500), NotAtRate, ""},
		"fewer and fewer":     {grown(500, 400, 300), NotAtRate, ""},
		"in a thousand years": {grown(500, 500, 500, 500, 500, 501), NotAtRate, ""},
		// 28 of February and 31 of March: 310 further customers in 31 days after 280 in 28 are ten a day; 410 lack.
		"ten a day": {grown(0+1, 281, 591), Expected, "2026-05-11"},
	} {
		p, d := pursued()
		o := Look(p, d, c.ms)
		if o.When != c.when || o.Expected != c.day || o.Needed != 1000 || o.Planned != 1000 {
			t.Errorf("%s: %+v", name, o)
		}
		if (o.When == Expected || o.When == NotAtRate) != (o.Rate != nil) {
			t.Errorf("%s: %s at a rate of %v", name, o.When, o.Rate)
		}
	}
}

func TestTheMeasuredSpreadCorrectsThePlannedOne(t *testing.T) {
	t.Parallel()
	p, d := pursued()
	share := &p.Parts[0].Metrics[0].Definition
	share.Unit = contract.Ratio
	// A share of one half has a spread of 1. An interval read once would be within a tenth from (1.96/0.1)² = 385 customers;
	// publication, which looks at any time and leaves room for half of it, takes ten times as many.
	for n, when := range map[int64]When{400: NotYetKnown, 3_000: NotYetKnown, 5_000: Reached} {
		ms := grown(n)
		ms[0].Value, ms[0].StdErr = of(.5), of(math.Sqrt(.5*.5/float64(n)))
		o := Look(p, d, ms)
		if int64(o.Needed) != sequence.Needed(*o.Spread, .1, true) || o.Planned != 1000 || o.When != when || math.Abs(*o.Spread-1) > 1e-12 || o.Have != n {
			t.Errorf("%d customers: %+v", n, o)
		}
	}
	other := grown(5000)
	other[0].Version = "2.0.0"
	if o := Look(p, d, other); o.When != NotYetKnown || o.Have != 0 {
		t.Errorf("another series was counted: %+v", o)
	}
}

func record() directive.Record {
	p, d := pursued()
	o := contract.OperationalDirective{
		Order: contract.Order{ID: "od-1", Standing: contract.InForce}, Part: "marketing", Collect: append(slices.Clone(p.Parts[0].Collect), contract.Collection{Parameter: contract.Parameter{Name: "customer_id", Method: completed}}),
		Compute: []contract.Computation{{Metric: p.Parts[0].Metrics[0].Definition}},
	}
	return directive.Record{Strategic: d, Plan: p, Orders: []contract.OperationalDirective{o}, Answers: map[contract.DirectiveID]contract.Acknowledgement{
		"od-1": {Jobs: []contract.JobSummary{
			{Kind: "collect", Item: "order_time", State: "running", Events: of(int64(100)), Bytes: of(int64(2000))},
			{Kind: "collect", Item: "customer_id", State: "running"}, // comes with the same events
			{Kind: "collect", Item: "exit_reason", State: "waiting", Events: of(int64(5))},
			{Kind: "compute", Item: string(own), State: "running", Seconds: of(.5)},
		}},
	}}
}

func TestTheCostOfAGoal(t *testing.T) {
	t.Parallel()
	r, other, gone := record(), record(), record()
	other.Strategic.Goal.ID, gone.Strategic.Goal.ID = "g-2", "g-3"
	gone.Strategic.Standing = contract.WithdrawnEnd
	c := Of(&r, []directive.Record{r, other, gone})
	if *c.Events != 105 || *c.Bytes != 2000 || *c.Seconds != .5 || len(c.Jobs) != 4 {
		t.Errorf("%+v", c)
	}
	if d := cmp.Diff([]Lacking{{"bytes", 1}}, c.Missing); d != "" {
		t.Errorf("missing (-want +got):\n%s", d)
	}
	for _, j := range c.Jobs {
		if j.Shared != 1 && j.Item != "customer_id" {
			t.Errorf("%s is shared with %d goals, want the one in force", j.Item, j.Shared)
		}
	}
	r.Answers = nil
	if c := Of(&r, nil); c.Events != nil || len(c.Jobs) != 0 || c.Goal != "g-1" {
		t.Errorf("before any answer: %+v", c)
	}
}

func TestParametersThatNoDecisionUses(t *testing.T) {
	t.Parallel()
	names := func(us []Unused) map[contract.ParameterName]Use {
		m := map[contract.ParameterName]Use{}
		for _, u := range us {
			m[u.Parameter] = u.Last
		}
		return m
	}
	decided := func(by Use, days int, under contract.DirectiveID) []Decided {
		return []Decided{{Directive: under, Metric: own, By: by, At: noon.AddDate(0, 0, -days)}}
	}
	for name, c := range map[string]struct {
		decided []Decided
		want    map[contract.ParameterName]Use
	}{
		"nothing since the approval": {nil, map[contract.ParameterName]Use{"order_time": ByPlan, "exit_reason": ""}},
		"a status lately":            {decided(ByStatus, 89, "sd-1"), map[contract.ParameterName]Use{"exit_reason": ""}},
		"a status long ago":          {decided(ByStatus, 90, "sd-1"), map[contract.ParameterName]Use{"order_time": ByStatus, "exit_reason": ""}},
		"an insight lately":          {decided(ByInsight, 1, "sd-1"), map[contract.ParameterName]Use{"exit_reason": ""}},
		"another's status":           {decided(ByStatus, 1, "sd-9"), map[contract.ParameterName]Use{"order_time": ByPlan, "exit_reason": ""}},
	} {
		got := Withdrawable([]directive.Record{record()}, c.decided, noon)
		if d := cmp.Diff(c.want, names(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	all := Withdrawable([]directive.Record{record()}, nil, noon)
	wish, need := all[0], all[1]
	if wish.Parameter != "exit_reason" || wish.Days != 300 || wish.Required || len(wish.Needed) != 0 || wish.Remedy != "leave_out" || len(wish.Directives) != 1 {
		t.Errorf("a wish: %+v", wish)
	}
	if need.Days != 200 || !need.Required || need.Remedy != "ask_whether_the_goal_is_pursued" || need.LastBy != "sd-1" || len(need.Needed) != 1 {
		t.Errorf("a need: %+v", need)
	}
	for _, change := range []func(*directive.Record){
		func(r *directive.Record) { r.Strategic.Standing = contract.WithdrawnEnd },
		func(r *directive.Record) { r.Plan.State = plan.Drafted },
		func(r *directive.Record) { r.Strategic.ValidFrom, r.Plan.History[0].At = noon, noon },
		func(r *directive.Record) { r.Plan = nil },
	} {
		r := record()
		change(&r)
		if got := Withdrawable([]directive.Record{r}, nil, noon); len(got) != 0 {
			t.Errorf("proposed though it is new or not collected: %+v", got)
		}
	}
}

// TestOnlyPublicationIsAUseOfAnInsight: a claim that is examined day after day keeps nothing from being proposed.
func TestOnlyPublicationIsAUseOfAnInsight(t *testing.T) {
	t.Parallel()
	published := noon.AddDate(0, 0, -120)
	i := contract.Insight{State: contract.InsightPublished, Strategic: "sd-1", Metric: own, Revision: noon.UnixMilli(), PublishedAt: &published, Alarm: true}
	if got, ok := Published(&i); !ok || got != (Decided{"sd-1", own, ByInsight, published}) {
		t.Errorf("%+v, %v", got, ok)
	}
	for name, c := range map[string]contract.Insight{
		"a candidate":     {State: contract.InsightCandidate, PublishedAt: &published},
		"never published": {State: contract.InsightExpired},
	} {
		if got, ok := Published(&c); ok {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestOnlyAChangedStatusIsAUseOfInformation: a goal that is measured month after month, and whose status that does not change, keeps nothing
// from being proposed.
func TestOnlyAChangedStatusIsAUseOfInformation(t *testing.T) {
	t.Parallel()
	start := time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)
	series := func(values ...float64) (s []contract.Point) {
		for n, v := range values {
			w := contract.Window{Start: start.AddDate(0, n, 0), End: start.AddDate(0, n+1, 0)}
			s = append(s, contract.Point{Window: w, Closed: true, Revision: w.End.Add(time.Hour).UnixMilli(), Value: &v})
		}
		return s
	}
	open := func(s []contract.Point) []contract.Point { s[len(s)-1].Closed = false; return s }
	up := contract.Goal{Direction: contract.Up, Deadline: "2025-12-31", Target: contract.Target{Value: of(10.)}, Baseline: contract.Baseline{Value: of(5.)}}
	down, relative := up, up
	down.Direction = contract.Down
	relative.Target, relative.Baseline = contract.Target{Relative: of(.5)}, contract.Baseline{MeasureUntil: "2025-02-28"}
	for name, c := range map[string]struct {
		goal   contract.Goal
		series []contract.Point
		month  int // after which the status changed; 0: never
	}{
		"short of it all the time":  {up, series(4, 5, 6, 7, 8), 1},
		"reached in the third":      {up, series(4, 5, 10, 11, 12), 3},
		"reached and lost":          {up, series(4, 11, 11, 9, 9), 4},
		"below it all the time":     {down, series(4, 5, 6), 1},
		"not closed yet":            {up, open(series(4, 5, 12)), 1},
		"against what was measured": {relative, series(4, 8, 9, 13, 14), 4},
		"decided at its deadline":   {up, series(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), 12},
		"without a value":           {up, nil, 0},
	} {
		info := contract.Information{Strategic: "sd-1", Metric: own, Revision: noon.UnixMilli(), Series: c.series}
		got, ok := Settled(&c.goal, time.UTC, &info)
		want := start.AddDate(0, c.month, 0).Add(time.Hour)
		if ok != (c.month > 0) || ok && got != (Decided{"sd-1", own, ByStatus, want}) {
			t.Errorf("%s: %+v, %v, want %v", name, got, ok, want)
		}
	}
}
