# May an insight go up? Only about groups that are large enough, and for a directive that is carried out.
package strata.operational.insight

default allow := false

allow if {
	input.inForce == true
	input.tells == true
	input.smallestGroup >= data.governance.minimumGroup
	input.smallestGroup >= input.minimumGroup
}

# One that tells of nobody says why there is no value, or that it has ended with its directive; it takes an earlier value back.
allow if {
	input.tells == false
	input.smallestGroup == 0
	data.governance.minimumGroup > 0
}

reasons contains sprintf("the smallest group has %d customers, fewer than %d", [input.smallestGroup, least]) if {
	some least in [data.governance.minimumGroup, input.minimumGroup]
	input.tells == true
	input.smallestGroup < least
}

reasons contains "no directive in force asks for it" if {
	input.inForce == false
	input.tells == true
}
