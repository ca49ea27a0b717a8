package strata.functional.read_test

import data.strata.functional.read

test_executive_allowed if read.allow with input as {"subject": "eva", "roles": ["executive"]}

test_steward_allowed if read.allow with input as {"subject": "sam", "roles": ["steward"]}

test_service_allowed if read.allow with input as {"subject": "s", "roles": ["service"]}

test_collector_denied if not read.allow with input as {"subject": "shop", "roles": ["collector"]}

test_nobody_denied if not read.allow with input as {"subject": "", "roles": []}
