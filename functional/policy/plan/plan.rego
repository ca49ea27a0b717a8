# May this plan be approved? Managers approve, and policy itself where the layers overlap; what the plan collects must
# serve a purpose that governance allows for that type of data, for no longer than governance keeps it, and in groups no
# smaller than governance shows.
package strata.functional.plan

default allow := false

allow if {
	may_approve
	count(input.uses) > 0
	every use in input.uses {
		allowed_use(use)
	}
	input.minimumGroup >= data.governance.minimumGroup
	input.retentionDays > 0
	every use in input.uses {
		input.retentionDays <= data.governance.retentionDays[use.dataType]
	}
}

may_approve if "manager" in input.roles

may_approve if {
	input.subject == "policy"
	"service" in input.roles
}

allowed_use(use) if {
	some rule in data.governance.purposes
	rule.purpose == use.purpose
	use.dataType in rule.categories
}

reasons contains "only a manager may approve a plan" if not may_approve

reasons contains sprintf("%s may not be used for %s: ask for it in the governance directive", [use.parameter, use.purpose]) if {
	some use in input.uses
	not allowed_use(use)
}

reasons contains sprintf("groups must have at least %d customers", [data.governance.minimumGroup]) if {
	input.minimumGroup < data.governance.minimumGroup
}

reasons contains sprintf("%s may be kept for %d days at most", [use.dataType, data.governance.retentionDays[use.dataType]]) if {
	some use in input.uses
	input.retentionDays > data.governance.retentionDays[use.dataType]
}
