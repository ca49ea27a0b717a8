// Package job owns what the operational layer plans for itself to carry out a directive: one job for each parameter to
// collect and each metric to compute, with the sources that serve it and how far it has come. Jobs start when their
// directive is accepted and stop when it ends. They tell; what is taken in and computed goes by the directives in force
// themselves (package directive), so that no job can be left running.
package job

import (
	"github.com/strata-crm/strata/shared/contract"
)

// Kind of a job.
type Kind string

// The kinds.
const (
	Collect Kind = "collect"
	Compute Kind = "compute"
)

// State of a job.
type State string

// The states.
const (
	Running State = "running"
	Waiting State = "waiting" // nobody offers what it needs, and it may be done without
	Stopped State = "stopped"
)

// Job is one piece of work for one directive.
type Job struct {
	ID       string              `json:"id"`
	Kind     Kind                `json:"kind"`
	Item     string              `json:"item"` // the parameter or the metric
	State    State               `json:"state"`
	Required bool                `json:"required"`
	Sources  []contract.SourceID `json:"sources,omitempty"`
	Coverage *float64            `json:"coverage,omitempty"` // of a parameter, 0..1; nil while too few customers are known
	Seconds  float64             `json:"seconds,omitempty"`  // that computing a metric has taken, as far as it was written down
	Held     *Held               `json:"held,omitempty"`     // of a parameter whose facts are counted; nil while there are none
}

// Held is what a parameter costs to keep: the facts that carry it, and their size as collected, by the mean size of some.
// What several directives ask for is held once, and told to each.
type Held struct {
	Events int64 `json:"events"`
	Bytes  int64 `json:"bytes"`
}

// Grown reports whether h is news after what was told: it differs by a tenth or more. Costs change with every event, and an
// answer for each would tell nobody anything.
func (h *Held) Grown(told *Held) bool {
	if h == nil || told == nil {
		return h != nil && h.Events > 0
	}
	return 10*max(h.Events-told.Events, told.Events-h.Events) >= max(told.Events, 1)
}

// Offers tells who offers a parameter.
type Offers func(contract.ParameterName) []contract.SourceID

// Plan returns the jobs of a directive: what has a source runs, what has none waits.
func Plan(d *contract.OperationalDirective, offers Offers) []Job {
	var jobs []Job
	for _, c := range d.Collect {
		j := Job{ID: id(d.ID, Collect, string(c.Parameter.Name)), Kind: Collect, Item: string(c.Parameter.Name), Required: c.Required}
		j.Sources = offers(c.Parameter.Name)
		j.State = state(len(j.Sources) > 0)
		jobs = append(jobs, j)
	}
	for _, c := range d.Compute {
		j := Job{ID: id(d.ID, Compute, string(c.Metric.ID)), Kind: Compute, Item: string(c.Metric.ID), Required: c.Required}
		j.State = state(len(Lacking(&c.Metric, offers)) == 0)
		jobs = append(jobs, j)
	}
	return jobs
}

// Lacking returns the parameters of a metric that nobody offers.
func Lacking(d *contract.Definition, offers Offers) []contract.ParameterName {
	var lack []contract.ParameterName
	for _, p := range d.Parameters {
		if len(offers(p)) == 0 {
			lack = append(lack, p)
		}
	}
	return lack
}

func state(served bool) State {
	if served {
		return Running
	}
	return Waiting
}

func id(d contract.DirectiveID, k Kind, item string) string {
	return string(d) + "/" + string(k) + "/" + item
}

// Summary returns the job as the layer above sees it.
func (j *Job) Summary() contract.JobSummary {
	s := contract.JobSummary{
		ID: j.ID, Kind: string(j.Kind), Item: j.Item, State: string(j.State), Sources: j.Sources, Coverage: j.Coverage,
	}
	if h := j.Held; h != nil {
		s.Events, s.Bytes = &h.Events, &h.Bytes
	}
	if j.Kind == Compute && j.Seconds > 0 {
		s.Seconds = &j.Seconds
	}
	return s
}
