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
