package strata.strategic.issue_test

import data.strata.strategic.issue

governance := {
	"minimumGroup": 10,
	"purposes": [{"purpose": "retention_analysis"}],
	"retentionDays": {"transactional": 1095, "probe": 365},
}

executive(subject) := {"subject": subject, "roles": ["executive"]}

good := {
	"subject": "eva", "roles": ["executive"], "proposedBy": "eva", "approvals": [executive("eva")], "impact": "normal", "goalState": "active",
	"purposes": ["retention_analysis"], "minimumGroup": 10, "retentionDays": 365,
}

with_good(change) := object.union(good, change)

test_normal_allowed if issue.allow with input as good with data.governance as governance

test_high_with_second_person_allowed if {
	issue.allow with input as with_good({"impact": "high", "approvals": [executive("max")]}) with data.governance as governance
}

test_high_alone_denied if not issue.allow with input as with_good({"impact": "high"}) with data.governance as governance

test_high_alone_says_why if {
	some reason in issue.reasons with input as with_good({"impact": "high"}) with data.governance as governance
	contains(reason, "second person")
}

test_second_person_without_role_denied if {
	other := {"subject": "mia", "roles": ["manager"]}
	not issue.allow with input as with_good({"impact": "high", "approvals": [other]}) with data.governance as governance
}

test_not_approved_denied if not issue.allow with input as with_good({"approvals": []}) with data.governance as governance

test_manager_denied if not issue.allow with input as with_good({"roles": ["manager"]}) with data.governance as governance

test_closed_goal_denied if not issue.allow with input as with_good({"goalState": "closed"}) with data.governance as governance

test_other_purpose_denied if not issue.allow with input as with_good({"purposes": ["advertising"]}) with data.governance as governance

test_one_other_purpose_denied if {
	not issue.allow with input as with_good({"purposes": ["retention_analysis", "advertising"]}) with data.governance as governance
}

test_no_purpose_denied if not issue.allow with input as with_good({"purposes": []}) with data.governance as governance

test_small_group_denied if not issue.allow with input as with_good({"minimumGroup": 9}) with data.governance as governance

test_long_retention_denied if not issue.allow with input as with_good({"retentionDays": 1096}) with data.governance as governance

test_endless_retention_denied if not issue.allow with input as with_good({"retentionDays": 0}) with data.governance as governance

test_unknown_impact_denied if not issue.allow with input as with_good({"impact": "enormous"}) with data.governance as governance

test_without_governance_denied if not issue.allow with input as good with data.governance as {}

test_kept_for_a_day_allowed if issue.allow with input as with_good({"retentionDays": 1}) with data.governance as governance

test_kept_as_long_as_may_be_allowed if issue.allow with input as with_good({"retentionDays": 1095}) with data.governance as governance

test_approved_by_a_manager_denied if {
	not issue.allow with input as with_good({"approvals": [{"subject": "mia", "roles": ["manager"]}]}) with data.governance as governance
}

test_unknown_impact_with_second_person_denied if {
	not issue.allow with input as with_good({"impact": "enormous", "approvals": [executive("max")]}) with data.governance as governance
}

second := "a second person, an executive other than the one who proposed it, must approve a directive of high impact"

# At every bound there is no reason, and beyond it there is one.
test_reasons if {
	every c in [
		{"change": {"retentionDays": 1095}, "reasons": set()},
		{"change": {"impact": "high", "approvals": [executive("max")]}, "reasons": set()},
		{"change": {"roles": ["manager"]}, "reasons": {"only an executive issues a directive"}},
		{"change": {"goalState": "closed"}, "reasons": {"the goal is closed, not active"}},
		{"change": {"impact": "high"}, "reasons": {second}},
		{"change": {"approvals": []}, "reasons": {"an executive must approve it first"}},
		{"change": {"purposes": ["advertising"]}, "reasons": {"the governance directive does not allow the purpose advertising"}},
		{"change": {"minimumGroup": 9}, "reasons": {"groups must have at least 10 customers"}},
		{"change": {"retentionDays": 1096}, "reasons": {"nothing is kept for longer than 1095 days"}},
	] {
		issue.reasons == c.reasons with input as with_good(c.change) with data.governance as governance
	}
}
