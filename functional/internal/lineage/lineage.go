// Package lineage owns what rests on what: a goal on metrics and on what is claimed of them, a metric on parameters, a
// parameter on the method by which it is obtained, a method on the jobs that collect by it, a job on sources. It is drawn
// from directives as they stand, their plans and the answers from below; so it says both what a number comes from and where
// a datum is used. It stores nothing.
package lineage

import (
	"cmp"
	"slices"
	"strings"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
)

// Kind of a node.
type Kind string

// The kinds, from above to below.
const (
	Goal      Kind = "goal"
	Insight   Kind = "insight" // a claim that is ordered and examined, whatever has come of it
	Metric    Kind = "metric"
	Parameter Kind = "parameter"
	Method    Kind = "method"    // where in a collected item a parameter is found: what a source's contract promises
	Collector Kind = "collector" // a job of the operational layer
	Source    Kind = "source"
)

// States of nodes that no job and no directive gives one.
const (
	inUse      = "in_use"
	notInUse   = "not_in_use" // by no plan
	unanswered = "unanswered" // asked for, and the operational layer has not said
)

// ID returns the id of a node.
func ID(k Kind, name string) string { return string(k) + "/" + name }

// Node is one thing that something rests on.
type Node struct {
	ID       string               `json:"id"` // kind/name, such as parameter/order_time
	Kind     Kind                 `json:"kind"`
	Name     string               `json:"name"`
	Label    string               `json:"label,omitempty"`
	State    string               `json:"state"` // of a goal's directive, a job; in_use, not_in_use or unanswered
	Owner    string               `json:"owner,omitempty"`
	Steward  string               `json:"steward,omitempty"`
	DataType contract.DataType    `json:"dataType,omitempty"`
	Coverage *float64             `json:"coverage,omitempty"` // as last answered
	Required *float64             `json:"requiredCoverage,omitempty"`
	Reasons  []contract.Reason    `json:"reasons,omitempty"` // why a goal's directive is as it is
	Under    contract.DirectiveID `json:"directive,omitempty"`
}

// Edge says that something serves something else: from below to above.
type Edge struct {
	From     string           `json:"from"`
	To       string           `json:"to"`
	Required bool             `json:"required"`          // the goal's own metric, or what that needs
	Version  string           `json:"version,omitempty"` // of a metric, as the goal's plan has it
	Purpose  contract.Purpose `json:"purpose,omitempty"` // of a parameter in a plan
}

// Graph is what rests on what. Nodes come from above to below, edges by their ends.
type Graph struct {
	Nodes []Node `json:"nodes"`
	Edges []Edge `json:"edges"`
}

// Library is the definitions in use, for what no plan uses.
type Library interface {
	Metrics() []contract.Definition
	Parameters() []contract.Parameter
}

// builder collects nodes and edges, each once.
type builder struct {
	nodes map[string]Node
	edges map[Edge]bool
}

// Build returns the graph of every directive in force that has a plan, and of the library beside it.
func Build(records []directive.Record, l Library) Graph {
	b := &builder{nodes: map[string]Node{}, edges: map[Edge]bool{}}
	for i := range records {
		if r := &records[i]; r.Strategic != nil && !r.Strategic.Standing.Ended() && r.Plan != nil && (r.Plan.State == plan.Active || r.Plan.State == plan.Drafted) {
			b.record(r)
		}
	}
	for _, d := range l.Metrics() {
		b.metric(d, notInUse)
	}
	for _, p := range l.Parameters() {
		b.parameter(p, notInUse, nil)
	}
	return b.graph()
}

func (b *builder) add(n Node) {
	n.ID = ID(n.Kind, n.Name)
	// Of several directives that use it, the first whose job has been answered tells its state.
	if old, ok := b.nodes[n.ID]; !ok || old.State == unanswered && n.State != notInUse {
		b.nodes[n.ID] = n
	}
}

func (b *builder) edge(e Edge) {
	if e.Required {
		delete(b.edges, Edge{e.From, e.To, false, e.Version, e.Purpose})
	} else if b.edges[Edge{e.From, e.To, true, e.Version, e.Purpose}] {
		return
	}
	b.edges[e] = true
}

func (b *builder) record(r *directive.Record) {
	g := &r.Strategic.Goal
	b.add(Node{
		Kind: Goal, Name: string(g.ID), Label: g.Name, State: string(r.Answer.State), Owner: g.Owner, Reasons: r.Answer.Reasons, Under: r.ID(),
	})
	state, coverage := jobs(r)
	for _, part := range r.Plan.Parts {
		for _, m := range part.Metrics {
			b.metric(m.Definition, cmp.Or(state["compute/"+string(m.Definition.ID)], unanswered))
			b.edge(Edge{From: ID(Metric, string(m.Definition.ID)), To: ID(Goal, string(g.ID)), Required: m.Required, Version: m.Definition.Version})
		}
		for _, c := range part.Collect {
			b.parameter(c.Parameter, cmp.Or(state["collect/"+string(c.Parameter.Name)], unanswered), coverage[c.Parameter.Name])
			b.served(part, c, ID(Goal, string(g.ID)))
		}
	}
	for _, o := range r.Orders {
		b.insights(r, &o)
		b.collectors(r, &o)
	}
}

// insights draws the claims of an order between their metric and the goal.
func (b *builder) insights(r *directive.Record, o *contract.OperationalDirective) {
	if o.Standing.Ended() {
		return
	}
	state := unanswered
	if _, ok := r.Answers[o.ID]; ok {
		state = inUse
	}
	for _, i := range o.Insights {
		if _, computed := b.nodes[ID(Metric, string(i.Metric.ID))]; !computed { // claimed without being measured
			b.metric(i.Metric, state)
		}
		b.add(Node{Kind: Insight, Name: string(i.ID), Label: string(i.Kind), State: state, Owner: i.Metric.Owner, Steward: i.Metric.Steward, Under: o.ID})
		b.edge(Edge{From: ID(Metric, string(i.Metric.ID)), To: ID(Insight, string(i.ID)), Required: true, Version: i.Metric.Version})
		b.edge(Edge{From: ID(Insight, string(i.ID)), To: ID(Goal, string(r.Strategic.Goal.ID))})
	}
}

// jobs returns the state of every job that answers report, by kind and item, and the coverage of parameters.
func jobs(r *directive.Record) (state map[string]string, coverage map[contract.ParameterName]*float64) {
	state, coverage = map[string]string{}, map[contract.ParameterName]*float64{}
	for _, o := range r.Orders {
		for _, j := range r.Answers[o.ID].Jobs {
			if o.Standing.Ended() {
				continue
			}
			state[j.Kind+"/"+j.Item] = j.State
			if j.Kind == "collect" && j.Coverage != nil {
				coverage[contract.ParameterName(j.Item)] = j.Coverage
			}
		}
	}
	return state, coverage
}

func (b *builder) metric(d contract.Definition, state string) {
	b.add(Node{Kind: Metric, Name: string(d.ID), Label: d.Label, State: state, Owner: d.Owner, Steward: d.Steward})
	for _, p := range d.Parameters {
		b.edge(Edge{From: ID(Parameter, string(p)), To: ID(Metric, string(d.ID)), Required: true})
	}
}

func (b *builder) parameter(p contract.Parameter, state string, coverage *float64) {
	n := Node{Kind: Parameter, Name: string(p.Name), State: state, Owner: p.Owner, Steward: p.Steward, DataType: p.DataType, Coverage: coverage}
	if p.Coverage > 0 {
		n.Required = &p.Coverage
	}
	b.add(n)
	method := how(p.Method)
	b.add(Node{Kind: Method, Name: method, Label: p.Method.Kind, State: state, Owner: p.Owner, Steward: p.Steward})
	b.edge(Edge{From: ID(Method, method), To: ID(Parameter, string(p.Name)), Required: true})
}

// served draws the wish for a parameter that no metric of its part needs straight to the goal.
func (b *builder) served(p plan.Part, c contract.Collection, goal string) {
	needed := slices.ContainsFunc(p.Metrics, func(m plan.Metric) bool { return slices.Contains(m.Definition.Parameters, c.Parameter.Name) })
	if !needed {
		b.edge(Edge{From: ID(Parameter, string(c.Parameter.Name)), To: goal, Required: c.Required, Purpose: c.Parameter.Purpose})
	}
}

// how names a method: the call, its event and the property.
func how(m contract.Method) string {
	return strings.Join(slices.DeleteFunc([]string{m.Call, m.Event, m.Property}, func(s string) bool { return s == "" }), ":")
}

func (b *builder) collectors(r *directive.Record, o *contract.OperationalDirective) {
	if o.Standing.Ended() {
		return
	}
	for _, j := range r.Answers[o.ID].Jobs {
		i := slices.IndexFunc(o.Collect, func(c contract.Collection) bool { return string(c.Parameter.Name) == j.Item })
		if j.Kind != "collect" || i < 0 {
			continue
		}
		b.add(Node{Kind: Collector, Name: j.ID, Label: o.Part, State: j.State, Under: o.ID})
		b.edge(Edge{From: ID(Collector, j.ID), To: ID(Method, how(o.Collect[i].Parameter.Method)), Required: o.Collect[i].Required})
		for _, s := range j.Sources {
			b.add(Node{Kind: Source, Name: string(s), State: inUse})
			b.edge(Edge{From: ID(Source, string(s)), To: ID(Collector, j.ID), Required: o.Collect[i].Required})
		}
	}
}

var order = []Kind{Goal, Insight, Metric, Parameter, Method, Collector, Source}

func (b *builder) graph() Graph {
	g := Graph{Nodes: []Node{}, Edges: []Edge{}}
	for _, n := range b.nodes {
		g.Nodes = append(g.Nodes, n)
	}
	for e := range b.edges {
		g.Edges = append(g.Edges, e)
	}
	slices.SortFunc(g.Nodes, func(a, b Node) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind)), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(g.Edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.To, b.To), cmp.Compare(a.From, b.From), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Purpose, b.Purpose))
	})
	return g
}

// Around returns the part of a graph that a node rests on, and that rests on it; false if there is no such node.
func (g Graph) Around(id string) (Graph, bool) {
	if !slices.ContainsFunc(g.Nodes, func(n Node) bool { return n.ID == id }) {
		return Graph{}, false
	}
	above := g.closure(id, func(e Edge) (string, string) { return e.From, e.To })
	below := g.closure(id, func(e Edge) (string, string) { return e.To, e.From })
	part := Graph{Nodes: []Node{}, Edges: []Edge{}}
	for _, n := range g.Nodes {
		if above[n.ID] || below[n.ID] {
			part.Nodes = append(part.Nodes, n)
		}
	}
	for _, e := range g.Edges {
		if above[e.From] && above[e.To] || below[e.From] && below[e.To] {
			part.Edges = append(part.Edges, e)
		}
	}
	return part, true
}

// closure returns every node that is reached from one by edges in a direction, itself included.
func (g Graph) closure(id string, step func(Edge) (from, to string)) map[string]bool {
	reached := map[string]bool{id: true}
	for todo := []string{id}; len(todo) > 0; todo = todo[1:] {
		for _, e := range g.Edges {
			if from, to := step(e); from == todo[0] && !reached[to] {
				reached[to] = true
				todo = append(todo, to)
			}
		}
	}
	return reached
}
