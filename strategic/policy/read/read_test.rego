package strata.strategic.read_test

import data.strata.strategic.read

test_executive_allowed if read.allow with input as {"subject": "eva", "roles": ["executive"]}

test_steward_allowed if read.allow with input as {"subject": "sam", "roles": ["steward"]}

test_collector_denied if not read.allow with input as {"subject": "shop", "roles": ["collector"]}

test_nobody_denied if not read.allow with input as {"subject": "", "roles": []}
