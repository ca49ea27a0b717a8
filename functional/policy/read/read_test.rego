package strata.functional.read_test

import data.strata.functional.read

test_collector_denied if not read.allow with input as {"subject": "shop", "roles": ["collector"]}

test_nobody_denied if not read.allow with input as {"subject": "", "roles": []}

test_every_reader_allowed if {
	every role in ["executive", "manager", "steward", "service"] {
		read.allow with input as {"subject": "x", "roles": [role]}
		read.reasons == set() with input as {"subject": "x", "roles": [role]}
	}
}

test_denied_with_the_reason if {
	read.reasons == {"only executives, managers, stewards and services see plans and measurements"} with input as {"subject": "x", "roles": ["collector"]}
}
