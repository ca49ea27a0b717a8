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

kept(days) := object.union(good, {"retentionDays": {"transactional": days}})

test_kept_for_a_day_or_for_ten_years_allowed if {
	every days in [1, 3650] {
		governance.allow with input as kept(days)
	}
}

test_kept_for_no_time_denied if {
	every days in [0, -1, 3651] {
		not governance.allow with input as kept(days)
	}
}

# One type of data that is kept for ever spoils all.
test_one_type_too_long_denied if {
	not governance.allow with input as object.union(good, {"retentionDays": {"transactional": 1095, "probe": 3651}})
}

test_reasons if {
	every c in [
		{"input": kept(3650), "reasons": set()},
		{"input": kept(3651), "reasons": {"transactional data may be kept for 3650 days at most"}},
		{
			"input": object.union(good, {"approvals": [executive("eva")]}),
			"reasons": {"two different executives must approve the governance directive"},
		},
		{"input": object.union(good, {"minimumGroup": 9}), "reasons": {"groups of fewer than 10 customers may never be shown"}},
	] {
		governance.reasons == c.reasons with input as c.input
	}
}
