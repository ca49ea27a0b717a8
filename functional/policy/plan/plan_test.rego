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

test_larger_groups_and_shorter_retention_allowed if {
	plan.allow with input as object.union(good, {"minimumGroup": 11, "retentionDays": 1}) with data.governance as governance
}

test_kept_as_long_as_may_be_allowed if plan.allow with input as object.union(good, {"retentionDays": 1095}) with data.governance as governance

test_a_person_who_is_called_policy_denied if {
	not plan.allow with input as object.union(good, {"subject": "policy", "roles": ["steward"]}) with data.governance as governance
}

test_a_type_that_its_purpose_does_not_cover_denied if {
	uses := [{"parameter": "email", "dataType": "probe", "purpose": "retention_analysis"}]
	kept := object.union(governance, {"retentionDays": {"probe": 365}})
	not plan.allow with input as object.union(good, {"uses": uses}) with data.governance as kept
}

# At every bound there is no reason, and beyond it there is one.
test_reasons if {
	every c in [
		{"change": {"retentionDays": 1095}, "reasons": set()},
		{"change": {"roles": ["steward"]}, "reasons": {"only a manager may approve a plan"}},
		{"change": {"minimumGroup": 9}, "reasons": {"groups must have at least 10 customers"}},
		{"change": {"retentionDays": 1096}, "reasons": {"transactional may be kept for 1095 days at most"}},
		{
			"change": {"uses": [{"parameter": "order_time", "dataType": "transactional", "purpose": "advertising"}]},
			"reasons": {"order_time may not be used for advertising: ask for it in the governance directive"},
		},
	] {
		plan.reasons == c.reasons with input as object.union(good, c.change) with data.governance as governance
	}
}
