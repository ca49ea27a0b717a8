package effort

import (
	"cmp"
	"slices"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/shared/contract"
)

// Cost is what is collected and computed for a goal, as the jobs that do it report. One event carries several parameters,
// and several parts of a plan may ask for it: in the sums it counts once. Of each kind of event the most that any parameter
// of it tells is taken.
type Cost struct {
	Goal      contract.GoalID      `json:"goal"`
	Directive contract.DirectiveID `json:"directive"`
	Jobs      []JobCost            `json:"jobs"`
	Events    *int64               `json:"events,omitempty"`  // over all kinds of events; none if no job reports any
	Bytes     *int64               `json:"bytes,omitempty"`   // likewise
	Seconds   *float64             `json:"seconds,omitempty"` // of computing, likewise
	Missing   []Lacking            `json:"missing"`           // what some job does not report, so that the sum is too small
}

// JobCost is one job's part.
type JobCost struct {
	Part    string   `json:"part"`
	Kind    string   `json:"kind"` // collect or compute
	Item    string   `json:"item"` // the parameter or metric
	State   string   `json:"state"`
	Shared  int      `json:"sharedWith"` // other goals whose directives in force ask for the same item
	Events  *int64   `json:"events,omitempty"`
	Bytes   *int64   `json:"bytes,omitempty"`
	Seconds *float64 `json:"seconds,omitempty"`
}

// Lacking is a figure that jobs do not report.
type Lacking struct {
	Figure string `json:"figure"` // events, bytes or seconds
	Jobs   int    `json:"jobs"`   // how many do not report it
}

// Of returns the cost of the goal that a record pursues. all are the records in which the same items may be asked for.
func Of(r *directive.Record, all []directive.Record) Cost {
	c := Cost{Goal: r.Strategic.Goal.ID, Directive: r.ID(), Jobs: []JobCost{}, Missing: []Lacking{}}
	t := tally{kinds: map[string]*held{}}
	for _, o := range r.Orders {
		if o.Standing.Ended() {
			continue
		}
		for _, j := range r.Answers[o.ID].Jobs {
			c.Jobs = append(c.Jobs, JobCost{
				Part: o.Part, Kind: j.Kind, Item: j.Item, State: j.State, Shared: sharedWith(r, all, j), Events: j.Events, Bytes: j.Bytes, Seconds: j.Seconds,
			})
			t.count(&o, &j)
		}
	}
	t.sum(&c)
	slices.SortFunc(c.Jobs, func(a, b JobCost) int {
		return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Item, b.Item))
	})
	return c
}

// tally adds up what jobs report.
type tally struct {
	kinds   map[string]*held // by call and event
	seconds *float64
	silent  int // computing jobs that report no time
}

// held is the most that any parameter of a kind of event reports, and how many of them report nothing.
type held struct {
	events, bytes *int64
	jobs          int
}

func (t *tally) count(o *contract.OperationalDirective, j *contract.JobSummary) {
	if j.Kind == "compute" {
		if j.Seconds == nil {
			t.silent++
			return
		}
		sum := *j.Seconds
		if t.seconds != nil {
			sum += *t.seconds
		}
		t.seconds = &sum
		return
	}
	kind := kindOf(o, j.Item)
	h := t.kinds[kind]
	if h == nil {
		h = &held{}
		t.kinds[kind] = h
	}
	h.jobs++
	h.events, h.bytes = most(h.events, j.Events), most(h.bytes, j.Bytes)
}

// kindOf returns the call and the event by which a parameter is collected; its own name where the order does not say.
func kindOf(o *contract.OperationalDirective, item string) string {
	for _, c := range o.Collect {
		if string(c.Parameter.Name) == item {
			return c.Parameter.Method.Call + " " + c.Parameter.Method.Event
		}
	}
	return item
}

func most(a, b *int64) *int64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}

// sum writes the sums, and how many jobs belong to a kind of event of which nothing is reported.
func (t *tally) sum(c *Cost) {
	events, bytes := 0, 0
	for _, h := range t.kinds {
		c.Events, events = plus(c.Events, h.events, h.jobs, events)
		c.Bytes, bytes = plus(c.Bytes, h.bytes, h.jobs, bytes)
	}
	c.Seconds = t.seconds
	for _, l := range []Lacking{{"events", events}, {"bytes", bytes}, {"seconds", t.silent}} {
		if l.Jobs > 0 {
			c.Missing = append(c.Missing, l)
		}
	}
}

func plus(sum, v *int64, jobs, lacking int) (*int64, int) {
	if v == nil {
		return sum, lacking + jobs
	}
	total := *v
	if sum != nil {
		total += *sum
	}
	return &total, lacking
}

// sharedWith returns how many other goals ask for a job's item, in force.
func sharedWith(r *directive.Record, all []directive.Record, j contract.JobSummary) int {
	goals := map[contract.GoalID]bool{}
	for i := range all {
		o := &all[i]
		if o.Strategic == nil || o.Strategic.Standing.Ended() || o.Strategic.Goal.ID == r.Strategic.Goal.ID {
			continue
		}
		if asks(o, j.Kind, j.Item) {
			goals[o.Strategic.Goal.ID] = true
		}
	}
	return len(goals)
}

func asks(r *directive.Record, kind, item string) bool {
	return slices.ContainsFunc(r.Orders, func(o contract.OperationalDirective) bool {
		if o.Standing.Ended() {
			return false
		}
		if kind == "compute" {
			return slices.ContainsFunc(o.Compute, func(c contract.Computation) bool { return string(c.Metric.ID) == item })
		}
		return slices.ContainsFunc(o.Collect, func(c contract.Collection) bool { return string(c.Parameter.Name) == item })
	})
}
