# May this directive pass as one of normal impact? What is of high impact is data of the governance directive (highImpact):
# directives for some purposes, or that touch some types of data, or whose data are kept for long. Without a word from it, data
# that are kept for longer than the purposes' strictest type may be is of high impact. Whoever drafts may always say high.
package strata.strategic.impact

default allow := false

allow if {
	input.impact == "normal"
	count(input.purposes) > 0
	count(data.governance.purposes) > 0
	count(weighty) == 0
}

named := object.get(data.governance, "highImpact", {})

# types are the types of data that the directive's purposes cover.
types contains type if {
	some rule in data.governance.purposes
	rule.purpose in input.purposes
	some type in rule.categories
}

longest := named.retentionDays if named.retentionDays > 0

longest := min([data.governance.retentionDays[type] | some type in types]) if not named.retentionDays > 0

weighty contains sprintf("the governance directive makes the purpose %s one of high impact", [purpose]) if {
	some purpose in input.purposes
	purpose in object.get(named, "purposes", [])
}

weighty contains sprintf("the governance directive makes %s data a matter of high impact", [type]) if {
	some type in types
	type in object.get(named, "dataTypes", [])
}

weighty contains sprintf("to keep data for %d days, longer than %d, is of high impact", [input.retentionDays, longest]) if {
	input.retentionDays > longest
}

reasons contains reason if some reason in weighty

reasons contains "it was drafted as one of high impact" if input.impact == "high"
