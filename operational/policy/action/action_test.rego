package strata.operational.action_test

import data.strata.operational.action

test_steward_registers_allowed if action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "register_source"}

test_collector_imports_allowed if action.allow with input as {"subject": "c", "roles": ["collector"], "action": "import"}

test_manager_registers_denied if not action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "register_source"}

test_collector_registers_denied if not action.allow with input as {"subject": "c", "roles": ["collector"], "action": "register_source"}

test_nobody_denied if not action.allow with input as {"subject": "", "roles": [], "action": "import"}

test_manager_exports_people_allowed if action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "export_people"}

test_executive_exports_people_denied if not action.allow with input as {"subject": "eve", "roles": ["executive"], "action": "export_people"}

test_steward_erases_allowed if action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "erase_person"}

test_others_erase_denied if {
	every role in ["executive", "manager", "collector", "service"] {
		not action.allow with input as {"subject": "x", "roles": [role], "action": "erase_person"}
	}
}

test_steward_discloses_allowed if action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "disclose_person"}

test_others_disclose_denied if {
	every role in ["executive", "manager", "collector", "service"] {
		not action.allow with input as {"subject": "x", "roles": [role], "action": "disclose_person"}
	}
}
