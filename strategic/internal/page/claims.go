package page

import (
	"fmt"
	"html/template"
	"slices"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/board"
	"github.com/strata-crm/strata/strategic/internal/chart"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
)

// ClaimView is one claim made for a goal: its value, five lamps, and whether it is knowledge.
type ClaimView struct {
	Anchor, Claim, Value, Sample, Tolerance, Note string
	Own                                           bool // the goal's proof rests on it
	Line, LineClass                               string
	Republished, Expires, Evidence                string
	Lamps                                         []LampView
}

// LampView is one of the five verdicts with why, in words and drawn.
type LampView struct {
	Name, Asks, Word, Symbol, Class, Sentence string
	Scene                                     chart.Scene
	id                                        string
}

// SVG returns the lamp's chart as part of the page. The chart escapes what it writes.
func (l LampView) SVG() template.HTML { return template.HTML(l.Scene.SVG(l.id)) } // see above

// lamps are how verdicts are shown: by shape, word and colour.
var lamps = map[contract.Verdict]Badge{
	contract.Holds: {"●", "", "good"}, contract.Weakening: {"▲", "", "warn"}, contract.Fails: {"✖", "", "bad"}, contract.NotEnoughData: {"○", "", "none"},
}

// claimsOf returns the claims made for a goal, that which its proof rests on first; none in a look back, since they are of
// now.
func claimsOf(g *directive.Record, in input) []ClaimView {
	if !in.asOf.IsZero() {
		return nil
	}
	var all []ClaimView
	for n := range in.insights {
		if r := &in.insights[n]; r.Insight.Goal == g.Goal.ID {
			all = append(all, claimView(r, g, in))
		}
	}
	slices.SortStableFunc(all, func(a, b ClaimView) int {
		switch {
		case a.Own == b.Own:
			return 0
		case a.Own:
			return -1
		}
		return 1
	})
	return all
}

func claimView(r *knowledge.Record, g *directive.Record, in input) ClaimView {
	c, i := board.ClaimOf(r, g, in.zone), &r.Insight
	v := ClaimView{
		Anchor: "claim-" + string(i.ID), Claim: c.Claim, Value: c.Value, Sample: c.Sample, Tolerance: c.Tolerance, Note: c.Note, Own: c.Own,
		Line: c.Line, LineClass: lineClass(r),
	}
	if i.State == contract.InsightCandidate {
		v.Value = "No value yet" // the line says why
	}
	if i.Republished > 0 {
		v.Republished = "published anew " + times(i.Republished) + wording.Anew(i)
	}
	if r.Expires != nil {
		v.Expires = "until " + r.Expires.In(in.zone).Format("2 January 2006") + " at the latest, unless it is examined again"
	}
	if e := r.Accepted; e != nil {
		v.Evidence = fmt.Sprintf("accepted on %s with %s, data as of %s, decision %s", stamp(e.At, in.zone), wording.Count(e.N)+" customers", stamp(e.AsOf, in.zone), e.Decision.ID)
	}
	for _, l := range c.Lamps {
		b := lamps[l.Verdict]
		v.Lamps = append(v.Lamps, LampView{
			Name: l.Name, Asks: l.Asks, Word: l.Word, Symbol: b.Symbol, Class: b.Class, Sentence: l.Sentence,
			Scene: chart.Of(l.Question, i, in.zone), id: v.Anchor + "-" + string(l.Question),
		})
	}
	return v
}

func lineClass(r *knowledge.Record) string {
	switch {
	case r.State == knowledge.Known && r.Insight.Verdicts.All(contract.Holds):
		return "good"
	case r.State == knowledge.Known:
		return "warn"
	case r.State == knowledge.TakenBack:
		return "bad"
	}
	return "none"
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return wording.Count(int64(n)) + " times"
}

// OtherClaims returns the claims that the goal's proof does not rest on.
func (g GoalView) OtherClaims() []ClaimView {
	return slices.DeleteFunc(slices.Clone(g.Claims), func(c ClaimView) bool { return c.Own })
}
