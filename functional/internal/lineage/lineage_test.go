package lineage

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
)

func of[T any](v T) *T { return &v }

func parameter(name contract.ParameterName, property string) contract.Parameter {
	return contract.Parameter{
		Name: name, DataType: contract.Transactional, Coverage: .8, Owner: "head of sales", Steward: "data steward",
		Method: contract.Method{Kind: "event_api", Call: "track", Event: "Order Completed", Property: property},
	}
}

// shelf has what the plans use, and a metric that none does.
type shelf struct{}

func (shelf) Metrics() []contract.Definition {
	return []contract.Definition{
		{ID: "repeat_rate", Version: "1.0.0", Owner: "marketing", Parameters: []contract.ParameterName{"order_time"}},
		{ID: "revenue_month", Version: "1.0.0", Owner: "sales", Parameters: []contract.ParameterName{"order_time", "order_amount"}},
		{ID: "idle", Version: "1.0.0", Owner: "nobody", Parameters: []contract.ParameterName{"hat_size"}},
	}
}

func (shelf) Parameters() []contract.Parameter {
	return []contract.Parameter{parameter("order_time", "timestamp"), parameter("order_amount", "total"), parameter("hat_size", "hat")}
}

func record(id contract.DirectiveID, metric contract.MetricID, answered bool, collect ...contract.Parameter) directive.Record {
	def := shelf{}.Metrics()[slices.IndexFunc(shelf{}.Metrics(), func(d contract.Definition) bool { return d.ID == metric })]
	def.Version = "1.4.0" // pinned
	part := plan.Part{Unit: "marketing", Metrics: []plan.Metric{{Definition: def, Required: true}}}
	o := contract.OperationalDirective{Order: contract.Order{ID: "od-of-" + id, Standing: contract.InForce}, Part: "marketing"}
	a := contract.Acknowledgement{Jobs: []contract.JobSummary{{ID: string(id) + "/compute", Kind: "compute", Item: string(metric), State: "running"}}}
	for _, p := range collect {
		c := contract.Collection{Parameter: p, Required: slices.Contains(def.Parameters, p.Name)}
		part.Collect, o.Collect = append(part.Collect, c), append(o.Collect, c)
		a.Jobs = append(a.Jobs, contract.JobSummary{
			ID: string(id) + "/collect/" + string(p.Name), Kind: "collect", Item: string(p.Name), State: "running", Sources: []contract.SourceID{"shop"}, Coverage: of(.97),
		})
	}
	r := directive.Record{
		Strategic: &contract.StrategicDirective{Order: contract.Order{ID: id, Standing: contract.InForce}, Goal: contract.Goal{ID: "g-of-" + contract.GoalID(id), Name: "Goal", Metric: metric, Owner: "head of marketing"}},
		Plan:      &plan.Plan{State: plan.Active, Parts: []plan.Part{part}}, Orders: []contract.OperationalDirective{o},
		Answer: contract.Acknowledgement{State: contract.Executing},
	}
	if answered {
		r.Answers = map[contract.DirectiveID]contract.Acknowledgement{o.ID: a}
	}
	return r
}

func graph() Graph {
	ended := record("sd-3", "repeat_rate", true, parameter("order_time", "timestamp"))
	ended.Strategic.Standing = contract.WithdrawnEnd
	return Build([]directive.Record{
		record("sd-1", "repeat_rate", false, parameter("order_time", "timestamp")),
		record("sd-2", "revenue_month", true, parameter("order_time", "timestamp"), parameter("order_amount", "total"), parameter("hat_size", "hat")),
		ended,
	}, shelf{})
}

func ids(g Graph) []string {
	var out []string
	for _, n := range g.Nodes {
		out = append(out, n.ID)
	}
	return out
}

func around(t *testing.T, k Kind, name string) Graph {
	t.Helper()
	g, ok := graph().Around(ID(k, name))
	if !ok {
		t.Fatalf("no %s %s", k, name)
	}
	for _, e := range g.Edges {
		if !slices.Contains(ids(g), e.From) || !slices.Contains(ids(g), e.To) {
			t.Errorf("an edge from %s to %s leads out of the graph", e.From, e.To)
		}
	}
	return g
}

func TestAMetricFromItsGoalsDownToTheSources(t *testing.T) {
	t.Parallel()
	g := around(t, Metric, "revenue_month")
	want := []string{
		"goal/g-of-sd-2", "metric/revenue_month", "parameter/order_amount", "parameter/order_time",
		"method/track:Order Completed:timestamp", "method/track:Order Completed:total",
		"collector/sd-2/collect/order_amount", "collector/sd-2/collect/order_time", "source/shop",
	}
	if d := cmp.Diff(want, ids(g)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if e := g.Edges[slices.IndexFunc(g.Edges, func(e Edge) bool { return e.To == "goal/g-of-sd-2" })]; e.Version != "1.4.0" || !e.Required {
		t.Errorf("the goal's edge %+v; want the pinned version", e)
	}
	for _, n := range g.Nodes {
		switch n.Kind {
		case Goal:
			if n.State != "executing" || n.Owner != "head of marketing" || n.Under != "sd-2" {
				t.Errorf("%+v", n)
			}
		case Parameter:
			if n.State != "running" || *n.Coverage != .97 || *n.Required != .8 || n.Owner == "" || n.Steward == "" {
				t.Errorf("%+v", n)
			}
		case Collector:
			if n.State != "running" || n.Under != "od-of-sd-2" {
				t.Errorf("%+v", n)
			}
		}
	}
}

func TestWhichGoalsRestOnAParameter(t *testing.T) {
	t.Parallel()
	has := func(g Graph, id string) bool { return slices.Contains(ids(g), id) }
	g := around(t, Parameter, "order_time")
	for _, id := range []string{"goal/g-of-sd-1", "goal/g-of-sd-2", "metric/repeat_rate", "metric/revenue_month", "source/shop"} {
		if !has(g, id) {
			t.Errorf("%s is missing from %v", id, ids(g))
		}
	}
	if has(g, "parameter/order_amount") || has(g, "goal/g-of-sd-3") {
		t.Errorf("beside it, or over: %v", ids(g))
	}
	wish := around(t, Parameter, "hat_size") // no metric of the plan needs it
	if !has(wish, "goal/g-of-sd-2") || !has(wish, "metric/idle") {
		t.Errorf("a wish: %v", ids(wish))
	}
	for _, e := range wish.Edges {
		if e.To == "goal/g-of-sd-2" && e.Required {
			t.Errorf("a wish is required: %+v", e)
		}
	}
}

func TestWhatNoPlanUses(t *testing.T) {
	t.Parallel()
	g := around(t, Metric, "idle")
	if g.Nodes[0].State != notInUse || len(ids(g)) < 3 || strings.HasPrefix(g.Nodes[0].ID, "goal/") {
		t.Errorf("%+v", g.Nodes)
	}
	if _, ok := graph().Around("metric/none"); ok {
		t.Error("a metric that nobody defined")
	}
}

// TestAnAnsweredStateCounts has the first directive unanswered and a later one that runs.
func TestAnAnsweredStateCounts(t *testing.T) {
	t.Parallel()
	for _, n := range graph().Nodes {
		want := map[string]string{"parameter/order_time": "running", "metric/repeat_rate": unanswered}[n.ID]
		if want != "" && n.State != want {
			t.Errorf("%s is %s, want %s", n.ID, n.State, want)
		}
	}
}

// TestAClaimIsBetweenItsMetricAndTheGoal has one claim of a metric that is computed, one of a metric that is not, and one of an
// order that has ended.
func TestAClaimIsBetweenItsMetricAndTheGoal(t *testing.T) {
	t.Parallel()
	r := record("sd-1", "repeat_rate", true, parameter("order_time", "timestamp"))
	claim := func(id contract.InsightID, metric contract.MetricID) contract.InsightOrder {
		return contract.InsightOrder{ID: id, Kind: contract.LevelInsight, Metric: contract.Definition{ID: metric, Version: "1.4.0", Owner: "marketing", Parameters: []contract.ParameterName{"order_time"}}}
	}
	r.Orders[0].Insights = []contract.InsightOrder{claim("in-1", "repeat_rate"), claim("in-2", "median_orders")}
	ended := contract.OperationalDirective{Order: contract.Order{ID: "od-before", Standing: contract.WithdrawnEnd}, Insights: []contract.InsightOrder{claim("in-0", "repeat_rate")}}
	r.Orders = append(r.Orders, ended)
	g, ok := Build([]directive.Record{r}, shelf{}).Around(ID(Parameter, "order_time"))
	for _, want := range []Edge{
		{From: "metric/repeat_rate", To: "insight/in-1", Required: true, Version: "1.4.0"}, {From: "insight/in-1", To: "goal/g-of-sd-1"},
		{From: "metric/median_orders", To: "insight/in-2", Required: true, Version: "1.4.0"}, {From: "parameter/order_time", To: "metric/median_orders", Required: true},
	} {
		if !slices.Contains(g.Edges, want) {
			t.Errorf("no edge %+v", want)
		}
	}
	if !ok || slices.Contains(ids(g), "insight/in-0") {
		t.Errorf("what has ended is in %v", ids(g))
	}
	for _, n := range g.Nodes {
		switch n.ID {
		case "insight/in-1":
			if n.State != inUse || n.Label != "level" || n.Owner != "marketing" || n.Under != "od-of-sd-1" {
				t.Errorf("%+v", n)
			}
		case "metric/repeat_rate":
			if n.State != "running" {
				t.Errorf("the claim changed the state of its metric: %+v", n)
			}
		}
	}
}
