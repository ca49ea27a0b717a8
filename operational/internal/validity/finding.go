package validity

import (
	"math"

	"github.com/strata-crm/strata/shared/contract"
)

const (
	oneSided95  = 1.645             // standard errors
	twoSided99  = 2.58              // standard errors: how far the baseline's own error widens a band
	logWeaken   = 2.302585092994046 // ln 10: evidence that is no proof yet
	leastWhole  = .99               // of a window's facts, by the lateness curve, before it is judged
	leastTail   = 20                // customers
	topShare    = .01               // of contributors: whose loss is asked about
	tailLimit   = .15               // by which the value may fall without them
	spreadLimit = math.Ln2          // of the log of the ratio of variances: a factor of 2
	slopeOver   = 6                 // windows
)

// Reason says what a verdict other than "holds" rests on. A [Withheld] is a reason for not enough data.
type Reason string

// The reasons beside those of [Withheld].
const (
	Beyond        Reason = "beyond_tolerance"   // fails: the effect lies beyond the band
	Astride       Reason = "not_yet_inside"     // weakening: the interval is not inside the band
	Suspicion     Reason = "evidence_mounts"    // weakening: evidence of 10 or more, proof is 100
	Newcomers     Reason = "newcomers_may_move" // weakening: today's value is exact, newcomers may move it by the margin
	NoWindow      Reason = "no_complete_window" // not enough data: no window closed since publication
	OneFormat     Reason = "one_format"         // not enough data: nothing is left without the only format
	Unparsed      Reason = "unparsed_facts"     // weakening: facts that could not be read may hide a difference
	Contradiction Reason = "format_contradicts" // weakening: a format says something else but weighs little
	Tips          Reason = "decision_tips"      // weakening: without a format the value would lie on the other side of the target
	Segment       Reason = "segment_disagrees"  // weakening: customers of one time differ, where there is only one format and source
	Unverified    Reason = "unverified_sources" // weakening: were they wrong as far as is plausible, the value would move too far
)

// Finding is one answer to one of the five questions, before a publication latches it; see [Standing].
type Finding struct {
	Verdict contract.Verdict `json:"verdict"`
	Reason  Reason           `json:"reason,omitempty"`
	Effect  float64          `json:"effect"`            // how far the value moved, in Band's unit
	Margin  float64          `json:"margin"`            // half-width around Effect at 5 % (one-sided for closed windows)
	Band    float64          `json:"band"`              // the tolerance
	LogE    float64          `json:"logE"`              // natural log of the evidence against "Effect lies in the band"
	Windows int              `json:"windows,omitempty"` // of closed windows: how many there were by then; where it fails, by the one that proved it
	Arrived *float64         `json:"arrived,omitempty"` // of a later window, which has ended: the share of its facts that has come, too few to judge it
	Hidden  bool             `json:"hidden,omitempty"`  // the numbers rest on fewer customers than may be told of: Effect and Margin are 0
}

// judge is the three-way decision for an estimate: its interval lies inside the band, proven outside, or astride.
//
// While one customer holds more than 5 % of the variance, nothing is published; of a statement that was published before
// such a customer came, an interval inside the band still says "holds", since that customer has widened it, but no
// failure, which latches, may rest on them: it is not enough data then.
func judge(f Finding, e Estimate, level Level) Finding {
	w := e.Withheld()
	switch {
	case w == TooFew || w == Undefined:
		return notEnough(f, Reason(w))
	case math.Abs(f.Effect)+f.Margin <= f.Band:
		f.Verdict = contract.Holds
	case w != Released:
		return notEnough(f, Reason(w))
	case f.LogE >= level.threshold():
		f.Verdict, f.Reason = contract.Fails, Beyond
	default:
		f.Verdict, f.Reason = contract.Weakening, Astride
	}
	return f
}

func notEnough(f Finding, why Reason) Finding {
	f.Verdict, f.Reason, f.LogE = contract.NotEnoughData, why, 0
	return f
}

// graver orders verdicts for a question in several parts: one failure fails it, and it holds only if all parts do.
func graver(a, b contract.Verdict) bool {
	rank := map[contract.Verdict]int{contract.Holds: 0, contract.Weakening: 1, contract.NotEnoughData: 2, contract.Fails: 3}
	return rank[a] > rank[b]
}

// Gravest joins the findings of the parts of one question (the tail and the spread of V4): the first with the gravest
// verdict, with the joint evidence of all. fails before not enough data before weakening before holds.
func Gravest(parts ...Finding) Finding {
	var all Finding
	logs := make([]float64, len(parts))
	for i, p := range parts {
		if i == 0 || graver(p.Verdict, all.Verdict) {
			all = p
		}
		logs[i] = p.LogE
	}
	all.LogE = Evidence(logs...)
	return all
}
