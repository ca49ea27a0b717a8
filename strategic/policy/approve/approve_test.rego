package strata.strategic.approve_test

import data.strata.strategic.approve

base := {"subject": "eva", "roles": ["executive"], "proposedBy": "eva", "impact": "normal"}

test_own_of_normal_impact_allowed if approve.allow with input as base

test_anothers_of_high_impact_allowed if approve.allow with input as object.union(base, {"impact": "high", "proposedBy": "max"})

test_own_of_high_impact_denied if not approve.allow with input as object.union(base, {"impact": "high"})

test_manager_denied if not approve.allow with input as object.union(base, {"roles": ["manager"]})

test_unknown_impact_denied if not approve.allow with input as object.union(base, {"impact": "enormous"})
