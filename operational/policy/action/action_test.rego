package strata.operational.action_test

import data.strata.operational.action

governance := {"roles": {
	"executive": ["read"],
	"manager": ["read", "export_people"],
	"steward": ["read", "register_source", "import", "declare_complete", "export_people", "erase_person", "disclose_person"],
	"collector": ["import", "declare_complete"],
	"service": ["read"],
}}

all_actions := ["register_source", "import", "declare_complete", "export_people", "erase_person", "disclose_person"]

may(role, what) if {
	action.allow with input as {"subject": "x", "roles": [role], "action": what} with data.governance as governance
}

test_steward_allowed if {
	every what in all_actions {
		may("steward", what)
	}
}

test_collector_allowed if {
	every what in ["import", "declare_complete"] {
		may("collector", what)
	}
}

test_manager_allowed if {
	may("manager", "export_people")
}

test_collector_denied if {
	every what in ["register_source", "export_people", "erase_person", "disclose_person"] {
		not may("collector", what)
	}
}

test_manager_denied if {
	every what in ["register_source", "import", "declare_complete", "erase_person", "disclose_person"] {
		not may("manager", what)
	}
}

test_readers_denied if {
	every role in ["executive", "service"] {
		every what in all_actions {
			not may(role, what)
		}
	}
}

# Governance takes an action from a role, and gives it to another.
test_taken_denied if {
	not action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "register_source"}
		with data.governance as {"roles": {"steward": ["read"], "manager": ["register_source"]}}
}

test_given_allowed if {
	action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "register_source"}
		with data.governance as {"roles": {"steward": ["read"], "manager": ["register_source"]}}
}

# People's rights do not hang on governance.
test_rights_without_governance_allowed if {
	every what in ["erase_person", "disclose_person"] {
		action.allow with input as {"subject": "sam", "roles": ["steward"], "action": what} with data.governance as {}
	}
}

test_others_rights_without_governance_denied if {
	every role in ["executive", "manager", "collector", "service"] {
		every what in ["erase_person", "disclose_person"] {
			not action.allow with input as {"subject": "x", "roles": [role], "action": what} with data.governance as {}
		}
	}
}

test_without_governance_denied if {
	every what in ["register_source", "import", "declare_complete", "export_people"] {
		not action.allow with input as {"subject": "sam", "roles": ["steward"], "action": what} with data.governance as {}
	}
}

test_without_governance_says_so if {
	some reason in action.reasons with input as {"subject": "sam", "roles": ["steward"], "action": "import"} with data.governance as {}
	contains(reason, "two different executives")
}

test_nobody_denied if {
	not action.allow with input as {"subject": "", "roles": [], "action": "import"} with data.governance as governance
}

test_what_is_allowed_has_no_reason if {
	action.reasons == set() with input as {"subject": "x", "roles": ["steward"], "action": "import"}
		with data.governance as {"roles": {"steward": ["import"]}}
}

test_one_role_is_governance_enough_to_say_so if {
	action.reasons == {"none of your roles may import"} with input as {"subject": "x", "roles": ["nobody"], "action": "import"}
		with data.governance as {"roles": {"steward": ["import"]}}
}

test_roles_that_give_nothing_are_no_governance if {
	every given in [{}, {"roles": {}}] {
		some reason in action.reasons with input as {"subject": "x", "roles": ["steward"], "action": "import"} with data.governance as given
		contains(reason, "two different executives")
		count(action.reasons) == 1 with input as {"subject": "x", "roles": ["steward"], "action": "import"} with data.governance as given
	}
}

test_a_right_has_no_reason_against_it if {
	action.reasons == set() with input as {"subject": "sam", "roles": ["steward"], "action": "erase_person"} with data.governance as {}
}
