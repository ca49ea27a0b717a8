# May this version of the governance directive be sent down? Two different executives must have approved it, and it may not
# fall below what protects a customer whatever the company wishes: groups of ten, and an end to keeping.
package strata.strategic.governance

default allow := false

smallest_group := 10

longest := 3650

allow if {
	count(executives) >= 2
	input.minimumGroup >= smallest_group
	count(input.retentionDays) > 0
	every days in input.retentionDays {
		days > 0
		days <= longest
	}
	count(input.regions) > 0
}

executives contains approval.subject if {
	some approval in input.approvals
	"executive" in approval.roles
}

reasons contains "two different executives must approve the governance directive" if count(executives) < 2

reasons contains sprintf("groups of fewer than %d customers may never be shown", [smallest_group]) if input.minimumGroup < smallest_group

reasons contains sprintf("%s data may be kept for %d days at most", [type, longest]) if {
	some type, days in input.retentionDays
	days > longest
}
