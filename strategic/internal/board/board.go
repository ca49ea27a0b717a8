// Package board puts together what a reader needs of a goal: how it stands and stood before, what was ordered for it, and
// the one decision that is asked of somebody. It is pure; the API and the page show the same cards.
package board

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
	"github.com/strata-crm/strata/strategic/internal/scorecard"
)

// Card is one goal on the scorecard.
type Card struct {
	Goal      goal.Goal            `json:"goal"`
	Standing  scorecard.State      `json:"standing"`
	Before    *scorecard.State     `json:"before,omitempty"` // at the closed window before
	Moved     string               `json:"moved,omitempty"`  // how the value changed since then and what drove it, in words
	Directive contract.DirectiveID `json:"directive,omitempty"`
	State     directive.State      `json:"directiveState,omitempty"`
	Ask       Ask                  `json:"ask"`
}

// Scorecard is every goal, as of one instant.
type Scorecard struct {
	AsOf  *time.Time `json:"asOf,omitempty"` // as it was asked for; none: each goal as of its latest closed window
	Items []Card     `json:"items"`
}

// CardOf returns the card of a goal as of an instant; zero means its latest closed window.
func CardOf(r *directive.Record, zone *time.Location, asOf time.Time) Card {
	in := r.Judging(zone, asOf)
	c := Card{Goal: r.Goal, Standing: scorecard.Judge(in)}
	if h := scorecard.History(in); len(h) > 1 {
		before := h[len(h)-2]
		c.Before, c.Moved = &before, scorecard.Moved(before, c.Standing)
	}
	if d := r.Current(); d != nil {
		c.Directive, c.State = d.ID, d.State
	}
	c.Ask = AskOf(r, c.Standing)
	if !asOf.IsZero() {
		c.Ask = Ask{Nothing, "", "Nothing: this is a look back."} // what is asked is asked now
	}
	return c
}

// Of returns the scorecard of the records that were pursued at all; drafts are shown too, closed goals last.
func Of(rs []directive.Record, zone *time.Location, asOf time.Time) Scorecard {
	s := Scorecard{Items: []Card{}}
	if !asOf.IsZero() {
		s.AsOf = &asOf
	}
	for _, closed := range []bool{false, true} {
		for i := range rs {
			if (rs[i].Goal.State == goal.Closed) == closed {
				s.Items = append(s.Items, CardOf(&rs[i], zone, asOf))
			}
		}
	}
	return s
}
