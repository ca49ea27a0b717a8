# Who may do what over the functional API.
package strata.functional.action

default allow := false

allow if {
	some role in input.roles
	input.action in granted[role]
}

granted := {
	"executive": ["read"],
	"manager": [
		"read", "edit_plan", "approve_plan", "define_metric", "review_metric", "certify_metric", "retire_metric", "try_metric",
	],
	"steward": ["read", "define_metric", "review_metric", "try_metric"],
	"service": ["read"],
}

reasons contains sprintf("none of your roles may %s", [input.action]) if not allow
