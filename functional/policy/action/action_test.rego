package strata.functional.action_test

import data.strata.functional.action

test_manager_edits_allowed if action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "edit_plan"}

test_steward_defines_allowed if action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "define_metric"}

test_executive_edits_denied if not action.allow with input as {"subject": "eva", "roles": ["executive"], "action": "edit_plan"}

test_collector_reads_denied if not action.allow with input as {"subject": "c", "roles": ["collector"], "action": "read"}

test_nobody_denied if not action.allow with input as {"subject": "", "roles": [], "action": "read"}

test_unknown_action_denied if not action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "drop_tables"}
