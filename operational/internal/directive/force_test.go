package directive

import (
	"slices"
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

// TestConsented: which purposes need consent is what the latest rules say.
func TestConsented(t *testing.T) {
	t.Parallel()
	rules := func(version int, consent ...contract.Purpose) Record {
		g := contract.GovernanceDirective{Version: version}
		for _, p := range []contract.Purpose{"value_analysis", "advertising"} {
			g.Purposes = append(g.Purposes, contract.PurposeRule{Purpose: p, Consent: slices.Contains(consent, p)})
		}
		return Record{Governance: &g}
	}
	order := Record{Order: &contract.OperationalDirective{}}
	if got := consented([]Record{order, rules(3, "advertising"), rules(2, "value_analysis")}); !slices.Equal(got, []contract.Purpose{"advertising"}) {
		t.Errorf("consent is needed for %v", got)
	}
	if got := consented([]Record{order}); got != nil {
		t.Errorf("without rules consent is needed for %v", got)
	}
}
