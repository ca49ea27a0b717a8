package strata.strategic.knowledge_test

import data.strata.strategic.knowledge

holding := {"volume": "holds", "velocity": "holds", "variety": "holds", "variability": "holds", "veracity": "holds"}

good := {
	"step": "accept", "state": "published", "verdicts": holding, "tolerance": 0.05, "limit": 0.1, "expiresInHours": 24,
	"n": 3318, "bounded": "yes",
}

with_good(change) := object.union(good, change)

but(question, verdict) := with_good({"verdicts": object.union(holding, {question: verdict})})

test_all_five_hold_allowed if knowledge.allow with input as good

test_republished_allowed if knowledge.allow with input as with_good({"state": "republished"})

test_tolerance_of_the_directive_allowed if knowledge.allow with input as with_good({"tolerance": 0.1})

test_each_of_five_denied if {
	every question in ["volume", "velocity", "variety", "variability", "veracity"] {
		every verdict in ["weakening", "fails", "not_enough_data", "", "maybe"] {
			not knowledge.allow with input as but(question, verdict)
		}
	}
}

test_a_missing_verdict_denied if {
	not knowledge.allow with input as json.patch(good, [{"op": "remove", "path": "/verdicts/veracity"}])
}

test_candidate_denied if not knowledge.allow with input as with_good({"state": "candidate"})

test_expired_insight_denied if not knowledge.allow with input as with_good({"state": "expired"})

test_time_over_denied if not knowledge.allow with input as with_good({"expiresInHours": 0})

test_wider_than_the_directive_denied if not knowledge.allow with input as with_good({"tolerance": 0.11})

test_no_tolerance_denied if not knowledge.allow with input as with_good({"tolerance": 0})

test_few_customers_denied if not knowledge.allow with input as with_good({"n": 99})

test_few_customers_without_bounds_denied if not knowledge.allow with input as with_good({"n": 399, "bounded": "no"})

test_enough_customers_without_bounds_allowed if knowledge.allow with input as with_good({"n": 400, "bounded": "no"})

test_unknown_step_denied if not knowledge.allow with input as with_good({"step": "insist"})

test_weakening_keeps_allowed if {
	knowledge.allow with input as object.union(but("variety", "weakening"), {"step": "keep"})
}

test_too_little_data_keeps_allowed if {
	knowledge.allow with input as object.union(but("velocity", "not_enough_data"), {"step": "keep"})
}

test_a_fallen_one_keeps_denied if {
	not knowledge.allow with input as object.union(but("velocity", "fails"), {"step": "keep"})
}

test_a_fallen_one_says_which if {
	some reason in knowledge.reasons with input as object.union(but("velocity", "fails"), {"step": "keep"})
	reason == "velocity failed"
}

test_an_expired_one_keeps_denied if not knowledge.allow with input as with_good({"step": "keep", "expiresInHours": -1})

test_the_last_hour_allowed if knowledge.allow with input as with_good({"expiresInHours": 1})

test_just_enough_customers_allowed if knowledge.allow with input as with_good({"n": 100})

# At every bound there is no reason, and beyond it there is one.
test_reasons if {
	every c in [
		{"input": with_good({"tolerance": 0.1, "n": 100, "expiresInHours": 1}), "reasons": set()},
		{"input": but("velocity", "fails"), "reasons": {"velocity failed"}},
		{"input": but("velocity", "weakening"), "reasons": {"velocity does not hold yet"}},
		{"input": but("velocity", "not_enough_data"), "reasons": {"velocity does not hold yet"}},
		{"input": object.union(but("velocity", "weakening"), {"step": "keep"}), "reasons": set()},
		{"input": with_good({"tolerance": 0.11}), "reasons": {"its tolerance is wider than the directive's"}},
		{"input": with_good({"expiresInHours": 0}), "reasons": {"its time is over: it was not examined again"}},
		{"input": with_good({"n": 99}), "reasons": {"it rests on fewer than 100 customers"}},
	] {
		knowledge.reasons == c.reasons with input as c.input
	}
}
