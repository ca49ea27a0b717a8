# Who may change what over the functional API: what the governance directive in force gives to a role, so without one it is denied.
package strata.functional.action

default allow := false

allow if {
	some role in input.roles
	input.action in data.governance.roles[role]
}

governed if count(data.governance.roles) > 0

reasons contains "no governance directive is in force: two different executives approve one first" if not governed

reasons contains sprintf("none of your roles may %s", [input.action]) if {
	not allow
	governed
}
