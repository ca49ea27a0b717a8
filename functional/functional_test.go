package functional

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/strata-crm/strata/functional/internal/definition"
	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/effort"
	"github.com/strata-crm/strata/functional/internal/lineage"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/functional/internal/query"
	"github.com/strata-crm/strata/functional/internal/trial"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/signin"
)

func TestADirectiveGoesDownAndItsAnswersComeUp(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	sent := time.Now()
	r.direct(value("sd-1", 1))
	first := r.acked("sd-1", contract.Received)
	if wait := time.Since(sent); wait > 5*time.Second {
		t.Errorf("received only after %s", wait)
	}
	if first.Plan == nil || first.History[0].Trace != traceOfTest {
		t.Errorf("first answer %+v", first)
	}
	marketing, sales := r.ordered("sd-1", "marketing", 0), r.ordered("sd-1", "sales", 0)
	for _, o := range []contract.OperationalDirective{marketing, sales} {
		if o.Decision.Rule != "functional.plan" || o.Standing != contract.InForce || len(contract.Unsupported(o.Requires)) > 0 {
			t.Errorf("ordered %+v", o.Order)
		}
	}
	if _, m := heard(r, contract.TopicFunctionalDirectives, contract.TypeOperationalDirective, func(contract.OperationalDirective) bool { return true }); !strings.Contains(m.Header("traceparent"), traceOfTest) {
		t.Errorf("the order left the directive's trace: %s", m.Header("traceparent"))
	}

	r.answer(marketing, contract.Accepted)
	r.answer(sales, contract.Accepted, contract.Reason{Code: fault.NoSource, Item: "order_cost", Optional: true})
	a := r.acked("sd-1", contract.Accepted)
	if a.Plan.State != "active" || len(a.Plan.Operational) != 2 || len(a.Plan.Metrics) != 4 || a.Plan.Customers < 30 {
		t.Errorf("plan %+v", a.Plan)
	}
	owners := map[contract.ParameterName]string{}
	for _, p := range a.Plan.Parameters {
		owners[p.Name] = p.Owner + ", " + p.Steward
	}
	if owners["order_time"] != "head of sales, order data steward" || owners["order_cost"] != "head of finance, order data steward" {
		t.Errorf("answered for by %v, want whom governance names for the type of data, unless the parameter names its own", owners)
	}
	if d := cmp.Diff([]contract.Missing{{Reason: contract.Reason{Code: fault.NoSource, Item: "order_cost", Optional: true}, Remedy: "register_source"}}, a.Plan.Missing); d != "" {
		t.Errorf("missing (-want +got):\n%s", d)
	}
	if o := a.Plan.Operational[0]; o.Trace != traceOfTest || o.Decision == nil || o.Decision.ID != "pd-below" || len(o.Jobs) != 1 {
		t.Errorf("the trail below ends: %+v", o)
	}
	r.answer(marketing, contract.Executing)
	r.acked("sd-1", contract.Executing)
	low := contract.Reason{Code: fault.LowCoverage, Item: "order_amount"}
	r.answer(marketing, contract.Degraded, low.Figures(.38, .8))
	if a := r.acked("sd-1", contract.Degraded); len(a.Reasons) != 1 || *a.Reasons[0].Have != .38 || *a.Reasons[0].Need != .8 {
		t.Errorf("degraded for %+v", a.Reasons)
	}
	r.answer(marketing, contract.Executing)
	r.acked("sd-1", contract.Executing, func(a contract.Acknowledgement) bool { return a.History[len(a.History)-2].State == contract.Degraded })

	gone := value("sd-1", 2)
	gone.Standing = contract.WithdrawnEnd
	r.direct(gone)
	if a := r.acked("sd-1", contract.Withdrawn); a.DirectiveRevision != 2 || a.Plan.State != "closed" {
		t.Errorf("withdrawn %+v", a)
	}
	for _, o := range []contract.OperationalDirective{marketing, sales} {
		if end := r.ordered("sd-1", o.Part, o.Revision); end.Standing != contract.WithdrawnEnd {
			t.Errorf("%s is %s", o.Part, end.Standing)
		}
	}
}

// A plan names whom governance named when it was made, until it is revised: neither a message that is old nor the directive's end
// changes it without a revision.
func TestAnOldMessageChangesNobodysPlan(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(changed(governance(1), func(g *contract.GovernanceDirective) { g.Owners = nil }))
	r.direct(value("sd-1", 2))
	r.ordered("sd-1", "marketing", 0)
	r.govern(governance(2))
	r.acked("gd-1", contract.Received, func(a contract.Acknowledgement) bool { return a.DirectiveRevision == 2 })
	r.direct(value("sd-1", 1))
	r.direct(changed(value("sd-1", 3), func(d *contract.StrategicDirective) { d.Standing = contract.WithdrawnEnd }))
	a := r.acked("sd-1", contract.Withdrawn)
	i := slices.IndexFunc(a.Plan.Parameters, func(p contract.ParameterUse) bool { return p.Name == "order_time" })
	if i < 0 || a.Plan.Parameters[i].Owner != "" {
		t.Errorf("the plan was changed: %+v", a.Plan.Parameters)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	for id, c := range map[contract.DirectiveID]struct {
		change func(*contract.StrategicDirective)
		want   contract.Reason
	}{
		"sd-feature": {func(d *contract.StrategicDirective) { d.Requires = []contract.Feature{"teleport"} }, contract.Reason{Code: fault.UnsupportedFeature, Item: "teleport"}},
		"sd-metric":  {func(d *contract.StrategicDirective) { d.Goal.Metric = "happiness" }, contract.Reason{Code: fault.UnknownMetric, Item: "happiness"}},
		"sd-book":    {func(d *contract.StrategicDirective) { d.Goal.Variable = "charm" }, contract.Reason{Code: fault.NoPlaybook, Item: "charm"}},
		"sd-purpose": {func(d *contract.StrategicDirective) { d.Constraints.Purposes = []contract.Purpose{"advertising"} }, contract.Reason{Code: fault.PurposeNotAllowed, Item: "value_analysis"}},
		"sd-policy":  {func(d *contract.StrategicDirective) { d.Constraints.MinimumGroup = 3 }, contract.Reason{Code: fault.PolicyDenied, Item: "functional.plan"}},
		"sd-keep":    {func(d *contract.StrategicDirective) { d.Constraints.RetentionDays = 4000 }, contract.Reason{Code: fault.PolicyDenied, Item: "functional.plan"}},
	} {
		d := value(id, 1)
		c.change(&d)
		r.direct(d)
		a := r.acked(id, contract.Refused)
		if d := cmp.Diff([]contract.Reason{c.want}, a.Reasons); d != "" {
			t.Errorf("%s (-want +got):\n%s", id, d)
		}
	}
	if ms := slices.DeleteFunc(r.bus.Messages(contract.TopicFunctionalDirectives), func(m bus.Message) bool { return m.Header("ce_type") == contract.TypeGovernance }); len(ms) > 0 {
		t.Errorf("%d operational directives went out for what was refused", len(ms))
	}
	r.direct(value("sd-all", 1))
	for _, part := range []string{"marketing", "sales"} {
		r.answer(r.ordered("sd-all", part, 0), contract.Refused, contract.Reason{Code: fault.NoSource, Item: "order_time"})
	}
	if a := r.acked("sd-all", contract.Refused); a.Reasons[0].Code != fault.NoSource || len(a.Plan.Missing) != 1 {
		t.Errorf("all refused: %+v", a)
	}
}

func TestMeasurementsGoUpAsInformation(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	marketing, sales := r.ordered("sd-1", "marketing", 0), r.ordered("sd-1", "sales", 0)
	for i, v := range []float64{1000, 1100, 1200, 1300} {
		r.measure(month(marketing, "predicted_value_52w", time.Month(9+i), v))
	}
	r.measure(month(sales, "revenue_month", time.December, 50000))
	r.answer(marketing, contract.Executing)
	r.answer(sales, contract.Executing, contract.Reason{Code: fault.NoSource, Item: "order_cost", Optional: true})
	i := r.informed("goal-of-sd-1", func(i contract.Information) bool {
		return len(i.Series) == 4 && len(i.Supporting) == 1 && len(i.Proposals) == 1
	})
	if i.Trend == nil || math.Abs(i.Trend.Slope-100) > 1e-9 || i.Trend.Windows != 4 {
		t.Errorf("trend %+v; want 100 a month", i.Trend)
	}
	if p := i.Projection; p == nil || p.At != "1998-06-30" || math.Abs(p.Value-1900) > 1e-6 || p.Low > p.Value || p.High < p.Value {
		t.Errorf("projection %+v; want 1900 six months on", i.Projection)
	}
	if i.Change == nil || math.Abs(i.Change.Total-100) > 1e-9 || len(i.Change.Drivers) != 2 {
		t.Fatalf("change %+v", i.Change)
	}
	var sum float64
	for _, d := range i.Change.Drivers {
		sum += d.Mix + d.Rate
	}
	if math.Abs(sum-i.Change.Total) > 1e-9 {
		t.Errorf("drivers sum to %v of %v", sum, i.Change.Total)
	}
	if i.Currency != "USD" || i.Supporting[0].Label != "Revenue" || i.Proposals[0].Remedy != "register_source" {
		t.Errorf("%+v", i)
	}
	restated := month(marketing, "predicted_value_52w", time.September, 900)
	restated.Revision = 2
	r.measure(restated)
	if again := r.informed("goal-of-sd-1", func(i contract.Information) bool { return *i.Series[0].Value == 900 }); again.Revision <= i.Revision {
		t.Errorf("restated at revision %d after %d", again.Revision, i.Revision)
	}
}

func TestGovernanceIsPassedOnUnchanged(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	g := governance(1)
	r.govern(g)
	passed, m := heard(r, contract.TopicFunctionalDirectives, contract.TypeGovernance, func(contract.GovernanceDirective) bool { return true })
	if d := cmp.Diff(g, passed, cmpopts.EquateEmpty()); d != "" || m.Key != "gd-1" || m.Header("ce_source") != "/strata/functional" {
		t.Errorf("key %s, source %s (-sent +passed on):\n%s", m.Key, m.Header("ce_source"), d)
	}
	r.acked("gd-1", contract.Received)
	now := time.Now()
	r.say(contract.TopicOperationalAcks, contract.TypeOperationalAck, "gd-1", contract.Operational, "gd-1", &contract.Acknowledgement{
		Directive: "gd-1", DirectiveRevision: 1, AckRevision: 1, Layer: contract.Operational, State: contract.Accepted, At: now,
		History: []contract.Step{{State: contract.Accepted, At: now, By: "operational"}},
	})
	r.acked("gd-1", contract.Accepted)
}

// TestADirectiveThatComesBeforeTheRulesWaits has the two arrive in the wrong order, as they may from two partitions.
func TestADirectiveThatComesBeforeTheRulesWaits(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.direct(value("sd-1", 1))
	a := r.acked("sd-1", contract.Received)
	if len(a.Reasons) != 1 || a.Reasons[0].Code != fault.AwaitingApproval {
		t.Errorf("without rules: %+v", a)
	}
	r.govern(governance(1))
	r.ordered("sd-1", "marketing", 0)
}

var manager = []signin.Role{signin.Manager}

func TestAManagerApprovesAndEdits(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), func(c *Config) { c.Approval = "manager" })
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	a := r.acked("sd-1", contract.Received)
	if len(a.Reasons) != 1 || a.Reasons[0].Code != fault.AwaitingApproval || a.Reasons[0].Item != string(a.Plan.ID) {
		t.Fatalf("waits for %+v", a.Reasons)
	}
	path := "/plans/" + string(a.Plan.ID)
	var p plan.Plan
	etag := r.do("GET", path, manager, nil, nil, 200, &p).Get("ETag")
	edit := map[string]any{"parts": p.Parts[:1], "constraints": p.Constraints}
	r.do("PUT", path, manager, edit, nil, 428, nil)
	r.do("PUT", path, manager, edit, map[string]string{"If-Match": `"1"`}, 412, nil)
	edited := r.do("PUT", path, manager, edit, map[string]string{"If-Match": etag}, 200, &p).Get("ETag")
	if len(p.Parts) != 1 || edited == etag {
		t.Errorf("edited to %d parts at %s", len(p.Parts), edited)
	}
	r.do("POST", path+"/approval", manager, nil, nil, 428, nil)
	r.do("POST", path+"/approval", manager, nil, map[string]string{"If-Match": etag}, 412, nil)
	if n := len(r.bus.Messages(contract.TopicFunctionalDirectives)); n != 1 {
		t.Errorf("%d directives went down before the approval; want only governance", n)
	}
	r.do("POST", path+"/approval", manager, nil, map[string]string{"If-Match": edited}, 200, &p)
	o := r.ordered("sd-1", "marketing", 0)
	if p.State != plan.Active || o.Decision.Rule != "functional.plan" || o.Plan != p.ID {
		t.Errorf("plan %s, order %+v", p.State, o.Order)
	}
	wide := map[string]any{"parts": p.Parts, "constraints": changed(p.Constraints, func(c *contract.Constraints) { c.MinimumGroup = 2 })}
	var problem httpx.Problem
	r.do("PUT", path, manager, wide, map[string]string{"If-Match": httpx.ETag(p.Revision)}, 422, &problem)
	if problem.Type != "urn:strata:problem:widens_directive" || len(problem.Errors) != 1 || problem.Errors[0].Pointer != "/constraints/minimumGroup" {
		t.Errorf("problem %+v", problem)
	}
	tight := map[string]any{"parts": p.Parts, "constraints": changed(p.Constraints, func(c *contract.Constraints) { c.MinimumGroup = 25 })}
	r.do("PUT", path, manager, tight, map[string]string{"If-Match": httpx.ETag(p.Revision)}, 200, nil)
	if next := r.ordered("sd-1", "marketing", o.Revision); next.Constraints.MinimumGroup != 25 || next.Decision.ID == o.Decision.ID || next.Decision.ID == "" {
		t.Errorf("issued again as %+v, decided by %+v", next.Constraints, next.Decision)
	}
}

func changed[T any](v T, change func(*T)) T { change(&v); return v }

// TestAWipedDatabaseComesBack edits a plan, loses the database, and starts again on the same topics. The neighbours
// answer the requests for state in the worst order: what belongs to a directive before the directive.
func TestAWipedDatabaseComesBack(t *testing.T) {
	t.Parallel()
	b := bustest.Memory(t, contract.Specs()...)
	r := start(t, b, nil)
	d, g := value("sd-1", 1), governance(1)
	r.govern(g)
	r.acked("gd-1", contract.Received)
	r.direct(d)
	sales := r.ordered("sd-1", "sales", 0)
	var p plan.Plan
	id := r.acked("sd-1", contract.Received, func(a contract.Acknowledgement) bool { return a.Plan.State == "active" }).Plan.ID
	etag := r.do("GET", "/plans/"+string(id), manager, nil, nil, 200, &p).Get("ETag")
	edit := map[string]any{"parts": p.Parts[:1], "constraints": changed(p.Constraints, func(c *contract.Constraints) { c.MinimumGroup = 25 })}
	r.do("PUT", "/plans/"+string(id), manager, edit, map[string]string{"If-Match": etag}, 200, &p)
	if end := r.ordered("sd-1", "sales", sales.Revision); end.Standing != contract.WithdrawnEnd {
		t.Fatalf("sales is %s", end.Standing)
	}
	marketing, _ := heard(r, contract.TopicFunctionalDirectives, contract.TypeOperationalDirective, func(o contract.OperationalDirective) bool {
		return o.Part == "marketing" && o.Constraints.MinimumGroup == 25
	})
	r.answer(marketing, contract.Executing)
	m := month(marketing, "predicted_value_52w", time.September, 1000)
	r.measure(m)
	before := r.informed("goal-of-sd-1", func(contract.Information) bool { return true })
	r.stop()

	n := len(b.Messages(contract.TopicOperationalRequests))
	r = start(t, b, nil)
	heardRequest := func(topic string, n int) { b.Await(t.Context(), t, topic, n) }
	heardRequest(contract.TopicOperationalRequests, n+1)
	r.measure(m)
	r.answer(marketing, contract.Executing)
	heardRequest(contract.TopicStrategicRequests, 2)
	r.direct(d)
	r.govern(g)
	back := r.acked("sd-1", contract.Executing, func(a contract.Acknowledgement) bool {
		var rec directive.Record
		r.do("GET", "/directives/sd-1", manager, nil, nil, 200, &rec)
		return rec.Strategic != nil && rec.Answer.AckRevision == a.AckRevision
	})
	if back.Plan == nil || back.Plan.ID != id || len(back.Plan.Metrics) != len(p.Parts[0].Metrics) {
		t.Errorf("came back with %+v", back.Plan)
	}
	var rec directive.Record
	r.do("GET", "/directives/sd-1", manager, nil, nil, 200, &rec)
	if len(rec.Plan.Parts) != 1 || rec.Plan.Constraints.MinimumGroup != 25 || rec.Plan.State != plan.Active {
		t.Errorf("the manager's edit is lost: %+v", rec.Plan)
	}
	for _, o := range rec.Orders {
		if o.Part == "marketing" && o.Revision != marketing.Revision {
			t.Errorf("the order went from revision %d to %d for nothing", marketing.Revision, o.Revision)
		}
	}
	again := r.informed("goal-of-sd-1", func(i contract.Information) bool { return i.Revision > before.Revision })
	again.Revision = before.Revision
	if diff := cmp.Diff(before, again, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(contract.Information{}, "Proposals")); diff != "" {
		t.Errorf("information (-before +after):\n%s", diff)
	}
	r.direct(value("sd-2", 1)) // and life goes on, under the rules that came back
	r.ordered("sd-2", "marketing", 0)
}

// TestADashboardIsOneCall asks for every kind of tile of one goal, twice.
func TestADashboardIsOneCall(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	marketing := r.ordered("sd-1", "marketing", 0)
	for i, v := range []float64{1000, 1100, 1200, 1300} {
		r.measure(month(marketing, "predicted_value_52w", time.Month(9+i), v))
	}
	r.informed("goal-of-sd-1", func(i contract.Information) bool { return len(i.Series) == 4 })
	ask := query.Request{}
	for _, k := range []query.Kind{query.Latest, query.Series, query.Breakdown, query.Cohorts, query.Movers, query.Compare, "pie"} {
		ask.Tiles = append(ask.Tiles, query.Tile{ID: string(k), Kind: k, Goal: "goal-of-sd-1"})
	}
	var a query.Answer
	tag := r.do("POST", "/query", manager, ask, nil, 200, &a).Get("ETag")
	for i, res := range a.Tiles {
		pie := ask.Tiles[i].Kind == "pie"
		if res.ID != ask.Tiles[i].ID || (res.Problem != nil) != pie || !pie && (len(res.Points) == 0 || res.AsOf == nil || res.Currency != "USD" || res.Label == "") {
			t.Errorf("%s: %+v", ask.Tiles[i].ID, res)
		}
	}
	if c := a.Tiles[4].Change; c == nil || math.Abs(c.Total-100) > 1e-9 {
		t.Errorf("movers %+v", c)
	}
	if again := r.do("POST", "/query", manager, ask, map[string]string{"If-None-Match": `"other", ` + tag}, 304, nil).Get("ETag"); again != tag {
		t.Errorf("unchanged, %s became %s", tag, again)
	}
	restated := month(marketing, "predicted_value_52w", time.September, 900)
	restated.Revision = 2
	r.measure(restated)
	r.informed("goal-of-sd-1", func(i contract.Information) bool { return *i.Series[0].Value == 900 })
	if next := r.do("POST", "/query", manager, ask, map[string]string{"If-None-Match": tag}, 200, nil).Get("ETag"); next == tag {
		t.Error("a restated window changed no tag")
	}
	r.do("POST", "/query", manager, query.Request{Tiles: []query.Tile{}}, nil, 400, nil)
}

// TestWhatAGoalRestsOnAndCosts asks in both directions, and what it takes.
func TestWhatAGoalRestsOnAndCosts(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	marketing := r.ordered("sd-1", "marketing", 0)
	r.answer(marketing, contract.Executing)
	for i := range 3 {
		m := month(marketing, "predicted_value_52w", time.Month(9+i), 1000)
		m.N = int64(1000 * (i + 1))
		r.measure(m)
	}
	r.informed("goal-of-sd-1", func(i contract.Information) bool { return len(i.Series) == 3 })
	has := func(g lineage.Graph, id string) bool {
		return slices.ContainsFunc(g.Nodes, func(n lineage.Node) bool { return n.ID == id })
	}
	var down, up lineage.Graph
	r.eventually(func() bool {
		r.do("GET", "/goals/goal-of-sd-1/lineage", manager, nil, nil, 200, &down)
		return has(down, "source/shop")
	})
	r.do("GET", "/parameters/order_time/lineage", manager, nil, nil, 200, &up)
	if !has(down, "metric/predicted_value_52w") || !has(down, "collector/job-1") || !has(up, "goal/goal-of-sd-1") {
		t.Errorf("down %+v, up %+v", down.Nodes, up.Nodes)
	}
	var cost effort.Cost
	r.do("GET", "/goals/goal-of-sd-1/cost", manager, nil, nil, 200, &cost)
	if len(cost.Jobs) != 1 || cost.Jobs[0].Item != "order_time" || len(cost.Missing) != 2 {
		t.Errorf("cost %+v", cost)
	}
	var rec directive.Record
	r.do("GET", "/directives/sd-1", manager, nil, nil, 200, &rec)
	var o effort.Outlook
	r.do("GET", "/plans/"+string(rec.Plan.ID)+"/outlook", manager, nil, nil, 200, &o)
	if o.When != effort.Expected || o.Have != 3000 || o.Needed != rec.Plan.Customers || o.Expected <= "1997-12-01" {
		t.Errorf("outlook %+v", o)
	}
	var unused items[effort.Unused]
	if r.do("GET", "/proposals/withdrawals", manager, nil, nil, 200, &unused); len(unused.Items) > 0 {
		t.Errorf("proposed an hour after they were asked for: %+v", unused.Items)
	}
}

// drafted returns a draft of a version of average order value that changes history.
func (r *rig) drafted() contract.Definition {
	r.t.Helper()
	var d contract.Definition
	r.do("GET", "/metrics/average_order_value_month", manager, nil, nil, 200, &d)
	d.Version = "2.0.0"
	d.Measures[1].Filter = &contract.Condition{Field: "revenue", Op: contract.Gt, Value: 0.0}
	r.do("POST", "/metrics", nil, d, r.as("mia", signin.Manager), 201, nil)
	return d
}

// TestAMetricIsTriedBesideWhatIsInUse has the operational layer played: it answers the trial and brings its windows.
func TestAMetricIsTriedBesideWhatIsInUse(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	marketing, sales := r.ordered("sd-1", "marketing", 0), r.ordered("sd-1", "sales", 0)
	of := sales
	if !slices.ContainsFunc(sales.Compute, func(c contract.Computation) bool { return c.Metric.ID == "average_order_value_month" }) {
		of = marketing
	}
	d := r.drafted()
	steward := []signin.Role{signin.Steward}
	start := map[string]string{"version": "2.0.0"}
	var p httpx.Problem
	if r.do("POST", "/metrics/average_order_value_month/trial", steward, start, nil, 409, &p); p.Type != "urn:strata:problem:no_data_yet" {
		t.Errorf("tried on nothing: %+v", p)
	}
	own := month(marketing, "predicted_value_52w", time.October, 1000)
	r.measure(own)
	for _, m := range []time.Month{time.October, time.November} {
		r.measure(month(of, d.ID, m, 100))
	}
	var ms items[contract.Measurement]
	r.eventually(func() bool {
		r.do("GET", "/measurements?directive=sd-1&metric=average_order_value_month", manager, nil, nil, 200, &ms)
		return len(ms.Items) == 2
	})
	var report trial.Report
	r.do("POST", "/metrics/average_order_value_month/trial", steward, start, nil, 201, &report)
	if report.State != trial.Waiting || report.Against != "1.0.0" || len(report.Windows) != 2 || report.Directive != "sd-1" {
		t.Errorf("ordered: %+v", report)
	}
	o := r.ordered("sd-1", trial.Part, 0)
	if len(o.Collect) > 0 || len(o.Compute) != 1 || o.Compute[0].Metric.Version != "2.0.0" || o.Decision.Rule != "functional.trial" || o.ID != report.Trial {
		t.Fatalf("trial %+v", o)
	}
	before := r.acked("sd-1", contract.Received, func(a contract.Acknowledgement) bool { return a.Plan.State == "active" })
	r.answer(o, contract.Executing)
	for _, m := range []time.Month{time.October, time.November} {
		x := month(o, d.ID, m, 130)
		x.Version = "2.0.0"
		r.measure(x)
	}
	end := r.ordered("sd-1", trial.Part, o.Revision)
	if end.Standing != contract.WithdrawnEnd {
		t.Errorf("with both series in, the trial is %s", end.Standing)
	}
	r.do("GET", "/metrics/average_order_value_month/trial?version=2.0.0", manager, nil, nil, 200, &report)
	if report.State != trial.Ready || len(report.Windows) != 2 || *report.Windows[0].Difference != 30 || *report.Windows[0].Relative != .3 {
		t.Errorf("both in: %+v", report)
	}
	r.do("GET", "/measurements?directive=sd-1&metric=average_order_value_month", manager, nil, nil, 200, &ms)
	if len(ms.Items) != 2 || *ms.Items[0].Value != 100 {
		t.Errorf("the trial is in the goal's series: %+v", ms.Items)
	}
	var rec directive.Record
	r.do("GET", "/directives/sd-1", manager, nil, nil, 200, &rec)
	if rec.Answer.AckRevision != before.AckRevision || len(rec.Answer.Plan.Operational) != 2 {
		t.Errorf("the trial changed the answer upward: %+v", rec.Answer)
	}
}

// TestATrialEndsWithItsDirective also restores it from the layer's own topics; a tried draft is not certified by that.
func TestATrialEndsWithItsDirective(t *testing.T) {
	t.Parallel()
	b := bustest.Memory(t, contract.Specs()...)
	r := start(t, b, nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	d := value("sd-1", 1)
	r.direct(d)
	marketing := r.ordered("sd-1", "marketing", 0)
	r.measure(month(marketing, "predicted_value_52w", time.October, 1000))
	r.informed("goal-of-sd-1", func(contract.Information) bool { return true })
	r.drafted()
	path := "/metrics/average_order_value_month/trial"
	r.do("POST", path, manager, map[string]string{"version": "2.0.0", "directive": "sd-1"}, nil, 201, nil)
	o := r.ordered("sd-1", trial.Part, 0)
	r.answer(o, contract.Refused, contract.Reason{Code: fault.NoSource, Item: "order_amount"})
	var report trial.Report
	r.eventually(func() bool {
		r.do("GET", path, manager, nil, nil, 200, &report)
		return report.State == trial.Refused && len(report.Reasons) == 1
	})
	r.do("POST", path, manager, map[string]string{"version": "2.0.0", "directive": "sd-1"}, nil, 201, nil)
	again := r.ordered("sd-1", trial.Part, o.Revision)
	r.stop()

	n := len(b.Messages(contract.TopicStrategicRequests))
	r = startOn(t, b, mongotest.Open(t, Indexes()...), nil)
	b.Await(t.Context(), t, contract.TopicStrategicRequests, n+1)
	var vs items[definition.Version]
	r.do("GET", "/metrics/average_order_value_month/versions", manager, nil, nil, 200, &vs)
	if len(vs.Items) != 1 || vs.Items[0].Definition.Version != "1.0.0" {
		t.Errorf("a draft came back as %+v", vs.Items)
	}
	r.govern(governance(1))
	gone := d
	gone.Revision, gone.Standing = 2, contract.WithdrawnEnd
	r.direct(gone)
	if end := r.ordered("sd-1", trial.Part, again.Revision); end.Standing != contract.WithdrawnEnd || end.ID != o.ID {
		t.Errorf("the trial is %s", end.Standing)
	}
}

// TestDefinitionsInPlansOutliveADatabase certifies one, has it in a plan, and loses the database.
func TestDefinitionsInPlansOutliveADatabase(t *testing.T) {
	t.Parallel()
	b := bustest.Memory(t, contract.Specs()...)
	r := start(t, b, nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	d := r.drafted()
	r.moved(d, "review", "sam", signin.Steward, 200, nil)
	r.moved(d, "certification", "max", signin.Manager, 200, nil)
	lost := bigDays("big_days")
	r.do("POST", "/metrics", manager, lost, nil, 201, nil)
	r.direct(value("sd-1", 1))
	has := func(o contract.OperationalDirective) bool {
		return slices.ContainsFunc(o.Compute, func(c contract.Computation) bool { return c.Metric.ID == d.ID && c.Metric.Version == "2.0.0" })
	}
	heard(r, contract.TopicFunctionalDirectives, contract.TypeOperationalDirective, has)
	next := d
	next.Version, next.Label = "2.0.1", "Order value"
	r.do("POST", "/metrics", nil, next, r.as("mia", signin.Manager), 201, nil)
	r.moved(next, "review", "sam", signin.Steward, 200, nil)
	r.moved(next, "certification", "max", signin.Manager, 200, nil)
	var rec directive.Record
	r.do("GET", "/directives/sd-1", manager, nil, nil, 200, &rec)
	if !slices.ContainsFunc(rec.Orders, has) {
		t.Error("an active plan took a newer version by itself")
	}
	path := "/plans/" + string(rec.Plan.ID) + "/revision"
	r.do("POST", path, manager, nil, map[string]string{"If-Match": `"1"`}, 412, nil)
	var revised plan.Plan
	etag := r.do("POST", path, manager, nil, map[string]string{"If-Match": httpx.ETag(rec.Plan.Revision)}, 200, &revised).Get("ETag")
	r.do("POST", path, manager, nil, map[string]string{"If-Match": etag}, 409, nil) // there is nothing newer now
	heard(r, contract.TopicFunctionalDirectives, contract.TypeOperationalDirective, func(o contract.OperationalDirective) bool {
		return slices.ContainsFunc(o.Compute, func(c contract.Computation) bool { return c.Metric.Version == "2.0.1" })
	})
	r.stop()

	n := len(b.Messages(contract.TopicStrategicRequests))
	r = start(t, b, nil)
	b.Await(t.Context(), t, contract.TopicStrategicRequests, n+1)
	var vs items[definition.Version]
	r.do("GET", "/metrics/average_order_value_month/versions", manager, nil, nil, 200, &vs)
	if len(vs.Items) != 3 || vs.Items[0].Definition.Version != "2.0.1" || !vs.Items[0].InUse || vs.Items[0].State != definition.Certified {
		t.Errorf("came back with %+v", vs.Items)
	}
	r.do("GET", "/metrics/big_days/versions", manager, nil, nil, 404, nil) // a draft is in no plan: it comes from a back-up
}

func TestAStateRequestIsAnsweredWithEverything(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.direct(value("sd-1", 1))
	marketing := r.ordered("sd-1", "marketing", 0)
	r.ordered("sd-1", "sales", 0)
	r.measure(month(marketing, "predicted_value_52w", time.September, 1000))
	r.informed("goal-of-sd-1", func(contract.Information) bool { return true })
	acks, downward, info := len(r.bus.Messages(contract.TopicFunctionalAcks)), len(r.bus.Messages(contract.TopicFunctionalDirectives)), len(r.bus.Messages(contract.TopicInformation))
	ask := func(from contract.Layer) {
		r.say(contract.TopicFunctionalRequests, contract.TypeStateRequest, string(from), from, "", &contract.StateRequest{Requester: from, Of: contract.Functional, Cause: "gap", At: time.Now()})
	}
	ask(contract.Operational)
	r.bus.Await(t.Context(), t, contract.TopicFunctionalDirectives, downward+3)
	ask(contract.Strategic)
	r.bus.Await(t.Context(), t, contract.TopicFunctionalAcks, acks+2)
	r.bus.Await(t.Context(), t, contract.TopicInformation, info+1)
}

func TestPoisonIsSetAsideAndTheRestGoesOn(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	must(t, r.bus.Publish(t.Context(), bus.Message{Topic: contract.TopicStrategicDirectives, Key: "sd-1", Value: []byte("not json")}))
	r.direct(value("sd-1", 1)) // the same key, hence the same partition
	r.ordered("sd-1", "marketing", 0)
}

func TestNewSaysWhatIsMissingOrWrong(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), nil)
	deps := r.deps()
	deps.Bus = nil
	if _, err := New(t.Context(), Config{}, deps); err == nil || !strings.Contains(err.Error(), "bus") {
		t.Errorf("%v", err)
	}
	c := Config{Approval: "policy", Library: t.TempDir() + "/nowhere"}
	c.Tenant.ID = "main"
	if _, err := New(t.Context(), c, r.deps()); err == nil || !strings.Contains(err.Error(), "library.folder") {
		t.Errorf("%v", err)
	}
	if err := (Config{Approval: "nobody"}).Validate(); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "plan.approval") {
		t.Errorf("%v", err)
	}
}

// TestARestartGoesOn starts a second service on the database of the first: nothing is asked of the neighbours, and what
// waited is done.
func TestARestartGoesOn(t *testing.T) {
	t.Parallel()
	b, db := bustest.Memory(t, contract.Specs()...), mongotest.Open(t, Indexes()...)
	r := startOn(t, b, db, nil)
	r.govern(governance(1))
	r.acked("gd-1", contract.Received)
	r.stop()
	n := len(b.Messages(contract.TopicStrategicRequests))
	r.direct(value("sd-1", 1))
	r = startOn(t, b, db, nil)
	r.ordered("sd-1", "marketing", 0)
	if got := len(b.Messages(contract.TopicStrategicRequests)); got != n {
		t.Errorf("%d requests after %d", got, n)
	}
}

// TestMetricsTellOfWhatWaits reads what operators watch.
func TestMetricsTellOfWhatWaits(t *testing.T) {
	t.Parallel()
	r := start(t, bustest.Memory(t, contract.Specs()...), func(c *Config) { c.Approval = "manager" })
	r.direct(value("sd-1", 1))
	r.acked("sd-1", contract.Received)
	r.eventually(func() bool {
		text := r.metrics()
		return strings.Contains(text, "\nstrata_directives_unanswered 1\n") && strings.Contains(text, "\nstrata_outbox_age_seconds 0\n")
	})
}
