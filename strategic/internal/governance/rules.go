package governance

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var dataTypes = []contract.DataType{contract.Identification, contract.Descriptive, contract.Probe, contract.Transactional, contract.Conversed}

// Default returns the rules that Strata proposes at its first start. They are a beginning for two executives to review:
// purposes of analysis and service only, orders for three years (what a year-on-year comparison needs), opinions for two,
// traces of visits for one, and no group below ten.
func Default() Rules {
	behaviour := []contract.DataType{contract.Identification, contract.Transactional}
	purpose := func(name contract.Purpose, basis string, types ...contract.DataType) contract.PurposeRule {
		return contract.PurposeRule{Purpose: name, Basis: basis, Categories: types}
	}
	return Rules{
		Purposes: []contract.PurposeRule{
			purpose("retention_analysis", "legitimate_interest", append([]contract.DataType{contract.Descriptive, contract.Probe, contract.Conversed}, behaviour...)...),
			purpose("value_analysis", "legitimate_interest", behaviour...),
			purpose("acquisition_analysis", "legitimate_interest", append([]contract.DataType{contract.Descriptive, contract.Probe}, behaviour...)...),
			purpose("satisfaction_analysis", "consent", contract.Identification, contract.Conversed, contract.Probe, contract.Transactional),
			purpose("service_improvement", "legitimate_interest", dataTypes...),
		},
		Retention: map[contract.DataType]int{
			contract.Identification: 1095, contract.Descriptive: 1095, contract.Transactional: 1095, contract.Conversed: 730, contract.Probe: 365,
		},
		MinimumGroup: 10,
		Roles: map[string][]string{
			"executive": {"read", "add_variable", "set_goal", "close_goal", "draft_directive", "approve_directive", "issue_directive", "withdraw_directive"},
			"manager":   {"read", "edit_plan", "approve_plan", "define_metric", "review_metric", "certify_metric", "retire_metric", "try_metric", "export_people"},
			"steward": {"read", "define_metric", "review_metric", "try_metric", "register_source", "import", "declare_complete", "export_people",
				"erase_person", "disclose_person"},
			"collector": {"import", "declare_complete"},
			"service":   {"read"},
		},
		Owners: []contract.DataOwner{
			{DataType: contract.Identification, Owner: "head of customer service", Steward: "customer data steward"},
			{DataType: contract.Descriptive, Owner: "head of marketing", Steward: "customer data steward"},
			{DataType: contract.Probe, Owner: "head of marketing", Steward: "web data steward"},
			{DataType: contract.Transactional, Owner: "head of sales", Steward: "order data steward"},
			{DataType: contract.Conversed, Owner: "head of customer service", Steward: "survey data steward"},
		},
		Regions: []string{"eu", "us"},
	}
}

// Check returns nil for rules that can govern, or an Invalid fault for everything that is wrong with them.
func (r Rules) Check() error {
	var wrong []error
	need := func(ok bool, at, format string, args ...any) {
		if !ok {
			wrong = append(wrong, &fault.Error{Kind: fault.Invalid, Code: fault.BadDefinition, At: at, Text: fmt.Sprintf(format, args...)})
		}
	}
	need(len(r.Purposes) > 0, "/purposes", "name at least one purpose: without one nothing may be collected")
	seen := map[contract.Purpose]bool{}
	for i, p := range r.Purposes {
		at := fmt.Sprintf("/purposes/%d", i)
		need(p.Purpose != "" && p.Basis != "" && len(p.Categories) > 0, at, "a purpose needs a name, a legal basis and the types of data it covers")
		need(!seen[p.Purpose], at, "%s is named twice", p.Purpose)
		seen[p.Purpose] = true
		for _, c := range p.Categories {
			need(slices.Contains(dataTypes, c), at+"/categories", "%q is not one of %v", c, dataTypes)
		}
	}
	need(r.MinimumGroup >= 1, "/minimumGroup", "the minimum group is a positive whole number")
	need(len(r.Regions) > 0, "/regions", "name at least one region in which data may be")
	need(slices.Contains([]contract.FallenInsight{"", contract.FallenProof, contract.FallenStatus}, r.FallenInsight), "/fallenInsight", "a fallen verdict changes the proof or the status of a goal")
	if h := r.HighImpact; h != nil {
		need(h.RetentionDays >= 0, "/highImpact/retentionDays", "say from how many days on, or leave it out")
		for _, p := range h.Purposes {
			need(seen[p], "/highImpact/purposes", "%s is not a purpose that these rules name", p)
		}
		for _, d := range h.DataTypes {
			need(slices.Contains(dataTypes, d), "/highImpact/dataTypes", "%q is not one of %v", d, dataTypes)
		}
	}
	need(len(r.Roles) > 0, "/roles", "say what at least one role may do")
	for _, d := range dataTypes {
		need(r.Retention[d] > 0, "/retentionDays/"+string(d), "say for how many days %s data are kept", d)
		need(slices.ContainsFunc(r.Owners, func(o contract.DataOwner) bool {
			return o.DataType == d && strings.TrimSpace(o.Owner) != "" && strings.TrimSpace(o.Steward) != ""
		}), "/owners", "name an owner and a steward of %s data", d)
	}
	return errors.Join(wrong...)
}

// Constraints returns what a directive for a purpose is bound by unless it says otherwise: the strictest that the rules
// ask of the types of data that the purpose covers, evidence from 30 customers on, four of five customers covered, a tolerance
// of ten percent. For a purpose that the rules do not know every type counts.
func (r Rules) Constraints(p contract.Purpose) contract.Constraints {
	covered := dataTypes
	if i := slices.IndexFunc(r.Purposes, func(o contract.PurposeRule) bool { return o.Purpose == p }); i >= 0 {
		covered = r.Purposes[i].Categories
	}
	days := 0
	for _, t := range covered {
		if d, ok := r.Retention[t]; ok && (days == 0 || d < days) {
			days = d
		}
	}
	return contract.Constraints{
		Purposes: []contract.Purpose{p}, MinimumGroup: r.MinimumGroup, MinimumN: 30, RequiredCoverage: 0.8, RetentionDays: days, Tolerance: 0.1,
	}
}
