package strata.functional.plan_test

import data.strata.functional.plan

governance := {
	"minimumGroup": 10,
	"purposes": [{"purpose": "retention_analysis", "categories": ["identification", "transactional"]}],
	"retentionDays": {"identification": 1095, "transactional": 1095},
}

good := {
	"subject": "mia", "roles": ["manager"], "minimumGroup": 10, "retentionDays": 365,
	"uses": [{"parameter": "order_time", "dataType": "transactional", "purpose": "retention_analysis"}],
}

test_manager_allowed if plan.allow with input as good with data.governance as governance

test_policy_allowed if {
	plan.allow with input as object.union(good, {"subject": "policy", "roles": ["service"]}) with data.governance as governance
}

test_steward_denied if {
	not plan.allow with input as object.union(good, {"roles": ["steward"]}) with data.governance as governance
}

test_another_service_denied if {
	not plan.allow with input as object.union(good, {"roles": ["service"]}) with data.governance as governance
}

test_other_purpose_denied if {
	uses := [{"parameter": "order_time", "dataType": "transactional", "purpose": "advertising"}]
	not plan.allow with input as object.union(good, {"uses": uses}) with data.governance as governance
}

test_other_data_type_denied if {
	uses := [{"parameter": "exit_reason", "dataType": "conversed", "purpose": "retention_analysis"}]
	not plan.allow with input as object.union(good, {"uses": uses}) with data.governance as governance
}

test_small_group_denied if {
	not plan.allow with input as object.union(good, {"minimumGroup": 9}) with data.governance as governance
}

test_long_retention_denied if {
	not plan.allow with input as object.union(good, {"retentionDays": 1096}) with data.governance as governance
}

test_endless_retention_denied if {
	not plan.allow with input as object.union(good, {"retentionDays": 0}) with data.governance as governance
}

test_empty_plan_denied if not plan.allow with input as object.union(good, {"uses": []}) with data.governance as governance

test_without_governance_denied if not plan.allow with input as good with data.governance as {}
