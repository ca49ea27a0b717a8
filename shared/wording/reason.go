package wording

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Reasons says in words why something was refused, degraded or has no value.
func Reasons(rs []contract.Reason) string {
	var parts []string
	for _, r := range rs {
		parts = append(parts, Reason(r))
	}
	if len(parts) == 0 {
		return "no reason was given"
	}
	return strings.Join(parts, "; ")
}

// Reason says one reason in words.
func Reason(r contract.Reason) string {
	text := map[fault.Code]string{
		fault.NoSource: "no source offers %s", fault.LowCoverage: "too few customers have %s", fault.LowSample: "too few customers in the window",
		fault.GroupTooSmall: "the group is too small to be shown", fault.NoData: "no data for %s", fault.ZeroDenominator: "nothing to divide by in %s",
		fault.ModelNotIdentified: "the data cannot carry the model %s yet", fault.Validity: "the value of %s is not valid",
		fault.PolicyDenied: "policy does not allow %s", fault.PurposeNotAllowed: "governance does not allow the purpose of %s",
		fault.UnknownMetric: "nobody has defined the metric %s", fault.UnknownParameter: "nobody has defined the parameter %s",
		fault.UnknownVariable: "the variable %s is unknown", fault.NoPlaybook: "there is no playbook for %s", fault.UnsupportedFeature: "the layer below does not understand %s",
		fault.AwaitingApproval: "the plan waits for a manager's approval", fault.Withdrawn: "it was withdrawn", fault.Superseded: "another took its place",
		fault.InvalidItem: "figures of %s are too large to be examined", fault.Expired: "it expired", fault.WidensDirective: "the plan asks for more than the directive: %s",
		fault.OtherUnit:      "the goal is in another unit than %s, so its target means something else",
		fault.OtherDirection: "the goal wants %s to become worse, as its definition says which way is better",
		fault.NotSMART:       "the goal cannot be reached: %s is a share, between 0 and 1",
	}[r.Code]
	item := Item(r.Item)
	if r.Code == fault.ModelNotIdentified && r.Have != nil {
		text = "too little history for %s"
		if r.Item == contract.RepeatCustomers {
			text, item = "too few customers came again for a model", ""
		}
	}
	switch {
	case text == "":
		text = strings.TrimSpace(strings.ReplaceAll(string(r.Code), "_", " ") + " " + item)
	case strings.Contains(text, "%s") && item == "":
		text = fmt.Sprintf(text, "it")
	case strings.Contains(text, "%s"):
		text = fmt.Sprintf(text, item)
	}
	if r.Have != nil && r.Need != nil {
		text += " (" + have(r) + ")"
	}
	return text
}

// known are the names that the literature knows models by.
var known = map[string]string{
	"bg_nbd_gamma_gamma": "BG/NBD with Gamma-Gamma", "bg_nbd": "BG/NBD", "mbg_nbd": "MBG/NBD", "pareto_nbd": "Pareto/NBD", "bg_bb": "BG/BB",
	"gamma_gamma": "Gamma-Gamma",
}

// Item is the code name of a metric, a parameter or a model in words.
func Item(code string) string {
	if name := known[code]; name != "" {
		return name
	}
	return strings.ReplaceAll(strings.ReplaceAll(code, "month_on_month", "month-on-month"), "_", " ")
}

func have(r contract.Reason) string {
	if r.Code == fault.LowCoverage {
		return Percent(*r.Have) + ", " + Percent(*r.Need) + " required"
	}
	unit, has := "", *r.Have
	if r.Code == fault.ModelNotIdentified && r.Item != contract.RepeatCustomers {
		unit, has = " weeks", math.Floor(has) // never as many as are required
	}
	return Decimal(has, 0, 0) + unit + ", " + Decimal(*r.Need, 0, 0) + " required"
}

// Fix says what would heal a reason, with the remedy that was named for it, if any; empty if nothing simple would.
func Fix(r contract.Reason, remedy string) string {
	item := Item(r.Item)
	if remedy == "" {
		remedy = map[fault.Code]string{
			fault.NoSource: "register_source", fault.UnknownParameter: "register_source", fault.LowCoverage: "raise_coverage",
			fault.PurposeNotAllowed: "allow_purpose", fault.UnknownMetric: "define_metric", fault.NoPlaybook: "add_playbook",
		}[r.Code]
	}
	switch remedy {
	case "":
		return ""
	case "register_source":
		return "have a source registered that offers " + item
	case "raise_coverage":
		return "have " + item + " collected from more customers"
	case "allow_purpose":
		return "allow the purpose of " + item + " in the governance directive"
	case "define_metric":
		return "have the metric " + item + " defined"
	case "add_playbook":
		return "have a playbook written for " + item
	}
	return strings.ReplaceAll(remedy, "_", " ") + " for " + item
}

// Notes says in words what a reader must know of the data. A note of a newer suite that has no words here is left out.
func Notes(notes []contract.Note, zone *time.Location) []string {
	var out []string
	for _, n := range notes {
		if n.Code == contract.ClosedBase {
			first, last := contract.DayOf(n.Window.Start, zone), contract.DayOf(n.Window.End.Add(-1), zone)
			out = append(out, fmt.Sprintf("Every customer was first seen from %s to %s, and nobody new has come since: totals such as revenue fall by "+
				"construction as customers leave, so judge rates, not totals.", Day(first), Day(last)))
		}
	}
	return out
}
