package strata.functional.trial_test

import data.strata.functional.trial

governance := {
	"minimumGroup": 10,
	"purposes": [{"purpose": "retention_analysis", "categories": ["identification", "transactional"]}],
	"retentionDays": {"identification": 1095, "transactional": 1095},
}

good := {
	"subject": "mia", "roles": ["manager"], "minimumGroup": 10, "retentionDays": 365,
	"uses": [{"parameter": "order_time", "dataType": "transactional", "purpose": "retention_analysis"}],
}

test_manager_allowed if trial.allow with input as good with data.governance as governance

test_steward_allowed if trial.allow with input as object.union(good, {"roles": ["steward"]}) with data.governance as governance

test_executive_denied if not trial.allow with input as object.union(good, {"roles": ["executive"]}) with data.governance as governance

test_service_denied if {
	not trial.allow with input as object.union(good, {"subject": "policy", "roles": ["service"]}) with data.governance as governance
}

test_other_purpose_denied if {
	uses := [{"parameter": "order_time", "dataType": "transactional", "purpose": "advertising"}]
	not trial.allow with input as object.union(good, {"uses": uses}) with data.governance as governance
}

test_small_group_denied if {
	not trial.allow with input as object.union(good, {"minimumGroup": 9}) with data.governance as governance
}

test_nothing_used_denied if not trial.allow with input as object.union(good, {"uses": []}) with data.governance as governance

test_without_governance_denied if not trial.allow with input as good with data.governance as {}

# At every bound there is no reason, and beyond it there is one.
test_reasons if {
	every c in [
		{"change": {"roles": ["steward"]}, "reasons": set()},
		{"change": {"roles": ["executive"]}, "reasons": {"only managers and stewards may try a metric"}},
		{"change": {"minimumGroup": 9}, "reasons": {"groups must have at least 10 customers"}},
		{
			"change": {"uses": [{"parameter": "order_time", "dataType": "transactional", "purpose": "advertising"}]},
			"reasons": {"order_time may not be used for advertising: ask for it in the governance directive"},
		},
	] {
		trial.reasons == c.reasons with input as object.union(good, c.change) with data.governance as governance
	}
}
