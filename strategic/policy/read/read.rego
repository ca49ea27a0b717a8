# Who may see goals, directives and the scorecard. It needs no governance directive: people must see what waits for them.
package strata.strategic.read

default allow := false

allow if {
	some role in input.roles
	role in {"executive", "manager", "steward", "service"}
}

reasons contains "only executives, managers, stewards and services see the scorecard" if not allow
