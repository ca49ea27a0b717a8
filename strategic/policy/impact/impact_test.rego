package strata.strategic.impact_test

import data.strata.strategic.impact

governance := {
	"purposes": [
		{"purpose": "retention_analysis", "categories": ["identification", "transactional"]},
		{"purpose": "satisfaction_analysis", "categories": ["identification", "conversed"]},
	],
	"retentionDays": {"identification": 1095, "transactional": 1095, "conversed": 730, "probe": 365},
}

base := {"impact": "normal", "purposes": ["retention_analysis"], "retentionDays": 365}

changed(change) := object.union(base, change)

high(more) := object.union(governance, {"highImpact": more})

test_normal_allowed if impact.allow with input as base with data.governance as governance

test_kept_as_long_as_allowed if impact.allow with input as changed({"retentionDays": 1095}) with data.governance as governance

test_drafted_as_high_denied if not impact.allow with input as changed({"impact": "high"}) with data.governance as governance

test_unknown_impact_denied if not impact.allow with input as changed({"impact": "tiny"}) with data.governance as governance

test_kept_for_longer_denied if not impact.allow with input as changed({"retentionDays": 1096}) with data.governance as governance

test_strictest_type_counts if {
	not impact.allow with input as changed({"purposes": ["satisfaction_analysis"], "retentionDays": 731}) with data.governance as governance
}

test_named_days_denied if not impact.allow with input as base with data.governance as high({"retentionDays": 364})

test_named_days_allowed if impact.allow with input as base with data.governance as high({"retentionDays": 365})

test_named_purpose_denied if not impact.allow with input as base with data.governance as high({"purposes": ["retention_analysis"]})

test_another_purpose_allowed if impact.allow with input as base with data.governance as high({"purposes": ["satisfaction_analysis"]})

test_named_type_denied if not impact.allow with input as base with data.governance as high({"dataTypes": ["identification"]})

test_another_type_allowed if impact.allow with input as base with data.governance as high({"dataTypes": ["conversed"]})

test_named_type_says_why if {
	some reason in impact.reasons with input as base with data.governance as high({"dataTypes": ["identification"]})
	contains(reason, "identification data")
}

test_no_purpose_denied if not impact.allow with input as changed({"purposes": []}) with data.governance as governance

test_without_governance_denied if not impact.allow with input as base with data.governance as {}

# What serves no purpose, or one that governance has not, is not normal because it is kept for a short time.
test_no_purpose_within_named_days_denied if {
	every purposes in [[], ["advertising"]] {
		not impact.allow with input as changed({"purposes": purposes}) with data.governance as high({"retentionDays": 365})
	}
}

test_reasons if {
	every c in [
		{"change": {"retentionDays": 1095}, "high": {}, "reasons": set()},
		{"change": {"retentionDays": 1096}, "high": {}, "reasons": {"to keep data for 1096 days, longer than 1095, is of high impact"}},
		{"change": {"impact": "high"}, "high": {}, "reasons": {"it was drafted as one of high impact"}},
		{
			"change": {}, "high": {"purposes": ["retention_analysis"]},
			"reasons": {"the governance directive makes the purpose retention_analysis one of high impact"},
		},
	] {
		impact.reasons == c.reasons with input as changed(c.change) with data.governance as high(c.high)
	}
}
