# May an operational directive be carried out? Purposes are decided one by one (rule use); here its constraints must be
# within the governance directive's, and it must come from a decision of the layer above.
package strata.operational.directive

default allow := false

allow if {
	input.decision != ""
	count(input.purposes) > 0
	input.minimumGroup >= data.governance.minimumGroup
	input.retentionDays > 0
	every dataType in input.dataTypes {
		input.retentionDays <= data.governance.retentionDays[dataType]
	}
}

reasons contains "the directive names no decision that let it be issued" if input.decision == ""

reasons contains "the directive names no purpose" if count(input.purposes) == 0

reasons contains sprintf("groups must have at least %d customers", [data.governance.minimumGroup]) if {
	input.minimumGroup < data.governance.minimumGroup
}

reasons contains sprintf("%s may be kept for %d days at most", [dataType, data.governance.retentionDays[dataType]]) if {
	some dataType in input.dataTypes
	input.retentionDays > data.governance.retentionDays[dataType]
}
