# May a number go up? Only about groups that are large enough, for a directive that is carried out, and with its window.
package strata.operational.egress

default allow := false

allow if {
	input.inForce == true
	input.hasWindow == true
	input.smallestGroup >= data.governance.minimumGroup
	input.smallestGroup >= input.minimumGroup
}

# A message that tells of nobody says why there is no value, or that there is exactly none; it takes an earlier value back.
allow if {
	input.inForce == true
	input.hasWindow == true
	input.smallestGroup == 0
	data.governance.minimumGroup > 0
}

reasons contains sprintf("the smallest group has %d customers, fewer than %d", [input.smallestGroup, least]) if {
	some least in [data.governance.minimumGroup, input.minimumGroup]
	input.smallestGroup > 0
	input.smallestGroup < least
}

reasons contains "no directive in force asks for it" if input.inForce == false

reasons contains "a number never goes up without its window" if input.hasWindow == false
