package strata.operational.read_test

import data.strata.operational.read

test_readers_allowed if {
	every role in ["executive", "manager", "steward", "service"] {
		read.allow with input as {"subject": "x", "roles": [role]}
	}
}

test_collector_denied if not read.allow with input as {"subject": "c", "roles": ["collector"]}

test_nobody_denied if not read.allow with input as {"subject": "", "roles": []}
