package plan

import (
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Answer is the state and the reasons that the functional layer gives for a directive, from what the operational layer
// answered to the plan's parts. ok is false while an answer is outstanding: the directive then stays received.
// All refused is refused; some refused or degraded is degraded; otherwise executing if any part is, else accepted.
// Optional items that are lacking never change the state: they are what is missing.
func Answer(p *Plan, answers map[contract.DirectiveID]contract.Acknowledgement, ids []contract.DirectiveID) (state contract.State, why []contract.Reason, ok bool) {
	count := map[contract.State]int{}
	for _, id := range ids {
		a, have := answers[id]
		if !have || a.State == contract.Received {
			return contract.Received, nil, false
		}
		count[a.State]++
		for _, r := range a.Reasons {
			if !r.Optional {
				why = append(why, r)
			}
		}
	}
	bad := count[contract.Refused] + count[contract.Degraded]
	switch {
	case count[contract.Refused] == len(ids) || requiredRefused(p, answers, ids):
		return contract.Refused, why, true
	case bad > 0:
		return contract.Degraded, why, true
	case count[contract.Withdrawn] == len(ids):
		return contract.Withdrawn, why, true
	case count[contract.Expired] == len(ids):
		return contract.Expired, why, true
	case count[contract.Completed] == len(ids):
		return contract.Completed, why, true
	case count[contract.Executing] > 0:
		return contract.Executing, why, true
	}
	return contract.Accepted, why, true
}

// requiredRefused reports whether the part that carries the goal's own metric was refused: nothing that the others
// deliver then answers the goal.
func requiredRefused(p *Plan, answers map[contract.DirectiveID]contract.Acknowledgement, ids []contract.DirectiveID) bool {
	for i, part := range p.Parts {
		own := slices.ContainsFunc(part.Metrics, func(m Metric) bool { return m.Required })
		if own && i < len(ids) && answers[ids[i]].State == contract.Refused {
			return true
		}
	}
	return false
}

// remedies says what would fix a lack.
var remedies = map[fault.Code]string{
	fault.NoSource:          "register_source",
	fault.LowCoverage:       "raise_coverage",
	fault.PurposeNotAllowed: "allow_purpose",
	fault.UnknownMetric:     "define_metric",
	fault.UnknownParameter:  "define_parameter",
	fault.LowSample:         "wait_for_customers",
	fault.PolicyDenied:      "ask_governance",
}

// Lacking returns what the parts' answers say is missing, required or not, each with its remedy, without repetition.
func Lacking(answers map[contract.DirectiveID]contract.Acknowledgement, ids []contract.DirectiveID) []contract.Missing {
	var missing []contract.Missing
	seen := map[string]bool{}
	for _, id := range ids {
		for _, r := range answers[id].Reasons {
			key := string(r.Code) + "|" + r.Item
			if remedy := remedies[r.Code]; remedy != "" && !seen[key] {
				seen[key] = true
				missing = append(missing, contract.Missing{Reason: r, Remedy: remedy})
			}
		}
	}
	return missing
}
