// Package policy embeds the strategic layer's rules, and names the input that each reads.
package policy

import (
	"embed"

	"github.com/strata-crm/strata/shared/policy"
)

// Files are the Rego packages, one folder each.
//
//go:embed */*.rego
var Files embed.FS

// Rules.
const (
	Read       = "read"       // may somebody see what the layer holds
	Action     = "action"     // may somebody do something over the API
	Approve    = "approve"    // may somebody approve a directive
	Impact     = "impact"     // may a directive pass as one of normal impact
	Issue      = "issue"      // may a directive be sent down
	Governance = "governance" // may a version of the governance directive be sent down
	Knowledge  = "knowledge"  // is an insight knowledge, or does it stay so
	Rest       = "rest"       // may a goal's status rest on an insight
)

// ReadInput is what the rule read reads.
type ReadInput struct {
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
}

// ActionInput is what the rule action reads.
type ActionInput struct {
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
	Action  string   `json:"action"`
}

// Person is somebody who approved.
type Person struct {
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
}

// ApproveInput is what the rule approve reads.
type ApproveInput struct {
	Subject    string   `json:"subject"`
	Roles      []string `json:"roles"`
	ProposedBy string   `json:"proposedBy"`
	Impact     string   `json:"impact"`
}

// ImpactInput is what the rule impact reads.
type ImpactInput struct {
	Impact        string   `json:"impact"` // as it was drafted
	Purposes      []string `json:"purposes"`
	RetentionDays int      `json:"retentionDays"`
}

// IssueInput is what the rule issue reads.
type IssueInput struct {
	Subject       string   `json:"subject"`
	Roles         []string `json:"roles"`
	ProposedBy    string   `json:"proposedBy"`
	Approvals     []Person `json:"approvals"`
	Impact        string   `json:"impact"`
	GoalState     string   `json:"goalState"`
	Purposes      []string `json:"purposes"`
	MinimumGroup  int      `json:"minimumGroup"`
	RetentionDays int      `json:"retentionDays"`
}

// GovernanceInput is what the rule governance reads.
type GovernanceInput struct {
	Approvals     []Person       `json:"approvals"` // with the one that is being given
	MinimumGroup  int            `json:"minimumGroup"`
	RetentionDays map[string]int `json:"retentionDays"`
	Regions       []string       `json:"regions"`
}

// KnowledgeInput is what the rule knowledge reads.
type KnowledgeInput struct {
	Step           string            `json:"step"`     // accept, or keep what is knowledge already
	State          string            `json:"state"`    // of the insight, as the layers below have it
	Verdicts       map[string]string `json:"verdicts"` // by question
	Tolerance      float64           `json:"tolerance"`
	Limit          float64           `json:"limit"` // the directive's tolerance
	ExpiresInHours int               `json:"expiresInHours"`
	N              int64             `json:"n"`
	Bounded        string            `json:"bounded"` // yes for shares and scores, else no
}

// RestInput is what the rule rest reads.
type RestInput struct {
	Fallen []string `json:"fallen"` // the questions whose verdict fell
}

// Inputs returns the closed input of every rule.
func Inputs() map[string]policy.Input {
	return map[string]policy.Input{
		Read: policy.InputOf[ReadInput]().PerEvent(), Action: policy.InputOf[ActionInput](), Approve: policy.InputOf[ApproveInput](),
		Impact: policy.InputOf[ImpactInput](),
		Issue:  policy.InputOf[IssueInput](), Governance: policy.InputOf[GovernanceInput](), Knowledge: policy.InputOf[KnowledgeInput](),
		Rest: policy.InputOf[RestInput](),
	}
}

// Canaries are decisions whose outcome is known; the service does not start if one comes out otherwise.
func Canaries() []policy.Canary {
	rules := map[string]any{
		"minimumGroup": 10, "retentionDays": map[string]int{"transactional": 365}, "roles": map[string][]string{"executive": {"set_goal"}},
		"purposes": []map[string]any{{"purpose": "retention_analysis", "categories": []string{"transactional"}}},
	}
	executive := []string{"executive"}
	issue := IssueInput{
		Subject: "a", Roles: executive, ProposedBy: "a", Approvals: []Person{{"b", executive}}, Impact: "high", GoalState: "active",
		Purposes: []string{"retention_analysis"}, MinimumGroup: 10, RetentionDays: 365,
	}
	alone := issue
	alone.Approvals = []Person{{"a", executive}}
	two := GovernanceInput{[]Person{{"a", executive}, {"b", executive}}, 10, map[string]int{"transactional": 365}, []string{"eu"}}
	twice := two
	twice.Approvals = []Person{{"a", executive}, {"a", executive}}
	holding := KnowledgeInput{
		Step: "accept", State: "published", Tolerance: 0.05, Limit: 0.1, ExpiresInHours: 1, N: 400, Bounded: "no",
		Verdicts: map[string]string{"volume": "holds", "velocity": "holds", "variety": "holds", "variability": "holds", "veracity": "holds"},
	}
	fallen := holding
	fallen.Verdicts = map[string]string{"volume": "holds", "velocity": "fails", "variety": "holds", "variability": "holds", "veracity": "holds"}
	return []policy.Canary{
		{Rule: Knowledge, Input: holding, Allow: true},
		{Rule: Knowledge, Input: fallen, Allow: false},
		{Rule: Rest, Input: RestInput{[]string{"velocity"}}, Allow: true},
		{Rule: Rest, Input: RestInput{[]string{"velocity"}}, Data: map[string]any{"fallenInsight": "status"}, Allow: false},
		{Rule: Read, Input: ReadInput{"a", []string{"manager"}}, Allow: true},
		{Rule: Read, Input: ReadInput{"a", []string{"collector"}}, Allow: false},
		{Rule: Action, Input: ActionInput{"a", executive, "set_goal"}, Data: rules, Allow: true},
		{Rule: Action, Input: ActionInput{"a", executive, "set_goal"}, Allow: false}, // without governance nothing but to govern
		{Rule: Action, Input: ActionInput{"a", executive, "approve_governance"}, Allow: true},
		{Rule: Approve, Input: ApproveInput{"b", executive, "a", "high"}, Allow: true},
		{Rule: Approve, Input: ApproveInput{"a", executive, "a", "high"}, Allow: false},
		{Rule: Impact, Input: ImpactInput{"normal", []string{"retention_analysis"}, 365}, Data: rules, Allow: true},
		{Rule: Impact, Input: ImpactInput{"normal", []string{"retention_analysis"}, 366}, Data: rules, Allow: false},
		{Rule: Impact, Input: ImpactInput{"high", []string{"retention_analysis"}, 365}, Data: rules, Allow: false},
		{Rule: Impact, Input: ImpactInput{"normal", []string{"retention_analysis"}, 365}, Allow: false},
		{Rule: Issue, Input: issue, Data: rules, Allow: true},
		{Rule: Issue, Input: alone, Data: rules, Allow: false},
		{Rule: Issue, Input: issue, Allow: false},
		{Rule: Governance, Input: two, Allow: true},
		{Rule: Governance, Input: twice, Allow: false},
	}
}
