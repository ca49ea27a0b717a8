package wording

import (
	"testing"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func TestReason(t *testing.T) {
	t.Parallel()
	share := func(v float64) *float64 { return &v }
	for _, c := range []struct {
		reason    contract.Reason
		want, fix string
	}{
		{contract.Reason{Code: fault.NoSource, Item: "exit_reason"}, "no source offers exit reason", "have a source registered that offers exit reason"},
		{contract.Reason{Code: fault.LowCoverage, Item: "email", Have: share(.5), Need: share(.8)}, "too few customers have email (50.0 %, 80.0 % required)", "have email collected from more customers"},
		{contract.Reason{Code: fault.ModelNotIdentified, Item: "predicted_value_52w", Have: share(8), Need: share(13)}, "too little history for predicted value 52w (8 weeks, 13 required)", ""},
		{contract.Reason{Code: fault.ModelNotIdentified, Item: contract.RepeatCustomers, Have: share(52), Need: share(500)}, "too few customers came again for a model (52, 500 required)", ""},
		{contract.Reason{Code: fault.ModelNotIdentified, Item: "bg_nbd_gamma_gamma"}, "the data cannot carry the model BG/NBD with Gamma-Gamma yet", ""},
		{contract.Reason{Code: fault.AwaitingApproval, Item: "an-id"}, "the plan waits for a manager's approval", ""},
		{contract.Reason{Code: "of_a_newer_suite", Item: "some_item"}, "of a newer suite some item", ""},
	} {
		if got := Reason(c.reason); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
		if got := Fix(c.reason, ""); got != c.fix {
			t.Errorf("fix of %s: got %q, want %q", c.reason.Code, got, c.fix)
		}
	}
}
