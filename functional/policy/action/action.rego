# Who may change what over the functional API.
package strata.functional.action

default allow := false

allow if {
	some role in input.roles
	input.action in granted[role]
}

granted := {
	"manager": [
		"edit_plan", "approve_plan", "define_metric", "review_metric", "certify_metric", "retire_metric", "try_metric",
	],
	"steward": ["define_metric", "review_metric", "try_metric"],
}

reasons contains sprintf("none of your roles may %s", [input.action]) if not allow
