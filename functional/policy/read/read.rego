# Who may see plans, metrics and what was measured. Nobody is told of in it, so that being allowed to is counted and not
# recorded: a dashboard asks all the time.
package strata.functional.read

default allow := false

allow if {
	some role in input.roles
	role in {"executive", "manager", "steward", "service"}
}

reasons contains "only executives, managers, stewards and services see plans and measurements" if not allow
