package report

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/wording"
)

// Directive prints a directive with its state and how it was answered.
func Directive(out io.Writer, d client.Directive, goal string) {
	Say(out, "  ", fmt.Sprintf("%s: %s (directive %s)", goal, Plain(d.State), d.ID))
	answer := Answer(d.Answer)
	if d.Answer != nil {
		answer += ", on " + d.Answer.At.UTC().Format(time.DateTime) + " UTC"
	}
	Say(out, "      answer     ", answer)
}

// Answer says how a directive was answered and why; a nil answer is none yet.
func Answer(a *contract.Acknowledgement) string {
	switch {
	case a == nil:
		return "none yet"
	case awaiting(a.Reasons):
		return wording.Reasons(a.Reasons)
	}
	return answered(string(a.State), a.Reasons)
}

func awaiting(rs []contract.Reason) bool {
	return slices.ContainsFunc(rs, func(r contract.Reason) bool { return r.Code == fault.AwaitingApproval })
}

// answered writes a state with its reasons, those that are optional apart.
func answered(state string, reasons []contract.Reason) string {
	var needed, optional []contract.Reason
	for _, r := range reasons {
		if r.Optional {
			optional = append(optional, r)
		} else {
			needed = append(needed, r)
		}
	}
	text := Plain(state)
	if len(needed) > 0 {
		text += ": " + wording.Reasons(needed)
	}
	if len(optional) > 0 {
		text += " (optional, and not there: " + wording.Reasons(optional) + ")"
	}
	return text
}

// Hop says what happened at one step of a directive's trail. The functional layer answers "received" three times: on
// arrival, with the plan it has drafted, and again when that is approved; each is told as what it is.
func Hop(h client.Step, t client.Trail) string {
	switch {
	case h.Subject != t.Directive.ID:
		return part(h.Subject, t.Plan) + answered(h.State, h.Reasons)
	case h.Layer != contract.Functional || h.State != string(contract.Received):
		return answered(h.State, h.Reasons)
	case awaiting(h.Reasons):
		return "plan drafted"
	case h.Decision == nil:
		return "received"
	}
	return "plan approved, as policy allows"
}

// part names the operational directive that a step is about.
func part(id contract.DirectiveID, p *contract.PlanSummary) string {
	if p != nil {
		for _, o := range p.Operational {
			if o.ID == id {
				return "part " + Plain(o.Part) + ": "
			}
		}
	}
	return "a part of an earlier plan: "
}
