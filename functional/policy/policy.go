// Package policy embeds the functional layer's rules, and names the input that each reads.
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
	Plan   = "plan"   // may a plan be approved
	Trial  = "trial"  // may a metric be tried on what a plan collects
	Action = "action" // may somebody change something over the API
	Read   = "read"   // may somebody see plans, metrics and measurements
)

// PlanInput is what the rules plan and trial read.
type PlanInput struct {
	Subject       string   `json:"subject"`
	Roles         []string `json:"roles"`
	Uses          []Use    `json:"uses"`
	MinimumGroup  int      `json:"minimumGroup"`
	RetentionDays int      `json:"retentionDays"`
}

// Use is one parameter and what for.
type Use struct {
	Parameter string `json:"parameter"`
	DataType  string `json:"dataType"`
	Purpose   string `json:"purpose"`
}

// ActionInput is what the rule action reads.
type ActionInput struct {
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
	Action  string   `json:"action"`
}

// ReadInput is what the rule read reads.
type ReadInput struct {
	Subject string   `json:"subject"`
	Roles   []string `json:"roles"`
}

// Inputs returns the closed input of every rule.
func Inputs() map[string]policy.Input {
	return map[string]policy.Input{
		Plan: policy.InputOf[PlanInput](), Trial: policy.InputOf[PlanInput](), Action: policy.InputOf[ActionInput](), Read: policy.InputOf[ReadInput]().PerEvent(),
	}
}

// Canaries are decisions whose outcome is known; the service does not start if one comes out otherwise.
func Canaries() []policy.Canary {
	governance := map[string]any{
		"minimumGroup": 10, "retentionDays": map[string]int{"transactional": 365},
		"purposes": []map[string]any{{"purpose": "retention_analysis", "categories": []string{"transactional"}}},
		"roles":    map[string][]string{"manager": {"edit_plan"}},
	}
	plan := PlanInput{
		Subject: "canary", Roles: []string{"manager"}, MinimumGroup: 10, RetentionDays: 365,
		Uses: []Use{{"order_time", "transactional", "retention_analysis"}},
	}
	small := plan
	small.MinimumGroup = 1
	return []policy.Canary{
		{Rule: Plan, Input: plan, Data: governance, Allow: true},
		{Rule: Plan, Input: small, Data: governance, Allow: false},
		{Rule: Plan, Input: plan, Allow: false}, // without governance nothing is allowed
		{Rule: Trial, Input: plan, Data: governance, Allow: true},
		{Rule: Trial, Input: small, Data: governance, Allow: false},
		{Rule: Action, Input: ActionInput{"canary", []string{"manager"}, "edit_plan"}, Data: governance, Allow: true},
		{Rule: Action, Input: ActionInput{"canary", []string{"collector"}, "edit_plan"}, Data: governance, Allow: false},
		{Rule: Action, Input: ActionInput{"canary", []string{"manager"}, "edit_plan"}, Allow: false}, // without governance nothing is allowed
		{Rule: Read, Input: ReadInput{"canary", []string{"executive"}}, Allow: true},
		{Rule: Read, Input: ReadInput{"canary", []string{"collector"}}, Allow: false},
	}
}
