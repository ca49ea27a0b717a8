package directive

import (
	"cmp"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// Trail is a directive's whole way down and what came back up, as far as the answers tell.
type Trail struct {
	Directive Directive             `json:"directive"`
	Goal      goal.Goal             `json:"goal"`
	Standing  scorecard.State       `json:"standing"` // how the goal stands
	Plan      *contract.PlanSummary `json:"plan,omitempty"`
	Latest    []Latest              `json:"latest"` // the newest closed window of each metric
	Steps     []Step                `json:"steps"`  // in order of time
}

// Latest is the newest measurement of one metric.
type Latest struct {
	Metric   contract.MetricID `json:"metric"`
	Version  string            `json:"version"`
	Label    string            `json:"label,omitempty"`
	Unit     contract.Unit     `json:"unit"`
	Currency string            `json:"currency,omitempty"`
	Own      bool              `json:"own"` // the goal's own metric
	Point    contract.Point    `json:"point"`
}

// Step is one thing that happened on the trail.
type Step struct {
	At       time.Time            `json:"at"`
	Layer    contract.Layer       `json:"layer"`
	Subject  contract.DirectiveID `json:"subject"` // the strategic directive, or an operational one
	State    string               `json:"state"`
	By       string               `json:"by"`
	Reason   string               `json:"reason,omitempty"`
	Reasons  []contract.Reason    `json:"reasons,omitempty"`
	Decision *contract.Decision   `json:"decision,omitempty"`
	Trace    string               `json:"trace,omitempty"`
}

// TrailOf returns the trail of one of the record's directives; NotFound if it has none of that id.
func (r *Record) TrailOf(id contract.DirectiveID, zone *time.Location) (Trail, error) {
	d, err := r.Directive(id)
	if err != nil {
		return Trail{}, err
	}
	t := Trail{Directive: *d, Goal: r.Goal, Standing: scorecard.Judge(r.Judging(zone, time.Time{})), Latest: r.latest(d)}
	for _, e := range d.History {
		if e.By == string(contract.Functional) {
			continue // the answer's own history tells it
		}
		t.Steps = append(t.Steps, Step{At: e.At, Layer: contract.Strategic, Subject: d.ID, State: e.To, By: e.By, Reason: e.Reason, Decision: e.Decision, Trace: e.Trace})
	}
	if d.Answer != nil {
		t.Plan = d.Answer.Plan
		t.Steps = append(t.Steps, answerSteps(d.Answer)...)
	}
	slices.SortStableFunc(t.Steps, func(a, b Step) int { return a.At.Compare(b.At) })
	return t, nil
}

func answerSteps(a *contract.Acknowledgement) []Step {
	var steps []Step
	for _, h := range a.History {
		steps = append(steps, Step{At: h.At, Layer: contract.Functional, Subject: a.Directive, State: string(h.State), By: h.By, Reasons: h.Reasons, Decision: h.Decision, Trace: h.Trace})
	}
	if a.Plan == nil {
		return steps
	}
	for _, o := range a.Plan.Operational {
		steps = append(steps, Step{At: o.At, Layer: contract.Operational, Subject: o.ID, State: string(o.State), By: string(contract.Operational), Reasons: o.Reasons, Decision: o.Decision, Trace: o.Trace})
	}
	return steps
}

func (r *Record) latest(d *Directive) []Latest {
	i := r.Information
	all := []Latest{}
	if i == nil || i.Strategic != d.ID {
		return all
	}
	for n := len(i.Series) - 1; n >= 0; n-- {
		if i.Series[n].Closed {
			all = append(all, Latest{Metric: i.Metric, Version: i.Version, Label: label(d, i.Metric), Unit: i.Unit, Currency: i.Currency, Own: true, Point: i.Series[n]})
			break
		}
	}
	for _, s := range i.Supporting {
		all = append(all, Latest{Metric: s.Metric, Version: s.Version, Label: cmp.Or(s.Label, label(d, s.Metric)), Unit: s.Unit, Currency: cmp.Or(s.Currency, i.Currency), Point: s.Point})
	}
	return all
}

func label(d *Directive, m contract.MetricID) string {
	if d.Answer == nil || d.Answer.Plan == nil {
		return ""
	}
	for _, u := range d.Answer.Plan.Metrics {
		if u.ID == m {
			return u.Label
		}
	}
	return ""
}
