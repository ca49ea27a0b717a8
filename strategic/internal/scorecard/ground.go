package scorecard

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/wording"
)

// Ground is the insight that a goal's proof rests on, and what became of it.
type Ground struct {
	Insight  contract.InsightID `json:"insight"`
	Standing wording.Standing   `json:"standing"`
	FellAsOf *time.Time         `json:"fellAsOf,omitempty"` // data as of which a verdict fell; none while none has
	// Bars says that policy lets no status rest on it: windows that end at FellAsOf or later decide nothing. As shipped it
	// does not, and a fallen verdict changes the proof only.
	Bars     bool               `json:"bars,omitempty"`
	Decision *contract.Decision `json:"decision,omitempty"` // of policy, on whether it bars
}

// Resting is what a reader must know of the insight that a goal's proof rests on.
type Resting struct {
	ID        contract.InsightID     `json:"id"`
	Knowledge wording.KnowledgeState `json:"knowledge"`
	Since     time.Time              `json:"since"` // of that
	Verdicts  contract.Verdicts      `json:"verdicts"`
	Line      string                 `json:"line"` // in words, whether it is knowledge
}

// resting is of now; a look back is told nothing of it.
func (in Input) resting() *Resting {
	if in.Insight == nil || in.Ground == nil || !in.AsOf.IsZero() {
		return nil
	}
	zone := in.Zone
	if zone == nil {
		zone = time.UTC
	}
	g := in.Ground
	return &Resting{
		ID: g.Insight, Knowledge: g.Standing.State, Since: g.Standing.Since, Verdicts: in.Insight.Verdicts, Line: wording.Knowledge(g.Standing, in.Insight, zone),
	}
}

// judged reports whether an insight has verdicts that speak for or against a proof.
func judged(i *contract.Insight) bool {
	return i != nil && i.State != contract.InsightCandidate
}

// barred says why a window can decide nothing where policy lets no status rest on a fallen insight.
func (in Input) barred(p contract.Point) (Cause, []contract.Reason) {
	g := in.Ground
	if g == nil || !g.Bars || g.FellAsOf == nil || p.Window.End.Before(*g.FellAsOf) {
		return "", nil
	}
	return Validity, []contract.Reason{{Code: fault.Validity, Item: string(in.Goal.Metric)}}
}

// proofWhy says in words what the proof rests on, or what it fails by.
func proofWhy(s State) string {
	fallen := ""
	if s.Insight != nil {
		if names := wording.With(s.Insight.Verdicts, contract.Fails); len(names) > 0 {
			fallen = wording.Listed(names) + " failed on the insight that it rests on"
		}
	}
	switch {
	case s.Proof == NotYet && fallen != "":
		return "Not yet: nothing is decided; " + fallen
	case s.Proof == NotYet:
		return "Not yet: nothing is decided"
	case s.Proof == Proven && s.Insight != nil && s.Insight.Verdicts.All(contract.Holds):
		return "Proven: the 95 % interval lies wholly beyond the target, and all five questions hold"
	case s.Proof == Proven:
		return "Proven: the 95 % interval lies wholly beyond the target"
	case s.Against == Short:
		return "Not proven: the 95 % interval lies wholly short of the target"
	case s.Against == Around:
		return "Not proven: the target lies within the 95 % interval, so chance alone could have decided it"
	case fallen != "":
		return "Not proven: " + fallen
	case s.Against == Beyond:
		return "Not proven: the 95 % interval lies wholly beyond the target, but not all five questions hold" + open(s)
	}
	return "Not proven: the error of the value is not known"
}

// open names the questions that neither hold nor failed.
func open(s State) string {
	if s.Insight == nil {
		return ""
	}
	if weak, none := wording.With(s.Insight.Verdicts, contract.Weakening), wording.With(s.Insight.Verdicts, contract.NotEnoughData); len(weak)+len(none) > 0 {
		return " (" + wording.Listed(append(weak, none...)) + ")"
	}
	return ""
}
