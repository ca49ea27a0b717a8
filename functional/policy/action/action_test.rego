package strata.functional.action_test

import data.strata.functional.action

test_manager_edits_allowed if action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "edit_plan"}

test_steward_defines_allowed if action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "define_metric"}

test_steward_reviews_allowed if action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "review_metric"}

test_manager_certifies_allowed if action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "certify_metric"}

test_manager_retires_allowed if action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "retire_metric"}

test_steward_tries_allowed if action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "try_metric"}

test_steward_certifies_denied if not action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "certify_metric"}

test_steward_retires_denied if not action.allow with input as {"subject": "sam", "roles": ["steward"], "action": "retire_metric"}

test_executive_tries_denied if not action.allow with input as {"subject": "eva", "roles": ["executive"], "action": "try_metric"}

test_service_reviews_denied if not action.allow with input as {"subject": "s", "roles": ["service"], "action": "review_metric"}

test_executive_edits_denied if not action.allow with input as {"subject": "eva", "roles": ["executive"], "action": "edit_plan"}

test_collector_edits_denied if not action.allow with input as {"subject": "c", "roles": ["collector"], "action": "edit_plan"}

test_nobody_denied if not action.allow with input as {"subject": "", "roles": [], "action": "edit_plan"}

test_unknown_action_denied if not action.allow with input as {"subject": "mia", "roles": ["manager"], "action": "drop_tables"}
