package strata.operational.directive_test

import data.strata.operational.directive

governance := {"minimumGroup": 10, "retentionDays": {"identification": 1095, "transactional": 1095}}

good := {
	"id": "od-1", "decision": "d", "purposes": ["retention_analysis"], "dataTypes": ["identification", "transactional"],
	"minimumGroup": 10, "retentionDays": 365,
}

test_governed_allowed if directive.allow with input as good with data.governance as governance

test_undecided_denied if not directive.allow with input as object.union(good, {"decision": ""}) with data.governance as governance

test_purposeless_denied if not directive.allow with input as object.union(good, {"purposes": []}) with data.governance as governance

test_small_group_denied if not directive.allow with input as object.union(good, {"minimumGroup": 9}) with data.governance as governance

test_long_retention_denied if {
	not directive.allow with input as object.union(good, {"retentionDays": 1096}) with data.governance as governance
}

test_unknown_type_denied if {
	not directive.allow with input as object.union(good, {"dataTypes": ["gossip"]}) with data.governance as governance
}

test_endless_retention_denied if {
	not directive.allow with input as object.union(good, {"retentionDays": 0}) with data.governance as governance
}

test_without_governance_denied if not directive.allow with input as good with data.governance as {}

test_larger_groups_and_shorter_retention_allowed if {
	directive.allow with input as object.union(good, {"minimumGroup": 11, "retentionDays": 1}) with data.governance as governance
}

test_kept_as_long_as_may_be_allowed if directive.allow with input as object.union(good, {"retentionDays": 1095}) with data.governance as governance

# At every bound there is no reason, and beyond it there is one.
test_reasons if {
	every c in [
		{"change": {"retentionDays": 1095}, "reasons": set()},
		{"change": {"decision": ""}, "reasons": {"the directive names no decision that let it be issued"}},
		{"change": {"purposes": []}, "reasons": {"the directive names no purpose"}},
		{"change": {"minimumGroup": 9}, "reasons": {"groups must have at least 10 customers"}},
		{
			"change": {"retentionDays": 1096, "dataTypes": ["transactional"]},
			"reasons": {"transactional may be kept for 1095 days at most"},
		},
	] {
		directive.reasons == c.reasons with input as object.union(good, c.change) with data.governance as governance
	}
}
