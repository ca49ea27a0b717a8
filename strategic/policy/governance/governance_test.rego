package strata.strategic.governance_test

import data.strata.strategic.governance

executive(subject) := {"subject": subject, "roles": ["executive"]}

good := {
	"approvals": [executive("eva"), executive("max")], "minimumGroup": 10,
	"retentionDays": {"transactional": 1095}, "regions": ["eu"],
}

test_two_executives_allowed if governance.allow with input as good

test_one_executive_denied if not governance.allow with input as object.union(good, {"approvals": [executive("eva")]})

test_one_executive_twice_denied if {
	not governance.allow with input as object.union(good, {"approvals": [executive("eva"), executive("eva")]})
}

test_a_manager_does_not_count_denied if {
	not governance.allow with input as object.union(good, {"approvals": [executive("eva"), {"subject": "mia", "roles": ["manager"]}]})
}

test_small_groups_denied if not governance.allow with input as object.union(good, {"minimumGroup": 9})

test_keeping_for_ever_denied if {
	not governance.allow with input as object.union(good, {"retentionDays": {"transactional": 4000}})
}

test_no_region_denied if not governance.allow with input as object.union(good, {"regions": []})

test_no_retention_denied if {
	not governance.allow with input as json.patch(good, [{"op": "replace", "path": "/retentionDays", "value": {}}])
}
