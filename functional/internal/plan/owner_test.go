package plan

import (
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

// TestOwnersComeFromGovernance: by type of data, unless the parameter names its own; what is named in a plan already stays.
func TestOwnersComeFromGovernance(t *testing.T) {
	t.Parallel()
	collect := func(d contract.DataType, owner, steward string) contract.Collection {
		return contract.Collection{Parameter: contract.Parameter{DataType: d, Owner: owner, Steward: steward}}
	}
	given := []contract.Collection{collect(contract.Transactional, "", ""), collect(contract.Transactional, "head of finance", ""),
		collect(contract.Identification, "", "registrar"), collect(contract.Probe, "", "")}
	p := Plan{Parts: []Part{{Collect: given}}}
	p.Own([]contract.DataOwner{{DataType: contract.Transactional, Owner: "head of sales", Steward: "order data steward"},
		{DataType: contract.Identification, Owner: "head of customer service", Steward: "customer data steward"}})
	for i, want := range [][2]string{{"head of sales", "order data steward"}, {"head of finance", "order data steward"}, {"head of customer service", "registrar"}, {"", ""}} {
		if got := p.Parts[0].Collect[i].Parameter; got.Owner != want[0] || got.Steward != want[1] {
			t.Errorf("collection %d is answered for by %q and %q, want %q", i, got.Owner, got.Steward, want)
		}
	}
	if given[0].Parameter.Owner != "" {
		t.Error("what the plan was made from was changed")
	}
	p.Own([]contract.DataOwner{{DataType: contract.Transactional, Owner: "somebody else", Steward: "x"}})
	if got := p.Parts[0].Collect[0].Parameter.Owner; got != "head of sales" {
		t.Errorf("the owner became %q", got)
	}
}
