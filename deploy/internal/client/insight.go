package client

import (
	"context"
	"net/url"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Claim is an insight with what it claims and the answers to the five questions, in words.
type Claim struct {
	Insight   contract.Insight `json:"insight"`
	State     string           `json:"state"`
	Since     time.Time        `json:"since"`
	Own       bool             `json:"own"`
	Claim     string           `json:"claim"`
	Value     string           `json:"value"`
	Sample    string           `json:"sample"`
	Tolerance string           `json:"tolerance"`
	Note      string           `json:"note"`
	Line      string           `json:"line"`
	Zone      string           `json:"timeZone"` // of its windows; empty from a server that does not say
	Lamps     []Lamp           `json:"lamps"`
	Accepted  *Evidence        `json:"accepted"`
	Confirmed *Evidence        `json:"confirmed"`
	Expires   *time.Time       `json:"expires"`
	History   []Entry          `json:"history"`
}

// Location is the zone in which windows begin and end: the organisation's, and UTC where the server did not say or names one that
// is not known here.
func (c *Claim) Location() *time.Location {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return time.UTC
	}
	return zone
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

// Evidence is what an insight became, or stayed, knowledge on.
type Evidence struct {
	At       time.Time         `json:"at"`
	AsOf     time.Time         `json:"asOf"`
	N        int64             `json:"n"`
	Rules    int               `json:"rules"`
	Decision contract.Decision `json:"decision"`
}

// Insights returns the claims made for a goal, in a state as knowledge; empty ones select all.
func (c *Client) Insights(ctx context.Context, goal contract.GoalID, state string) ([]Claim, error) {
	query := url.Values{"limit": {"200"}}
	if goal != "" {
		query.Set("goal", string(goal))
	}
	if state != "" {
		query.Set("state", state)
	}
	var all []Claim
	for {
		var page struct {
			Items []Claim
			Next  string
		}
		if err := c.Get(ctx, strategic+"/insights?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if page.Next == "" {
			return all, nil
		}
		query.Set("cursor", page.Next)
	}
}

// Insight returns one claim.
func (c *Client) Insight(ctx context.Context, id contract.InsightID) (Claim, error) {
	var out Claim
	err := c.Get(ctx, strategic+"/insights/"+url.PathEscape(string(id)), &out)
	return out, err
}
