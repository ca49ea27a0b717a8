package strata.strategic.action_test

import data.strata.strategic.action

governance := {"roles": {"executive": ["set_goal"], "manager": ["read"]}}

test_executive_sets_goal_allowed if {
	action.allow with input as {"subject": "eva", "roles": ["executive"], "action": "set_goal"} with data.governance as governance
}

test_executive_governs_first_allowed if {
	action.allow with input as {"subject": "eva", "roles": ["executive"], "action": "approve_governance"} with data.governance as {}
}

test_without_governance_denied if {
	not action.allow with input as {"subject": "eva", "roles": ["executive"], "action": "set_goal"} with data.governance as {}
}

test_without_governance_says_so if {
	some reason in action.reasons with input as {"subject": "eva", "roles": ["executive"], "action": "set_goal"} with data.governance as {}
	contains(reason, "two different executives")
}

test_manager_sets_goal_denied if {
	not action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "set_goal"} with data.governance as governance
}

test_manager_governs_denied if {
	not action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "approve_governance"} with data.governance as governance
}

test_unknown_action_denied if {
	not action.allow with input as {"subject": "eva", "roles": ["executive"], "action": "drop_tables"} with data.governance as governance
}

test_nobody_denied if {
	not action.allow with input as {"subject": "", "roles": [], "action": "set_goal"} with data.governance as governance
}
