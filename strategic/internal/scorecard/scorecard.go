// Package scorecard computes how a goal stands, as of a stated time, and, apart from it, how well that is proven. It is
// pure: a goal, the closed windows measured for it, the answer to its directive and what was frozen earlier go in, and a
// [State] comes out. It owns the rules of section 4 of the blueprint; nothing else in the suite judges a goal.
//
// A status is judged by closed windows only, and as of an instant only by those that had ended by then. The projection is
// shown and never decides anything.
package scorecard

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// Status of a goal.
type Status string

// The statuses.
const (
	NoDataYet     Status = "no_data_yet"
	OnTrack       Status = "on_track"
	AtRisk        Status = "at_risk"
	OffTrack      Status = "off_track"
	Achieved      Status = "achieved"
	Missed        Status = "missed"
	NotMeasurable Status = "not_measurable"
)

// Decided reports whether the status is final.
func (s Status) Decided() bool { return s == Achieved || s == Missed }

// Cause says why a goal is not measurable.
type Cause string

// The causes.
const (
	Coverage  Cause = "coverage"
	LowSample Cause = "low_sample"
	Validity  Cause = "validity"
	Refused   Cause = "refused"
)

// Proof says how well a decided status is proven.
type Proof string

// Proven means that the 95 % interval lies wholly beyond the target and that no verdict on the insight speaks against
// it. NotYet means that there is nothing decided to prove.
const (
	NotYet    Proof = "not_yet"
	Proven    Proof = "proven"
	NotProven Proof = "not_proven"
)

// Position of the 95 % interval towards the target, in the goal's direction.
type Position string

// The positions.
const (
	Beyond Position = "beyond" // wholly at the good side
	Around Position = "around" // the target lies in the interval
	Short  Position = "short"  // wholly at the other side
)

const (
	// minimumN customers decide something; fewer are shown and decide nothing, whatever a directive says.
	minimumN = 30
	// minimumWeeks of history make a model's value a baseline: fits on less fall by ageing alone.
	minimumWeeks = 26
	// onTrackSlack and atRiskSlack are how far progress may lag behind the time elapsed.
	onTrackSlack = 0.05
	atRiskSlack  = 0.20
)

// Baseline is where a goal started from.
type Baseline struct {
	Value       float64                `json:"value"`
	From        contract.Day           `json:"from"` // the day after its end: elapsed time counts from its start
	Window      *contract.Window       `json:"window,omitempty"`
	Measurement contract.MeasurementID `json:"measurement,omitempty"`
	Revision    int64                  `json:"revision,omitempty"` // of the measurement when it was frozen
	N           int64                  `json:"n,omitempty"`
	StdErr      *float64               `json:"stdErr,omitempty"`
}

// Verdict is a decided status. It stays.
type Verdict struct {
	Status      Status                 `json:"status"`
	On          contract.Day           `json:"on"` // last day of the deciding window
	Window      contract.Window        `json:"window"`
	Value       float64                `json:"value"`
	Measurement contract.MeasurementID `json:"measurement"`
	Revision    int64                  `json:"revision"`
	N           int64                  `json:"n,omitempty"`
	Against     Position               `json:"against,omitempty"`
}

// Frozen is what later restatements of the windows do not change.
type Frozen struct {
	Baseline *Baseline `json:"baseline,omitempty"`
	Decided  *Verdict  `json:"decided,omitempty"`
}

// Input is what a state is computed from.
type Input struct {
	Goal        contract.Goal
	Zone        *time.Location
	Constraints contract.Constraints
	Series      []contract.Point // ascending by window start; open windows are ignored
	Changes     []contract.Change
	Trend       *contract.Trend           // by the functional layer, as of the latest closed window; nil for none
	Projection  *contract.Projection      // by the functional layer, as of the latest closed window; nil for none
	Answer      *contract.Acknowledgement // to the goal's directive; nil before there is one
	Ended       bool                      // the directive has ended: its answer no longer says how its goal is provided for
	Insight     *contract.Insight         // on the goal's own metric; nil before there is one
	Ground      *Ground                   // what became of that insight; nil before there is one
	Currency    string
	Frozen      Frozen
	AsOf        time.Time // windows that end later are not seen; zero means all
}

// State is how a goal stands.
type State struct {
	Goal       contract.GoalID      `json:"goal"`
	Status     Status               `json:"status"`
	Cause      Cause                `json:"cause,omitempty"` // of not_measurable
	Reasons    []contract.Reason    `json:"reasons,omitempty"`
	AsOf       *time.Time           `json:"asOf,omitempty"` // end of the latest closed window; none before the first
	Point      *contract.Point      `json:"point,omitempty"`
	Baseline   *Baseline            `json:"baseline,omitempty"`
	Target     *float64             `json:"target,omitempty"` // in the unit; none before the baseline is known
	Progress   *float64             `json:"progress,omitempty"`
	Elapsed    *float64             `json:"elapsed,omitempty"`
	Touched    []contract.Day       `json:"touched,omitempty"` // last days of windows in which a level goal's target was reached before its deadline
	Decided    *Verdict             `json:"decided,omitempty"`
	Restated   bool                 `json:"restated,omitempty"` // the baseline or the deciding window was measured again since it was frozen
	Proof      Proof                `json:"proof"`
	Against    Position             `json:"against,omitempty"` // of the deciding window, else of the latest
	Projection *contract.Projection `json:"projection,omitempty"`
	Change     *contract.Change     `json:"change,omitempty"` // since the window before, by drivers
	Trend      *contract.Trend      `json:"trend,omitempty"`  // over the last windows; none in a look back
	BackTest   bool                 `json:"backTest,omitempty"`
	Unit       contract.Unit        `json:"unit"`
	Currency   string               `json:"currency,omitempty"`
	Degraded   []contract.Reason    `json:"degraded,omitempty"` // what the directive in force lacks of what it requires, with the figures, whatever the status; none in a look back
	Lacks      string               `json:"lacks,omitempty"`    // in words: the same; none where Why says it
	Why        string               `json:"why"`                // in words: the reason for the status, and in a history for its change
	ProofWhy   string               `json:"proofWhy"`           // in words: what the proof rests on or fails by
	Insight    *Resting             `json:"insight,omitempty"`
	ModelLine  string               `json:"modelLine,omitempty"` // in words: the model that the latest value rests on, and how that did on later data
}

// Judge returns how the goal stands as of in.AsOf. The answer to its directive and the insight on it are of now, so that a look
// back is told nothing of either.
func Judge(in Input) State {
	all := walk(in)
	s := all[len(all)-1]
	if in.Answer != nil && in.AsOf.IsZero() {
		s.Degraded = in.degraded()
		s = answered(s, in.Answer)
	}
	if in.AsOf.IsZero() {
		s.Trend = in.Trend
	}
	s.Insight = in.resting()
	s.Why, s.ProofWhy, s.Lacks = why(s), proofWhy(s), lacks(s)
	if s.Point != nil {
		s.ModelLine = wording.Model(s.Point.Model)
	}
	return s
}

// History returns how the goal stood at each closed window, oldest first, each with why it changed since the one before. The
// insight on it is of now: it speaks for or against the newest window's proof alone.
func History(in Input) []State {
	all := walk(in)[1:]
	for i := range all {
		if i == len(all)-1 {
			all[i].Insight = in.resting()
		}
		all[i].ProofWhy = proofWhy(all[i])
		all[i].Insight = nil
		if i == 0 {
			all[i].Why = why(all[i])
			continue
		}
		all[i].Why = whyChanged(all[i-1], all[i])
	}
	return all
}

// degraded returns what the directive in force lacks of what it requires. What is optional stops nothing.
func (in Input) degraded() []contract.Reason {
	if in.Ended || in.Answer.State != contract.Degraded {
		return nil
	}
	var required []contract.Reason
	for _, r := range in.Answer.Reasons {
		if !r.Optional {
			required = append(required, r)
		}
	}
	return required
}

// answered takes account of the answer to the goal's directive, which is of now, not of a window. What is decided stays.
func answered(s State, a *contract.Acknowledgement) State {
	switch {
	case s.Status.Decided():
	case a.State == contract.Refused:
		s.Status, s.Cause, s.Reasons = NotMeasurable, Refused, a.Reasons
	case s.Status == NoDataYet && len(s.Degraded) > 0:
		s.Status, s.Cause, s.Reasons = NotMeasurable, causeOf(s.Degraded[0].Code), s.Degraded
	}
	return s
}
