package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Measurement is the value of a metric for a scope and a window: absolute, revisioned, with its error and quality.
// Money is in minor units, unrounded. A nil value carries the reason.
type Measurement struct {
	ID                MeasurementID `json:"id"`
	Revision          int64         `json:"revision"`
	Directive         DirectiveID   `json:"directive"` // operational
	DirectiveRevision int64         `json:"directiveRevision"`
	Strategic         DirectiveID   `json:"strategic"`
	Goal              GoalID        `json:"goal"`
	Metric            MetricID      `json:"metric"`
	Version           string        `json:"version"` // of the metric, whole
	Scope             *Condition    `json:"scope,omitempty"`
	Grain             Grain         `json:"grain"`
	Window            Window        `json:"window"`
	Closed            bool          `json:"closed"` // every source it needs is complete to the window's end
	AsOf              time.Time     `json:"asOf"`   // the watermark it was computed at
	Value             *float64      `json:"value"`
	Reason            *Reason       `json:"reason,omitempty"`
	Unit              Unit          `json:"unit"`
	Currency          string        `json:"currency,omitempty"`
	N                 int64         `json:"n"`                     // customers (or rows, for counts of rows) it rests on
	Numerator         *float64      `json:"numerator,omitempty"`   // of a ratio
	Denominator       *float64      `json:"denominator,omitempty"` // of a ratio
	StdErr            *float64      `json:"stdErr,omitempty"`
	Low               *float64      `json:"low,omitempty"` // 95 % interval
	High              *float64      `json:"high,omitempty"`
	Median            *float64      `json:"median,omitempty"`
	P90               *float64      `json:"p90,omitempty"`
	Quality           Quality       `json:"quality"`
	Parts             []Part        `json:"parts,omitempty"` // by the metric's dimension; whole or absent
	Model             *ModelFit     `json:"model,omitempty"`
}

// Quality of the data a measurement rests on.
type Quality struct {
	Coverage map[ParameterName]float64 `json:"coverage"`           // share of customers (or facts) that have the parameter
	Suspects map[string]int64          `json:"suspects,omitempty"` // counted oddities, such as zero_amount
}

// Part is one group of a measurement. The parts' n sum to the whole's.
type Part struct {
	Key   string  `json:"key"` // from a closed list, such as newcomers, established
	N     int64   `json:"n"`
	Value float64 `json:"value"`
}

// ModelFit states what a model was fitted on and how.
type ModelFit struct {
	Name          string             `json:"name"`
	Parameters    map[string]float64 `json:"parameters"`
	LogLikelihood float64            `json:"logLikelihood"`
	Customers     int64              `json:"customers"`
	Repeaters     int64              `json:"repeaters"`         // who bought on two days or more; where those who did not are fewer than a group, as if they were one
	Weeks         float64            `json:"weeks"`             // of history
	Version       string             `json:"version,omitempty"` // of the model's own code, major.minor.patch
	State         ModelState         `json:"state,omitempty"`
	HoldOut       *HoldOut           `json:"holdOut,omitempty"` // on data later than those it was fitted on
	Fit           int                `json:"fit,omitempty"`     // 1, 2, … in the model's life; none while no fit has stood a trial
}

// InUse is what a reader of a number must know of the model that it rests on; nil where there is none.
func (m *ModelFit) InUse() *ModelInUse {
	if m == nil {
		return nil
	}
	return &ModelInUse{Name: m.Name, Version: m.Version, Fit: m.Fit, State: m.State, HoldOut: m.HoldOut}
}

// ModelInUse names the model that a number rests on, and says how far it can be trusted.
type ModelInUse struct {
	Name    string     `json:"name"`
	Version string     `json:"version,omitempty"` // of the model's own code, major.minor.patch
	Fit     int        `json:"fit,omitempty"`
	State   ModelState `json:"state,omitempty"`
	HoldOut *HoldOut   `json:"holdOut,omitempty"`
}

// ModelState is where a fitted model is in its life.
type ModelState string

// The states of a model.
const (
	ModelShadow    ModelState = "shadow"    // not yet held against later data; a number of a model without any other fit says so
	ModelActive    ModelState = "active"    // what is published rests on it
	ModelWeakening ModelState = "weakening" // in use, and a verdict weakens
	ModelExpired   ModelState = "expired"   // a verdict fell: no number rests on it, and it is to be refitted
	ModelRetired   ModelState = "retired"   // replaced
)

// HoldOut is what a model said of a time after its data, and what came.
type HoldOut struct {
	Weeks     float64 `json:"weeks"`
	Customers int64   `json:"customers"`
	Predicted float64 `json:"predicted"` // total over customers, in the unit of the model's expectation
	Actual    float64 `json:"actual"`
	MAE       float64 `json:"mae"`              // mean absolute error per customer
	Window    *Window `json:"window,omitempty"` // of what came
	// Bias is predicted against actual, relative: -0.12 is 12 % too few. None where nothing came.
	Bias *float64 `json:"bias,omitempty"`
	// Coverage is the share of customers whose purchases lay in their own 80 % interval: so many or more where the model is
	// right, as purchases come whole. None where it was not counted.
	Coverage *float64 `json:"coverage,omitempty"`
}

// MeasurementIdentity returns the id of the measurement of a metric for a scope and a window: a hash of tenant,
// directive, metric, major version, scope, grain and window start.
func MeasurementIdentity(t TenantID, d DirectiveID, m MetricID, major int, scope *Condition, g Grain, start time.Time) MeasurementID {
	return MeasurementID(hashOf(t, d, m, major, scope, g, start.UTC()))
}

// OperationalIdentity returns the id of the operational directive for a part of the plan of a strategic directive.
func OperationalIdentity(t TenantID, strategic DirectiveID, part string) DirectiveID {
	return DirectiveID("od-" + hashOf(t, strategic, part))
}

// hashOf returns 32 hex digits of SHA-256 over the JSON array of its arguments, which no two different lists share.
func hashOf(args ...any) string {
	b, _ := json.Marshal(args)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// Check implements Payload.
func (m *Measurement) Check() error {
	switch {
	case m.ID == "" || m.Revision <= 0 || m.Directive == "" || m.Metric == "":
		return invalid("measurement", "needs id, revision, directive and metric")
	case !m.Window.End.After(m.Window.Start):
		return invalid("measurement.window", "must end after it starts")
	case (m.Value == nil) == (m.Reason == nil):
		return invalid("measurement.value", "needs either a value or the reason why there is none")
	}
	return nil
}
