package strata.operational.egress_test

import data.strata.operational.egress

governance := {"minimumGroup": 10}

good := {"metric": "repeat_rate", "inForce": true, "hasWindow": true, "smallestGroup": 10, "minimumGroup": 10}

test_large_group_allowed if egress.allow with input as good with data.governance as governance

test_retraction_allowed if egress.allow with input as object.union(good, {"smallestGroup": 0}) with data.governance as governance

test_small_group_denied if not egress.allow with input as object.union(good, {"smallestGroup": 9}) with data.governance as governance

test_one_customer_denied if not egress.allow with input as object.union(good, {"smallestGroup": 1}) with data.governance as governance

test_smaller_than_the_directive_wants_denied if {
	not egress.allow with input as object.union(good, {"smallestGroup": 19, "minimumGroup": 20}) with data.governance as governance
}

test_small_group_has_a_reason if {
	count(egress.reasons) == 1 with input as object.union(good, {"smallestGroup": 9}) with data.governance as governance
}

test_unasked_denied if not egress.allow with input as object.union(good, {"inForce": false}) with data.governance as governance

test_windowless_denied if not egress.allow with input as object.union(good, {"hasWindow": false}) with data.governance as governance

test_without_governance_denied if not egress.allow with input as good with data.governance as {}

test_retraction_without_governance_denied if {
	not egress.allow with input as object.union(good, {"smallestGroup": 0}) with data.governance as {}
}
