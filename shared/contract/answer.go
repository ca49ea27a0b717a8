package contract

import (
	"slices"
	"time"
)

// State of a directive as its receiver answers it.
type State string

// The states of an acknowledgement.
const (
	Received  State = "received"
	Accepted  State = "accepted"
	Refused   State = "refused"
	Executing State = "executing"
	Degraded  State = "degraded"
	Completed State = "completed"
	Expired   State = "expired"
	Withdrawn State = "withdrawn"
)

// Acknowledgement is the answer to one directive, whole, with its history; answers are compared by AckRevision alone.
type Acknowledgement struct {
	Directive         DirectiveID  `json:"directive"`
	DirectiveRevision int64        `json:"directiveRevision"`
	AckRevision       int64        `json:"ackRevision"`
	Layer             Layer        `json:"layer"` // who answers
	State             State        `json:"state"`
	Reasons           []Reason     `json:"reasons,omitempty"`
	At                time.Time    `json:"at"`
	History           []Step       `json:"history"`
	Plan              *PlanSummary `json:"plan,omitempty"` // from the functional layer
	Jobs              []JobSummary `json:"jobs,omitempty"` // from the operational layer
}

// Step is one change of state, with what decided it.
type Step struct {
	State    State     `json:"state"`
	At       time.Time `json:"at"`
	By       string    `json:"by"` // a layer, a role or a policy; never a customer
	Reasons  []Reason  `json:"reasons,omitempty"`
	Decision *Decision `json:"decision,omitempty"`
	Trace    string    `json:"trace,omitempty"` // trace id, 32 hex digits
}

// PlanSummary is the plan as the layer above sees it.
type PlanSummary struct {
	ID          PlanID               `json:"id"`
	Revision    int64                `json:"revision"`
	Playbook    string               `json:"playbook"`
	State       string               `json:"state"`
	Metrics     []MetricUse          `json:"metrics"`
	Parameters  []ParameterUse       `json:"parameters"`
	Missing     []Missing            `json:"missing,omitempty"`
	Customers   int                  `json:"customersNeeded"` // in one window, for the tolerance; 0 where it is not known
	Operational []OperationalSummary `json:"operational"`
	Insights    []InsightUse         `json:"insights,omitempty"` // claims that are made and examined
}

// InsightUse is one claim that a plan asks for.
type InsightUse struct {
	ID        InsightID   `json:"id"`
	Kind      InsightKind `json:"kind"`
	Metric    MetricID    `json:"metric"`
	Tolerance float64     `json:"tolerance"` // a share of the value, or of its unit where absolute
	Absolute  bool        `json:"absolute,omitempty"`
	Part      string      `json:"part"`
}

// MetricUse is one metric of a plan.
type MetricUse struct {
	ID          MetricID `json:"id"`
	Version     string   `json:"version"`
	Label       string   `json:"label"`
	Description string   `json:"description,omitempty"` // what the number is, in a sentence
	Required    bool     `json:"required"`
	Part        string   `json:"part"`
	Owner       string   `json:"owner"`
}

// ParameterUse is one parameter of a plan.
type ParameterUse struct {
	Name     ParameterName `json:"name"`
	DataType DataType      `json:"dataType"`
	Purpose  Purpose       `json:"purpose"`
	Required bool          `json:"required"`
	Part     string        `json:"part"`
	Owner    string        `json:"owner"`
	Steward  string        `json:"steward"`
	Coverage *float64      `json:"coverage,omitempty"`         // as last answered
	Needs    *float64      `json:"requiredCoverage,omitempty"` // 0..1: below it the goal cannot be measured, where the parameter is required
}

// Missing is what a playbook would like and does not get, with the remedy's code (register_source, raise_coverage,
// allow_purpose, define_metric) for a person.
type Missing struct {
	Reason Reason `json:"reason"`
	Remedy string `json:"remedy"`
}

// OperationalSummary is the state of one operational directive.
type OperationalSummary struct {
	ID       DirectiveID  `json:"id"`
	Part     string       `json:"part"`
	Revision int64        `json:"revision"`
	State    State        `json:"state"`
	Reasons  []Reason     `json:"reasons,omitempty"`
	At       time.Time    `json:"at"`
	Decision *Decision    `json:"decision,omitempty"`
	Jobs     []JobSummary `json:"jobs,omitempty"`
	Trace    string       `json:"trace,omitempty"`
}

// JobSummary is one job that carries out an operational directive.
type JobSummary struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"` // collect or compute
	Item     string     `json:"item"` // the parameter or metric
	State    string     `json:"state"`
	Sources  []SourceID `json:"sources,omitempty"`
	Coverage *float64   `json:"coverage,omitempty"`
	Events   *int64     `json:"events,omitempty"`  // facts held that carry a collected parameter; with several that ask, the same ones count for each
	Bytes    *int64     `json:"bytes,omitempty"`   // of those, by the mean size of an event
	Seconds  *float64   `json:"seconds,omitempty"` // that a computing job has taken since its directive was accepted
}

// Check implements Payload.
func (a *Acknowledgement) Check() error {
	switch {
	case a.Directive == "" || a.AckRevision <= 0:
		return invalid("acknowledgement", "needs a directive and a positive ackRevision")
	case !slices.Contains([]State{Received, Accepted, Refused, Executing, Degraded, Completed, Expired, Withdrawn}, a.State):
		return invalid("acknowledgement.state", "is not one of the agreed states")
	case len(a.History) == 0:
		return invalid("acknowledgement.history", "must not be empty")
	}
	return nil
}

// StateRequest asks a layer to publish every current entity again.
type StateRequest struct {
	Requester Layer     `json:"requester"`
	Of        Layer     `json:"of"`
	Cause     string    `json:"cause"` // empty_store or gap
	At        time.Time `json:"at"`
}

// Check implements Payload.
func (r *StateRequest) Check() error {
	if r.Requester == "" || r.Of == "" {
		return invalid("stateRequest", "needs requester and of")
	}
	return nil
}
