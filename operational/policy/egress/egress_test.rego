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

test_retraction_unasked_denied if {
	not egress.allow with input as object.union(good, {"smallestGroup": 0, "inForce": false}) with data.governance as governance
}

test_retraction_windowless_denied if {
	not egress.allow with input as object.union(good, {"smallestGroup": 0, "hasWindow": false}) with data.governance as governance
}

# A governance directive that shows groups of one is one; that of nobody is none.
test_retraction_under_any_governance_allowed if {
	egress.allow with input as object.union(good, {"smallestGroup": 0, "minimumGroup": 1}) with data.governance as {"minimumGroup": 1}
}

test_retraction_under_no_minimum_denied if {
	not egress.allow with input as object.union(good, {"smallestGroup": 0}) with data.governance as {"minimumGroup": 0}
}

# At every bound there is no reason, and beyond it there is one.
test_reasons if {
	every c in [
		{"change": {}, "reasons": set()},
		{"change": {"smallestGroup": 0}, "reasons": set()},
		{"change": {"smallestGroup": 1}, "reasons": {"the smallest group has 1 customers, fewer than 10"}},
		{"change": {"smallestGroup": 9}, "reasons": {"the smallest group has 9 customers, fewer than 10"}},
		{"change": {"smallestGroup": 19, "minimumGroup": 20}, "reasons": {"the smallest group has 19 customers, fewer than 20"}},
		{"change": {"inForce": false}, "reasons": {"no directive in force asks for it"}},
		{"change": {"hasWindow": false}, "reasons": {"a number never goes up without its window"}},
	] {
		egress.reasons == c.reasons with input as object.union(good, c.change) with data.governance as governance
	}
}
