package board

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/knowledge"
	"github.com/strata-crm/strata/strategic/internal/lifecycle"
)

// Claim is an insight as a reader needs it: what it claims, whether that is knowledge, and the answers to the five
// questions, in words.
type Claim struct {
	Insight   contract.Insight    `json:"insight"`
	State     knowledge.State     `json:"state"` // as knowledge
	Since     time.Time           `json:"since"` // of that
	Own       bool                `json:"own"`   // the goal's proof rests on it
	Claim     string              `json:"claim"`
	Value     string              `json:"value"`
	Sample    string              `json:"sample"`
	Tolerance string              `json:"tolerance"`
	Note      string              `json:"note,omitempty"` // what else to know of the value
	Line      string              `json:"line"`           // whether it is knowledge, in words
	Zone      string              `json:"timeZone"`       // in which its windows begin and end
	Lamps     []Lamp              `json:"lamps"`
	Accepted  *knowledge.Evidence `json:"accepted,omitempty"`
	Confirmed *knowledge.Evidence `json:"confirmed,omitempty"`
	Expires   *time.Time          `json:"expires,omitempty"`
	History   []lifecycle.Entry   `json:"history"`
}

// Lamp is the answer to one of the five questions.
type Lamp struct {
	Question contract.Question `json:"question"`
	Name     string            `json:"name"`
	Asks     string            `json:"asks"`
	Verdict  contract.Verdict  `json:"verdict"`
	Word     string            `json:"word"`
	Sentence string            `json:"sentence"`
}

// ClaimOf returns an insight's record as a reader needs it. g is the record of its goal.
func ClaimOf(r *knowledge.Record, g *directive.Record, zone *time.Location) Claim {
	i := &r.Insight
	c := Claim{
		Insight: *i, State: r.State, Since: r.Since(), Own: knowledge.Own(g, i), Claim: wording.Claim(i), Value: wording.InsightValue(i), Sample: wording.Sample(i),
		Tolerance: wording.Tolerance(i), Note: wording.Cap(i), Line: wording.Knowledge(r.Standing(), i, zone), Zone: zone.String(),
		Accepted: r.Accepted, Confirmed: r.Confirmed, Expires: r.Expires, History: r.History,
	}
	if c.History == nil {
		c.History = []lifecycle.Entry{}
	}
	for _, q := range wording.Questions() {
		v := wording.VerdictOf(i.Verdicts, q)
		c.Lamps = append(c.Lamps, Lamp{
			Question: q, Name: wording.Name(string(q)), Asks: wording.Asks(q), Verdict: v, Word: wording.Words(v), Sentence: wording.Sentence(q, i, zone),
		})
	}
	return c
}
