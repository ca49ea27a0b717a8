# Who may do what over the operational API, but for reading what tells of nobody: that is the rule read. Sending collected items is decided by the source's write key, not here.
package strata.operational.action

default allow := false

allow if {
	some role in input.roles
	input.action in granted[role]
}

granted := {
	"manager": ["export_people"],
	"steward": ["register_source", "import", "declare_complete", "export_people", "erase_person", "disclose_person"],
	"collector": ["import", "declare_complete"],
}

reasons contains sprintf("none of your roles may %s", [input.action]) if not allow
