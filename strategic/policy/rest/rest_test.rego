package strata.strategic.rest_test

import data.strata.strategic.rest

test_nothing_fell_allowed if rest.allow with input as {"fallen": []} with data.governance as {"fallenInsight": "status"}

test_as_shipped_allowed if rest.allow with input as {"fallen": ["velocity"]} with data.governance as {"minimumGroup": 10}

test_proof_only_allowed if rest.allow with input as {"fallen": ["velocity"]} with data.governance as {"fallenInsight": "proof"}

test_status_too_denied if not rest.allow with input as {"fallen": ["velocity"]} with data.governance as {"fallenInsight": "status"}

test_status_too_says_why if {
	some reason in rest.reasons with input as {"fallen": ["velocity"]} with data.governance as {"fallenInsight": "status"}
	contains(reason, "velocity failed")
}

test_unknown_choice_denied if not rest.allow with input as {"fallen": ["velocity"]} with data.governance as {"fallenInsight": "whatever"}

# Nobody chose: what is shipped holds, with no governance directive as with one that does not speak of it.
test_no_choice_allowed if {
	every given in [{}, {"fallenInsight": ""}] {
		rest.allow with input as {"fallen": ["velocity"]} with data.governance as given
	}
}

test_what_is_allowed_has_no_reason if {
	rest.reasons == set() with input as {"fallen": ["velocity"]} with data.governance as {"fallenInsight": "proof"}
}
