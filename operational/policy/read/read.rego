# Who may see sources, imports, directives, counts and summaries. No person is in them, and being allowed to is counted and
# not recorded: a page asks all the time. What tells of persons is an action, and recorded.
package strata.operational.read

default allow := false

allow if {
	some role in input.roles
	role in {"executive", "manager", "steward", "service"}
}

reasons contains "only executives, managers, stewards and services read here" if not allow
