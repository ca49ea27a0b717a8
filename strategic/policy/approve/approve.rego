# May this person approve a directive? An executive may; one of high impact needs another person than its proposer.
package strata.strategic.approve

default allow := false

allow if {
	"executive" in input.roles
	input.impact == "normal"
}

allow if {
	"executive" in input.roles
	input.impact == "high"
	input.subject != input.proposedBy
}

reasons contains "only an executive approves a directive" if not "executive" in input.roles

reasons contains "a directive of high impact is approved by another person than the one who proposed it" if {
	input.impact == "high"
	input.subject == input.proposedBy
}
