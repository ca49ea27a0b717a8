# May a metric be tried on what a plan collects? Whoever may define metrics may try them; what it reads must serve a purpose
# that governance allows for that type of data, and groups are no smaller than governance shows.
package strata.functional.trial

import data.strata.functional.plan

default allow := false

allow if {
	may_try
	count(input.uses) > 0
	every use in input.uses {
		plan.allowed_use(use)
	}
	input.minimumGroup >= data.governance.minimumGroup
}

may_try if "manager" in input.roles

may_try if "steward" in input.roles

reasons contains "only managers and stewards may try a metric" if not may_try

reasons contains sprintf("%s may not be used for %s: ask for it in the governance directive", [use.parameter, use.purpose]) if {
	some use in input.uses
	not plan.allowed_use(use)
}

reasons contains sprintf("groups must have at least %d customers", [data.governance.minimumGroup]) if {
	input.minimumGroup < data.governance.minimumGroup
}
