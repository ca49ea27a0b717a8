package strata.operational.insight_test

import data.strata.operational.insight

governance := {"minimumGroup": 10}

good := {"metric": "repeat_rate", "inForce": true, "tells": true, "smallestGroup": 10, "minimumGroup": 10}

silent := {"metric": "repeat_rate", "inForce": false, "tells": false, "smallestGroup": 0, "minimumGroup": 10}

test_large_group_allowed if insight.allow with input as good with data.governance as governance

test_small_group_denied if not insight.allow with input as object.union(good, {"smallestGroup": 9}) with data.governance as governance

test_nobody_with_a_value_denied if not insight.allow with input as object.union(good, {"smallestGroup": 0}) with data.governance as governance

test_smaller_than_the_directive_wants_denied if {
	not insight.allow with input as object.union(good, {"smallestGroup": 19, "minimumGroup": 20}) with data.governance as governance
}

test_small_group_has_a_reason if {
	count(insight.reasons) == 1 with input as object.union(good, {"smallestGroup": 9}) with data.governance as governance
}

test_unasked_denied if not insight.allow with input as object.union(good, {"inForce": false}) with data.governance as governance

test_end_allowed if insight.allow with input as silent with data.governance as governance

test_end_with_customers_denied if not insight.allow with input as object.union(silent, {"smallestGroup": 12}) with data.governance as governance

test_without_governance_denied if not insight.allow with input as good with data.governance as {}

test_end_without_governance_denied if not insight.allow with input as silent with data.governance as {}
