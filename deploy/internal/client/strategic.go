package client

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// GoalDraft is a goal as it is proposed.
type GoalDraft struct {
	Name      string             `json:"name"`
	Variable  contract.Variable  `json:"variable"`
	Metric    contract.MetricID  `json:"metric"`
	Kind      contract.GoalKind  `json:"kind"`
	Direction contract.Direction `json:"direction"`
	Baseline  contract.Baseline  `json:"baseline"`
	Target    contract.Target    `json:"target"`
	Unit      contract.Unit      `json:"unit"`
	Start     contract.Day       `json:"start,omitempty"`
	Deadline  contract.Day       `json:"deadline"`
	Owner     string             `json:"owner"`
	Relevance string             `json:"relevance"`
	Grain     contract.Grain     `json:"grain,omitempty"`
}

// Goal is a goal with its state.
type Goal struct {
	contract.Goal
	State string `json:"state"`
}

// Entry is one change of state.
type Entry struct {
	From     string             `json:"from"`
	To       string             `json:"to"`
	At       time.Time          `json:"at"`
	By       string             `json:"by"`
	Reason   string             `json:"reason"`
	Decision *contract.Decision `json:"decision"`
	Trace    string             `json:"trace"`
}

// Directive is a strategic directive with its life.
type Directive struct {
	ID       contract.DirectiveID      `json:"id"`
	Goal     contract.GoalID           `json:"goal"`
	Revision int64                     `json:"revision"`
	Impact   contract.Impact           `json:"impact"`
	State    string                    `json:"state"`
	Answer   *contract.Acknowledgement `json:"answer"`
	History  []Entry                   `json:"history"`
}

// Standing is how a goal stands.
type Standing struct {
	Status   string            `json:"status"`
	Cause    string            `json:"cause"`
	Reasons  []contract.Reason `json:"reasons"`
	AsOf     *time.Time        `json:"asOf"`
	Point    *contract.Point   `json:"point"`
	Baseline *struct {
		Value float64 `json:"value"`
	} `json:"baseline"`
	Target     *float64             `json:"target"`
	Touched    []contract.Day       `json:"touched"`
	Proof      string               `json:"proof"`
	Against    string               `json:"against"`
	Projection *contract.Projection `json:"projection"`
	Change     *contract.Change     `json:"change"`
	BackTest   bool                 `json:"backTest"`
	Unit       contract.Unit        `json:"unit"`
	Currency   string               `json:"currency"`
	Degraded   []contract.Reason    `json:"degraded"`
	Lacks      string               `json:"lacks"`
	Why        string               `json:"why"`
	ProofWhy   string               `json:"proofWhy"`
	ModelLine  string               `json:"modelLine"`
	Insight    *struct {
		Line string `json:"line"`
	} `json:"insight"`
}

// Month returns the month in which the judging window ends, as 2006-01; empty before the first.
func (s Standing) Month() string {
	if s.AsOf == nil {
		return ""
	}
	return Day(*s.AsOf).AddDate(0, 0, -1).Format("2006-01")
}

// Day returns the calendar day that begins at a midnight of the company's zone, which answers do not name: windows begin
// and end there. One instant can be a midnight of two days, east and west of the date line; it is taken for that of the
// zones from UTC−10:00 to UTC+13:45, where nearly all people live.
func Day(midnight time.Time) time.Time {
	return midnight.UTC().Add(13*time.Hour + 45*time.Minute).Truncate(24 * time.Hour)
}

// Card is a goal on the scorecard.
type Card struct {
	Goal      Goal                 `json:"goal"`
	Standing  Standing             `json:"standing"`
	Before    *Standing            `json:"before"`
	Moved     string               `json:"moved"`
	Directive contract.DirectiveID `json:"directive"`
	State     string               `json:"directiveState"`
	Ask       struct {
		Urgency int    `json:"urgency"`
		Role    string `json:"role"`
		Text    string `json:"text"`
	} `json:"ask"`
}

// Step is one thing that happened on a directive's trail.
type Step struct {
	At       time.Time            `json:"at"`
	Layer    contract.Layer       `json:"layer"`
	Subject  contract.DirectiveID `json:"subject"`
	State    string               `json:"state"`
	By       string               `json:"by"`
	Reason   string               `json:"reason"`
	Reasons  []contract.Reason    `json:"reasons"`
	Decision *contract.Decision   `json:"decision"`
	Trace    string               `json:"trace"`
}

// Latest is the newest measurement of one metric.
type Latest struct {
	Metric   contract.MetricID `json:"metric"`
	Version  string            `json:"version"`
	Label    string            `json:"label"`
	Unit     contract.Unit     `json:"unit"`
	Currency string            `json:"currency"`
	Own      bool              `json:"own"`
	Point    contract.Point    `json:"point"`
}

// Trail is a directive's whole way down and what came back.
type Trail struct {
	Directive Directive             `json:"directive"`
	Goal      Goal                  `json:"goal"`
	Standing  Standing              `json:"standing"`
	Plan      *contract.PlanSummary `json:"plan"`
	Latest    []Latest              `json:"latest"`
	Steps     []Step                `json:"steps"`
}

// GovernanceVersion is one version of the governance directive.
type GovernanceVersion struct {
	Number    int                       `json:"number"`
	State     string                    `json:"state"`
	Order     *contract.Order           `json:"order"` // what was sent; nil before that
	Answer    *contract.Acknowledgement `json:"answer"`
	Approvals []struct {
		Subject string `json:"subject"`
	} `json:"approvals"`
	Rules struct {
		Purposes     []contract.PurposeRule    `json:"purposes"`
		MinimumGroup int                       `json:"minimumGroup"`
		Retention    map[contract.DataType]int `json:"retentionDays"`
	} `json:"rules"`
	History []Entry `json:"history"`
}

const strategic = "/api/strategic/v1"

// Governance returns every version, oldest first.
func (c *Client) Governance(ctx context.Context) ([]GovernanceVersion, error) {
	var out struct{ Versions []GovernanceVersion }
	err := c.Get(ctx, strategic+"/governance", &out)
	return out.Versions, err
}

// ApproveGovernance approves a version.
func (c *Client) ApproveGovernance(ctx context.Context, version int) error {
	return c.Post(ctx, strategic+"/governance/"+strconv.Itoa(version)+"/approvals", nil, nil)
}

// SetGoal drafts a goal and activates it.
func (c *Client) SetGoal(ctx context.Context, d GoalDraft) (Goal, error) {
	var g Goal
	if err := c.Post(ctx, strategic+"/goals", d, &g); err != nil {
		return g, err
	}
	err := c.Post(ctx, strategic+"/goals/"+url.PathEscape(string(g.ID))+"/activate", nil, &g)
	return g, err
}

// DraftDirective drafts a directive for an active goal.
func (c *Client) DraftDirective(ctx context.Context, g contract.GoalID, impact contract.Impact) (Directive, error) {
	var d Directive
	err := c.Post(ctx, strategic+"/directives", map[string]any{"goal": g, "impact": impact}, &d)
	return d, err
}

// Act takes a directive one step on: propose, approvals, issue or withdraw.
func (c *Client) Act(ctx context.Context, id contract.DirectiveID, step string) (Directive, error) {
	var d Directive
	err := c.Post(ctx, strategic+"/directives/"+url.PathEscape(string(id))+"/"+step, nil, &d)
	return d, err
}

// Directives returns all directives.
func (c *Client) Directives(ctx context.Context) ([]Directive, error) {
	var all []Directive
	for cursor := ""; ; {
		var page struct {
			Items []Directive
			Next  string
		}
		if err := c.Get(ctx, strategic+"/directives?limit=200&cursor="+url.QueryEscape(cursor), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Items...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

// Trail returns a directive's trail.
func (c *Client) Trail(ctx context.Context, id contract.DirectiveID) (Trail, error) {
	var t Trail
	err := c.Get(ctx, strategic+"/directives/"+url.PathEscape(string(id))+"/trail", &t)
	return t, err
}

// Scorecard returns every goal's card, as of a day's end, or as of now where day is empty.
func (c *Client) Scorecard(ctx context.Context, day contract.Day) ([]Card, error) {
	var out struct{ Items []Card }
	path := strategic + "/scorecard"
	if day != "" {
		path += "?asOf=" + string(day)
	}
	err := c.Get(ctx, path, &out)
	return out.Items, err
}

// Card returns one goal's card.
func (c *Client) Card(ctx context.Context, g contract.GoalID) (Card, error) {
	var out Card
	err := c.Get(ctx, strategic+"/scorecard/"+url.PathEscape(string(g)), &out)
	return out, err
}

// History returns how a goal stood at each closed window.
func (c *Client) History(ctx context.Context, g contract.GoalID) ([]Standing, error) {
	var out struct{ Items []Standing }
	err := c.Get(ctx, strategic+"/scorecard/"+url.PathEscape(string(g))+"/history", &out)
	return out.Items, err
}

// Information returns what the measurements of a goal amount to.
func (c *Client) Information(ctx context.Context, g contract.GoalID) (contract.Information, error) {
	var i contract.Information
	err := c.Get(ctx, "/api/functional/v1/goals/"+url.PathEscape(string(g))+"/information", &i)
	return i, err
}

// Measurements returns the measurements made for a strategic directive.
func (c *Client) Measurements(ctx context.Context, d contract.DirectiveID) ([]contract.Measurement, error) {
	var out struct{ Items []contract.Measurement }
	err := c.Get(ctx, "/api/functional/v1/measurements?directive="+url.QueryEscape(string(d)), &out)
	return out.Items, err
}

// Metrics returns the definitions in use.
func (c *Client) Metrics(ctx context.Context) ([]contract.Definition, error) {
	var out struct{ Items []contract.Definition }
	err := c.Get(ctx, "/api/functional/v1/metrics", &out)
	return out.Items, err
}
