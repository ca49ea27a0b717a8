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

# What tells of nobody and is about a group of any size contradicts itself.
test_silent_about_a_large_group_denied if {
	not insight.allow with input as object.union(good, {"tells": false}) with data.governance as governance
}

test_end_under_any_governance_allowed if insight.allow with input as silent with data.governance as {"minimumGroup": 1}

test_end_under_no_minimum_denied if not insight.allow with input as silent with data.governance as {"minimumGroup": 0}

# At every bound there is no reason, and beyond it there is one.
test_reasons if {
	every c in [
		{"change": {}, "reasons": set()},
		{"change": {"smallestGroup": 9}, "reasons": {"the smallest group has 9 customers, fewer than 10"}},
		{"change": {"smallestGroup": 19, "minimumGroup": 20}, "reasons": {"the smallest group has 19 customers, fewer than 20"}},
		{"change": {"inForce": false}, "reasons": {"no directive in force asks for it"}},
		{"change": {"inForce": false, "tells": false, "smallestGroup": 0}, "reasons": set()},
	] {
		insight.reasons == c.reasons with input as object.union(good, c.change) with data.governance as governance
	}
}
