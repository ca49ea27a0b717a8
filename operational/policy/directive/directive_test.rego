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
