// Package policy embeds the operational layer's rules, and names the input that each reads.
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
	Use       = "use"       // may data of a type be collected for a purpose
	Directive = "directive" // may a directive be carried out
	Egress    = "egress"    // may a number go up
	Insight   = "insight"   // may an insight go up
	Action    = "action"    // may somebody do something over the API
	Read      = "read"      // may somebody see what tells of nobody
)

// UseInput is what the rule use reads.
type UseInput struct {
	Purpose  string `json:"purpose"`
	DataType string `json:"dataType"`
}

// DirectiveInput is what the rule directive reads.
type DirectiveInput struct {
	ID            string   `json:"id"`
	Decision      string   `json:"decision"` // of the layer above
	Purposes      []string `json:"purposes"`
	DataTypes     []string `json:"dataTypes"`
	MinimumGroup  int      `json:"minimumGroup"`
	RetentionDays int      `json:"retentionDays"`
}

// EgressInput is what the rule egress reads.
type EgressInput struct {
	Metric        string `json:"metric"`
	InForce       bool   `json:"inForce"`
	HasWindow     bool   `json:"hasWindow"`
	SmallestGroup int64  `json:"smallestGroup"` // customers in the smallest group that can be read from the message; 0: it tells of nobody
	MinimumGroup  int64  `json:"minimumGroup"`  // that the directive wants
}

// InsightInput is what the rule insight reads.
type InsightInput struct {
	Metric        string `json:"metric"`
	InForce       bool   `json:"inForce"`
	Tells         bool   `json:"tells"` // it has a value, and so tells of customers
	SmallestGroup int64  `json:"smallestGroup"`
	MinimumGroup  int64  `json:"minimumGroup"` // that the directive wants
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
		Use: policy.InputOf[UseInput](), Directive: policy.InputOf[DirectiveInput](),
		Egress: policy.InputOf[EgressInput]().PerEvent(), Insight: policy.InputOf[InsightInput]().PerEvent(), Action: policy.InputOf[ActionInput](),
		Read: policy.InputOf[ReadInput]().PerEvent(),
	}
}

// Canaries are decisions whose outcome is known; the service does not start if one comes out otherwise.
func Canaries() []policy.Canary {
	governance := map[string]any{
		"minimumGroup": 10, "retentionDays": map[string]int{"transactional": 365},
		"purposes": []map[string]any{{"purpose": "retention_analysis", "categories": []string{"transactional"}}},
		"roles":    map[string][]string{"steward": {"register_source"}},
	}
	directive := DirectiveInput{"canary", "d", []string{"retention_analysis"}, []string{"transactional"}, 10, 365}
	long := directive
	long.RetentionDays = 366
	number := EgressInput{"canary", true, true, 10, 10}
	small := number
	small.SmallestGroup = 9
	claim := InsightInput{"canary", true, true, 10, 10}
	few := claim
	few.SmallestGroup = 9
	return []policy.Canary{
		{Rule: Use, Input: UseInput{"retention_analysis", "transactional"}, Data: governance, Allow: true},
		{Rule: Use, Input: UseInput{"retention_analysis", "transactional"}, Allow: false},
		{Rule: Directive, Input: directive, Data: governance, Allow: true},
		{Rule: Directive, Input: long, Data: governance, Allow: false},
		{Rule: Egress, Input: number, Data: governance, Allow: true},
		{Rule: Egress, Input: small, Data: governance, Allow: false},
		{Rule: Insight, Input: claim, Data: governance, Allow: true},
		{Rule: Insight, Input: few, Data: governance, Allow: false},
		{Rule: Action, Input: ActionInput{"canary", []string{"steward"}, "register_source"}, Data: governance, Allow: true},
		{Rule: Action, Input: ActionInput{"canary", []string{"manager"}, "register_source"}, Data: governance, Allow: false},
		{Rule: Action, Input: ActionInput{"canary", []string{"steward"}, "register_source"}, Allow: false}, // without governance nothing but people's rights
		{Rule: Action, Input: ActionInput{"canary", []string{"steward"}, "erase_person"}, Allow: true},
		{Rule: Action, Input: ActionInput{"canary", []string{"manager"}, "erase_person"}, Data: governance, Allow: false},
		{Rule: Read, Input: ReadInput{"canary", []string{"manager"}}, Allow: true},
		{Rule: Read, Input: ReadInput{"canary", []string{"collector"}}, Allow: false},
	}
}
