# May this directive pass as one of normal impact? What is of high impact is data of the governance directive (highImpact):
# directives for some purposes, or that touch some types of data, or whose data are kept for long. Without a word from it, data
# that are kept for longer than the purposes' strictest type may be is of high impact. Whoever drafts may always say high.
package strata.strategic.impact

default allow := false

allow if {
	input.impact == "normal"
	input.retentionDays <= longest
	count(named_purposes) == 0
	count(named_types) == 0
}

named := object.get(data.governance, "highImpact", {})

# types are the types of data that the directive's purposes cover.
types contains type if {
	some rule in data.governance.purposes
	rule.purpose in input.purposes
	some type in rule.categories
}

# strictest is undefined, and allow with it, where the purposes cover nothing: without a purpose, or for one that governance has not.
strictest := min([data.governance.retentionDays[type] | some type in types])

longest := object.get(named, "retentionDays", strictest)

named_purposes := {purpose | some purpose in input.purposes; purpose in object.get(named, "purposes", [])}

named_types := {type | some type in types; type in object.get(named, "dataTypes", [])}

reasons contains sprintf("the governance directive makes the purpose %s one of high impact", [purpose]) if some purpose in named_purposes

reasons contains sprintf("the governance directive makes %s data a matter of high impact", [type]) if some type in named_types

reasons contains sprintf("to keep data for %d days, longer than %d, is of high impact", [input.retentionDays, longest]) if {
	input.retentionDays > longest
}

reasons contains "it was drafted as one of high impact" if input.impact == "high"
