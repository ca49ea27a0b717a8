package strata.operational.use_test

import data.strata.operational.use

governance := {"purposes": [{"purpose": "retention_analysis", "categories": ["identification", "transactional"]}]}

test_governed_allowed if {
	use.allow with input as {"purpose": "retention_analysis", "dataType": "transactional"} with data.governance as governance
}

test_other_type_denied if {
	not use.allow with input as {"purpose": "retention_analysis", "dataType": "conversed"} with data.governance as governance
}

test_other_purpose_denied if {
	not use.allow with input as {"purpose": "advertising", "dataType": "transactional"} with data.governance as governance
}

test_without_governance_denied if {
	not use.allow with input as {"purpose": "retention_analysis", "dataType": "transactional"} with data.governance as {}
}

test_reasons if {
	every c in [
		{"type": "transactional", "reasons": set()},
		{"type": "conversed", "reasons": {"conversed may not be collected for retention_analysis: ask for it in the governance directive"}},
	] {
		use.reasons == c.reasons with input as {"purpose": "retention_analysis", "dataType": c.type} with data.governance as governance
	}
}
