package scorecard

import (
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

var allHold = contract.Verdicts{Volume: contract.Holds, Velocity: contract.Holds, Variety: contract.Holds, Variability: contract.Holds, Veracity: contract.Holds}

// resting returns the second goal, achieved with its interval beyond the target, resting on an insight.
func resting(t *testing.T, change func(*contract.Insight, *Ground)) Input {
	t.Helper()
	in := g2(t)
	for i := range in.Series {
		in.Series[i].StdErr = number(1)
	}
	in.Insight = &contract.Insight{ID: "in-1", State: contract.InsightPublished, Verdicts: allHold}
	in.Ground = &Ground{Insight: "in-1", Standing: wording.Standing{State: wording.IsKnowledge, Since: time.Date(2026, 5, 3, 9, 0, 0, 0, time.UTC), Rules: 7}}
	change(in.Insight, in.Ground)
	return in
}

func TestProofRestsOnAllFive(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*contract.Insight, *Ground)
		proof  Proof
		words  string
		line   string
	}{
		"all hold": {func(*contract.Insight, *Ground) {}, Proven, "Proven: the 95 % interval lies wholly beyond the target, and all five questions hold", "Knowledge since 3 May 2026 (policy v7)"},
		"one fell": {func(i *contract.Insight, g *Ground) {
			i.Verdicts.Velocity, g.Standing.State = contract.Fails, wording.TakenBack
		}, NotProven, "Not proven: Velocity failed on the insight that it rests on", "Not knowledge: Velocity failed, owner informed"},
		"one weakens": {func(i *contract.Insight, _ *Ground) { i.Verdicts.Variety = contract.Weakening }, NotProven,
			"Not proven: the 95 % interval lies wholly beyond the target, but not all five questions hold (Variety)", "Knowledge since 3 May 2026 (policy v7); Variety weakens"},
		"only a candidate, which has no verdicts": {func(i *contract.Insight, g *Ground) {
			i.State, g.Standing = contract.InsightCandidate, wording.Standing{State: wording.NotYetKnowledge}
			i.Verdicts = contract.Verdicts{Volume: contract.NotEnoughData}
		}, Proven, "Proven: the 95 % interval lies wholly beyond the target", "Not knowledge yet: it is still being examined"},
		"examined no more, with its last verdicts": {func(i *contract.Insight, g *Ground) {
			i.State, g.Standing.State = contract.InsightExpired, wording.ExpiredKnowledge
		}, Proven,
			"Proven: the 95 % interval lies wholly beyond the target, and all five questions hold", "No longer examined since 3 May 2026"},
	} {
		s := Judge(resting(t, c.change))
		if s.Status != Achieved || s.Proof != c.proof || s.ProofWhy != c.words || s.Insight == nil || s.Insight.Line != c.line {
			t.Errorf("%s: %s %s %q %+v", name, s.Status, s.Proof, s.ProofWhy, s.Insight)
		}
	}
}

func TestAFallenInsightChangesTheStatusOnlyWherePolicySaysSo(t *testing.T) {
	t.Parallel()
	fell := time.Date(1998, 3, 1, 0, 0, 0, 0, time.UTC)
	in := resting(t, func(i *contract.Insight, g *Ground) {
		i.Verdicts.Velocity, g.FellAsOf, g.Standing.State = contract.Fails, &fell, wording.TakenBack
	})
	if s := Judge(in); s.Status != Achieved || s.Proof != NotProven {
		t.Errorf("as shipped: %s, %s", s.Status, s.Proof)
	}
	in.Ground.Bars = true
	s := Judge(in)
	if s.Status != NotMeasurable || s.Cause != Validity || s.Decided != nil || !strings.Contains(s.Why, "Not knowledge: Velocity failed") {
		t.Errorf("by choice: %s(%s) %q", s.Status, s.Cause, s.Why)
	}
	h := statuses(in)
	if h["1998-01"] != OffTrack || h["1998-02"] != NotMeasurable || h["1998-03"] != NotMeasurable {
		t.Errorf("windows that end before it fell are judged, later ones are not: %v", h)
	}
	in.Ground.Bars = false
	in.Frozen.Decided = Judge(in).Decided
	in.Ground.Bars = true
	if s := Judge(in); s.Status != Achieved || s.Proof != NotProven {
		t.Errorf("what was decided stays: %s, %s", s.Status, s.Proof)
	}
	if s := asOf(in, "1998-02-28"); s.Insight != nil {
		t.Error("a look back knows nothing of today's insight")
	}
}

func TestProofWhyOfEveryState(t *testing.T) {
	t.Parallel()
	fallen := &Resting{Verdicts: contract.Verdicts{Volume: contract.Fails}}
	for want, s := range map[string]State{
		"Not yet: nothing is decided": {Proof: NotYet},
		"Not yet: nothing is decided; Volume failed on the insight that it rests on":                   {Proof: NotYet, Insight: fallen},
		"Not proven: the 95 % interval lies wholly short of the target":                                {Proof: NotProven, Against: Short, Insight: fallen},
		"Not proven: the target lies within the 95 % interval, so chance alone could have decided it":  {Proof: NotProven, Against: Around},
		"Not proven: the 95 % interval lies wholly beyond the target, but not all five questions hold": {Proof: NotProven, Against: Beyond},
		"Not proven: the error of the value is not known":                                              {Proof: NotProven},
	} {
		if got := proofWhy(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A look back, and the rows of a history, are as they were: today's insight and today's answer change nothing of the past.
func TestTodayDoesNotChangeThePast(t *testing.T) {
	t.Parallel()
	in := resting(t, func(i *contract.Insight, _ *Ground) { i.Verdicts.Velocity = contract.Fails })
	if s := Judge(in); s.Proof != NotProven || s.Insight == nil {
		t.Fatalf("now: %s, %+v", s.Proof, s.Insight)
	}
	last := in.Series[len(in.Series)-1].Window.End
	in.AsOf = last
	if s := Judge(in); s.Proof != Proven || s.Insight != nil || strings.Contains(s.ProofWhy, "Velocity") {
		t.Errorf("as of %s: %s, %q", last, s.Proof, s.ProofWhy)
	}
	in.AsOf = time.Time{}
	extra := in.Series[len(in.Series)-1]
	extra.Window = contract.Window{Start: last, End: last.AddDate(0, 1, 0)}
	in.Series = append(in.Series, extra)
	h := History(in)
	if a, b := h[len(h)-2], h[len(h)-1]; a.Proof != Proven || strings.Contains(a.ProofWhy, "Velocity") || b.Proof != NotProven || !strings.Contains(b.ProofWhy, "Velocity") {
		t.Errorf("the history's last two: %s %q, %s %q", a.Proof, a.ProofWhy, b.Proof, b.ProofWhy)
	}
	refused := g1(t)
	refused.Answer = &contract.Acknowledgement{State: contract.Refused, Reasons: []contract.Reason{{Code: "no_source", Item: "nps"}}}
	refused.Series = refused.Series[:2]
	if s := Judge(refused); s.Cause != Refused {
		t.Fatalf("now: %s(%s)", s.Status, s.Cause)
	}
	refused.AsOf = refused.Series[1].Window.End
	if s := Judge(refused); s.Cause == Refused || s.Reasons != nil {
		t.Errorf("then: %s(%s) %v", s.Status, s.Cause, s.Reasons)
	}
}
