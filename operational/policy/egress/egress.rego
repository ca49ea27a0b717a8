# May a number go up? Only about groups that are large enough, for a directive that is carried out, and with its window.
package strata.operational.egress

default allow := false

allow if {
	input.inForce == true
	input.smallestGroup >= data.governance.minimumGroup
	input.hasWindow == true
}

# A message without any value tells nothing about anybody: it says why there is none, and takes an earlier value back.
allow if {
	input.inForce == true
	input.hasValue == false
	input.hasWindow == true
}

reasons contains sprintf("the smallest group has %d customers, fewer than %d", [input.smallestGroup, data.governance.minimumGroup]) if {
	input.smallestGroup < data.governance.minimumGroup
}

reasons contains "no directive in force asks for it" if input.inForce == false

reasons contains "a number never goes up without its window" if input.hasWindow == false
