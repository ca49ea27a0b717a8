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

test_what_is_allowed_has_no_reason if {
	action.reasons == set() with input as {"subject": "x", "roles": ["executive"], "action": "set_goal"}
		with data.governance as {"roles": {"executive": ["set_goal"]}}
}

test_one_role_is_governance_enough_to_say_so if {
	action.reasons == {"none of your roles may set_goal"} with input as {"subject": "x", "roles": ["nobody"], "action": "set_goal"}
		with data.governance as {"roles": {"executive": ["set_goal"]}}
}

test_roles_that_give_nothing_are_no_governance if {
	every given in [{}, {"roles": {}}] {
		some reason in action.reasons with input as {"subject": "x", "roles": ["executive"], "action": "set_goal"} with data.governance as given
		contains(reason, "two different executives")
		count(action.reasons) == 1 with input as {"subject": "x", "roles": ["executive"], "action": "set_goal"} with data.governance as given
	}
}

test_executives_govern_without_governance_allowed if {
	every what in ["propose_governance", "approve_governance", "withdraw_governance"] {
		action.allow with input as {"subject": "eva", "roles": ["executive"], "action": what} with data.governance as {}
	}
}

test_governing_first_has_no_reason_against_it if {
	action.reasons == set() with input as {"subject": "eva", "roles": ["executive"], "action": "approve_governance"} with data.governance as {}
}
