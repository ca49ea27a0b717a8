package strata.functional.action_test

import data.strata.functional.action

governance := {"roles": {
	"manager": ["read", "edit_plan", "approve_plan", "define_metric", "review_metric", "certify_metric", "retire_metric", "try_metric"],
	"steward": ["read", "define_metric", "review_metric", "try_metric"],
	"executive": ["read"],
	"collector": ["import"],
	"service": ["read"],
}}

may(role, what) if {
	action.allow with input as {"subject": "x", "roles": [role], "action": what} with data.governance as governance
}

test_manager_allowed if {
	every what in ["edit_plan", "approve_plan", "define_metric", "review_metric", "certify_metric", "retire_metric", "try_metric"] {
		may("manager", what)
	}
}

test_steward_allowed if {
	every what in ["define_metric", "review_metric", "try_metric"] {
		may("steward", what)
	}
}

test_steward_denied if {
	every what in ["edit_plan", "approve_plan", "certify_metric", "retire_metric"] {
		not may("steward", what)
	}
}

test_others_denied if {
	every role in ["executive", "collector", "service"] {
		every what in ["edit_plan", "approve_plan", "define_metric", "review_metric", "certify_metric", "retire_metric", "try_metric"] {
			not may(role, what)
		}
	}
}

# Governance takes an action from a role, and gives it to another.
test_taken_denied if {
	not action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "approve_plan"}
		with data.governance as {"roles": {"manager": ["edit_plan"], "executive": ["approve_plan"]}}
}

test_given_allowed if {
	action.allow with input as {"subject": "eva", "roles": ["executive"], "action": "approve_plan"}
		with data.governance as {"roles": {"manager": ["edit_plan"], "executive": ["approve_plan"]}}
}

test_without_governance_denied if {
	not action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "edit_plan"} with data.governance as {}
}

test_without_governance_says_so if {
	some reason in action.reasons with input as {"subject": "mia", "roles": ["manager"], "action": "edit_plan"} with data.governance as {}
	contains(reason, "two different executives")
}

test_nobody_denied if {
	not action.allow with input as {"subject": "", "roles": [], "action": "edit_plan"} with data.governance as governance
}

test_unknown_action_denied if not may("manager", "drop_tables")

test_what_is_allowed_has_no_reason if {
	action.reasons == set() with input as {"subject": "x", "roles": ["manager"], "action": "edit_plan"}
		with data.governance as {"roles": {"manager": ["edit_plan"]}}
}

test_one_role_is_governance_enough_to_say_so if {
	action.reasons == {"none of your roles may edit_plan"} with input as {"subject": "x", "roles": ["nobody"], "action": "edit_plan"}
		with data.governance as {"roles": {"manager": ["edit_plan"]}}
}

test_roles_that_give_nothing_are_no_governance if {
	every given in [{}, {"roles": {}}] {
		some reason in action.reasons with input as {"subject": "x", "roles": ["manager"], "action": "edit_plan"} with data.governance as given
		contains(reason, "two different executives")
		count(action.reasons) == 1 with input as {"subject": "x", "roles": ["manager"], "action": "edit_plan"} with data.governance as given
	}
}
