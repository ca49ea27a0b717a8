# Who may do what over the operational API, but for reading what tells of nobody, which is the rule read: what the governance directive in force gives to a role, so without one it is denied.
# Only people's rights do not hang on it: a steward may always tell people what is held of them, and erase them. Sending
# collected items is decided by the source's write key, not here.
package strata.operational.action

default allow := false

allow if {
	"steward" in input.roles
	input.action in {"disclose_person", "erase_person"}
}

allow if {
	some role in input.roles
	input.action in data.governance.roles[role]
}

governed if count(data.governance.roles) > 0

reasons contains "no governance directive is in force: two different executives approve one first" if {
	not allow
	not governed
}

reasons contains sprintf("none of your roles may %s", [input.action]) if {
	not allow
	governed
}
