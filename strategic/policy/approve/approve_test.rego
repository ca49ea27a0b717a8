package strata.strategic.approve_test

import data.strata.strategic.approve

base := {"subject": "eva", "roles": ["executive"], "proposedBy": "eva", "impact": "normal"}

test_own_of_normal_impact_allowed if approve.allow with input as base

test_anothers_of_high_impact_allowed if approve.allow with input as object.union(base, {"impact": "high", "proposedBy": "max"})

test_own_of_high_impact_denied if not approve.allow with input as object.union(base, {"impact": "high"})

test_manager_denied if not approve.allow with input as object.union(base, {"roles": ["manager"]})

test_unknown_impact_denied if not approve.allow with input as object.union(base, {"impact": "enormous"})

test_manager_of_high_impact_denied if {
	not approve.allow with input as object.union(base, {"impact": "high", "proposedBy": "max", "roles": ["manager"]})
}

test_unknown_impact_of_another_denied if not approve.allow with input as object.union(base, {"impact": "enormous", "proposedBy": "max"})

test_reasons if {
	every c in [
		{"change": {}, "reasons": set()},
		{"change": {"impact": "high", "proposedBy": "max"}, "reasons": set()},
		{"change": {"roles": ["manager"]}, "reasons": {"only an executive approves a directive"}},
		{
			"change": {"impact": "high"},
			"reasons": {"a directive of high impact is approved by another person than the one who proposed it"},
		},
	] {
		approve.reasons == c.reasons with input as object.union(base, c.change)
	}
}
