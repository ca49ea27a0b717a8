package board

import (
	"fmt"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// Ask is the one decision that is asked of somebody about a goal.
type Ask struct {
	Urgency Urgency     `json:"urgency"`
	Role    signin.Role `json:"role,omitempty"` // who decides; none where there is nothing to decide
	Text    string      `json:"text"`
}

// Urgency orders what is asked: the lowest first.
type Urgency int

// The urgencies.
const (
	Blocked Urgency = iota + 1 // nothing goes on until it is decided
	Failing                    // the goal will be missed as things are
	Waiting                    // a step that somebody must take
	Closing                    // the goal is decided
	Nothing                    // nothing to decide
)

// AskOf returns the decision that is asked about a goal as it stands.
func AskOf(r *directive.Record, s scorecard.State) Ask {
	d := r.Current()
	switch {
	case r.Goal.State == goal.Closed:
		return Ask{Nothing, "", "Nothing: the goal is closed."}
	case r.Goal.State == goal.Draft:
		return Ask{Waiting, signin.Executive, "Activate the goal, or change it first: a draft is not pursued."}
	case s.Status.Decided():
		return decided(s)
	case d == nil || d.State.Ended():
		return Ask{Blocked, signin.Executive, "Order it: without a directive in force nothing is collected or measured for it."}
	case !d.State.Sent():
		return preparing(d)
	case d.State == directive.Refused:
		return Ask{Blocked, signin.Executive, refused(d)}
	case waitsForPlan(d):
		return Ask{Waiting, signin.Manager, "Approve the plan: until then nothing is collected."}
	}
	return pursued(r, d, s)
}

func preparing(d *directive.Directive) Ask {
	switch {
	case d.State == directive.Draft:
		return Ask{Waiting, signin.Executive, "Propose the directive, so that it can be approved."}
	case d.State == directive.Proposed && d.Impact == contract.HighImpact:
		return Ask{Waiting, signin.Executive, "Approve the directive: its impact is high, so another executive than " + d.ProposedBy + ", who proposed it, must."}
	case d.State == directive.Proposed:
		return Ask{Waiting, signin.Executive, "Approve the directive."}
	}
	return Ask{Waiting, signin.Executive, "Issue the directive: it is approved and not yet sent."}
}

func waitsForPlan(d *directive.Directive) bool {
	return d.State == directive.Issued && d.Answer != nil && len(d.Answer.Reasons) == 1 && d.Answer.Reasons[0].Code == fault.AwaitingApproval
}

func refused(d *directive.Directive) string {
	if d.Answer == nil {
		return "Ask the functional layer why it refused the directive."
	}
	var fixes []string
	for _, r := range d.Answer.Reasons {
		if f := wording.Fix(r, ""); f != "" {
			fixes = append(fixes, f)
		}
	}
	if len(fixes) == 0 {
		return "Withdraw the directive, or change the goal: it was refused, since " + wording.Reasons(d.Answer.Reasons) + "."
	}
	return "Decide: " + strings.Join(fixes, ", ") + ", then issue the directive again; or withdraw it."
}

// closing is what closing a goal does, beside ending its pursuit: whoever is asked to do it must know.
const closing = " Closing it withdraws its directive: nothing is collected or measured for it any more."

func decided(s scorecard.State) Ask {
	switch {
	case s.Status == scorecard.Missed:
		return Ask{Closing, signin.Executive, "Close the goal, and decide whether to set another on what was learnt: it was missed." + closing}
	case s.Proof == scorecard.Proven:
		return Ask{Closing, signin.Executive, "Close the goal, and set the next if it is to go on: it is achieved, and that is proven." + closing}
	case s.Against == scorecard.Beyond && s.Insight != nil:
		return Ask{Closing, signin.Executive, "Decide whether to rely on it: it is achieved, yet " + unsettled(s.Insight) + ". Measure on, or close it as not proven." + closing}
	}
	return Ask{Closing, signin.Executive, "Decide whether to rely on it: it is achieved, yet chance alone could have done it. Measure on, or close it as not proven." + closing}
}

// unsettled says which of the five questions do not hold.
func unsettled(i *scorecard.Resting) string {
	if fell := wording.With(i.Verdicts, contract.Fails); len(fell) > 0 {
		return wording.Listed(fell) + " failed on the insight that it rests on"
	}
	return "not all five questions on it hold"
}

func pursued(r *directive.Record, d *directive.Directive, s scorecard.State) Ask {
	hint := ""
	if i := r.Information; i != nil && len(i.Proposals) > 0 {
		if f := wording.Fix(i.Proposals[0].Reason, i.Proposals[0].Remedy); f != "" {
			hint = " The layer below proposes to " + f + "."
		}
	}
	switch {
	case s.Status == scorecard.NotMeasurable && s.Cause == scorecard.Validity && s.Insight != nil && s.Insight.Verdicts.Any(contract.Fails):
		return Ask{Blocked, signin.Manager, "Have the metric looked at, and its claim published anew: " + unsettled(s.Insight) + ", and no status may rest on that."}
	case s.Status == scorecard.NotMeasurable && s.Cause == scorecard.LowSample:
		return Ask{Blocked, signin.Executive, "Widen the goal's scope, or wait: too few customers decide nothing."}
	case s.Status == scorecard.NotMeasurable:
		return Ask{Blocked, signin.Manager, "Make it measurable again: " + wording.Reasons(s.Reasons) + "."}
	case s.Status == scorecard.OffTrack:
		return Ask{Failing, signin.Executive, "Decide whether to act differently or to set another goal: as things are it will be missed." + hint}
	case s.Status == scorecard.AtRisk:
		return Ask{Failing, signin.Executive, "Decide whether to act now: progress lags behind the time that has passed." + hint}
	case d.State == directive.Degraded && d.Answer != nil:
		return Ask{Waiting, signin.Steward, fmt.Sprintf("Mend what is missing: %s.", wording.Reasons(d.Answer.Reasons))}
	case s.Insight != nil && s.Insight.Verdicts.Any(contract.Fails):
		return Ask{Waiting, signin.Manager, "Find out what changed, and tell " + r.Goal.Owner + ": " + unsettled(s.Insight) + ", so nothing can be proven on it until it is published anew."}
	case s.Status == scorecard.NoDataYet:
		return Ask{Nothing, "", "Nothing yet: wait for the first window to close after the baseline."}
	}
	return Ask{Nothing, "", "Nothing: it is on track."}
}
