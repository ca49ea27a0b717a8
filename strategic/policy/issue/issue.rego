# May this directive be sent down? An executive sends it, for an active goal, when it was approved by enough people, and when
# it asks for nothing that the governance directive does not allow.
package strata.strategic.issue

default allow := false

allow if {
	"executive" in input.roles
	input.goalState == "active"
	approved
	count(input.purposes) > 0
	every purpose in input.purposes {
		purpose in allowed_purposes
	}
	input.minimumGroup >= data.governance.minimumGroup
	input.retentionDays > 0
	input.retentionDays <= longest
}

approved if {
	input.impact == "normal"
	some approval in input.approvals
	"executive" in approval.roles
}

approved if {
	input.impact == "high"
	some approval in input.approvals
	"executive" in approval.roles
	approval.subject != input.proposedBy
}

allowed_purposes contains rule.purpose if some rule in data.governance.purposes

longest := max([days | some days in data.governance.retentionDays])

reasons contains "only an executive issues a directive" if not "executive" in input.roles

reasons contains sprintf("the goal is %s, not active", [input.goalState]) if input.goalState != "active"

reasons contains "a second person, an executive other than the one who proposed it, must approve a directive of high impact" if {
	input.impact == "high"
	not approved
}

reasons contains "an executive must approve it first" if {
	input.impact == "normal"
	not approved
}

reasons contains sprintf("the governance directive does not allow the purpose %s", [purpose]) if {
	some purpose in input.purposes
	not purpose in allowed_purposes
}

reasons contains sprintf("groups must have at least %d customers", [data.governance.minimumGroup]) if {
	input.minimumGroup < data.governance.minimumGroup
}

reasons contains sprintf("nothing is kept for longer than %d days", [longest]) if input.retentionDays > longest
