# May data of a type be collected for a purpose? Only as the governance directive allows.
package strata.operational.use

default allow := false

allow if {
	some rule in data.governance.purposes
	rule.purpose == input.purpose
	input.dataType in rule.categories
}

reasons contains sprintf("%s may not be collected for %s: ask for it in the governance directive", [input.dataType, input.purpose]) if not allow
