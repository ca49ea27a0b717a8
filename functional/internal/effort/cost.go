package effort

import (
	"cmp"
	"slices"

	"github.com/strata-crm/strata/functional/internal/directive"
	"github.com/strata-crm/strata/shared/contract"
)

// Cost is what is collected and computed for a goal, as the jobs that do it report.
type Cost struct {
	Goal      contract.GoalID      `json:"goal"`
	Directive contract.DirectiveID `json:"directive"`
	Jobs      []JobCost            `json:"jobs"`
	Events    *int64               `json:"events,omitempty"`  // of all jobs that report them; none if none does
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
	lacking := map[string]int{}
	for _, o := range r.Orders {
		if o.Standing.Ended() {
			continue
		}
		for _, j := range r.Answers[o.ID].Jobs {
			c.Jobs = append(c.Jobs, JobCost{
				Part: o.Part, Kind: j.Kind, Item: j.Item, State: j.State, Shared: sharedWith(r, all, j), Events: j.Events, Bytes: j.Bytes, Seconds: j.Seconds,
			})
			c.count(&j, lacking)
		}
	}
	for _, figure := range []string{"events", "bytes", "seconds"} {
		if n := lacking[figure]; n > 0 {
			c.Missing = append(c.Missing, Lacking{figure, n})
		}
	}
	slices.SortFunc(c.Jobs, func(a, b JobCost) int {
		return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Item, b.Item))
	})
	return c
}

// count adds a job's figures. Collecting costs events and their bytes, computing costs seconds.
func (c *Cost) count(j *contract.JobSummary, lacking map[string]int) {
	if j.Kind == "compute" {
		c.Seconds = plus(c.Seconds, j.Seconds, lacking, "seconds")
		return
	}
	c.Events = plus(c.Events, j.Events, lacking, "events")
	c.Bytes = plus(c.Bytes, j.Bytes, lacking, "bytes")
}

func plus[T int64 | float64](sum, v *T, lacking map[string]int, figure string) *T {
	if v == nil {
		lacking[figure]++
		return sum
	}
	total := *v
	if sum != nil {
		total += *sum
	}
	return &total
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
