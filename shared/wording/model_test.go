package wording

import (
	"testing"

	"github.com/strata-crm/strata/shared/contract"
)

func TestModel(t *testing.T) {
	t.Parallel()
	few, many := -.1215, .02
	held := &contract.HoldOut{Weeks: 39, Customers: 2357, Predicted: 1653.4, Actual: 1882, Bias: &few}
	over := &contract.HoldOut{Weeks: 4, Customers: 600, Predicted: 102, Actual: 100, Bias: &many}
	for want, m := range map[string]*contract.ModelInUse{
		"": nil,
		"Rests on fit 2 of the model MBG/NBD 1.0.0, which is active; over 39 weeks that it had not seen, 2,357 customers made 1,882 purchases where it foretold 1,653 (12.2 % too few).": {
			Name: "mbg_nbd", Version: "1.0.0", Fit: 2, State: contract.ModelActive, HoldOut: held},
		"Rests on fit 1 of the model MBG/NBD, which weakens: a claim that rests on it does; over 4 weeks that it had not seen, 600 customers made 100 purchases where it foretold 102 (2.0 % too many).": {
			Name: "mbg_nbd", Fit: 1, State: contract.ModelWeakening, HoldOut: over},
		"Rests on the model MBG/NBD, which is still in shadow; it has not been held against later data yet.": {Name: "mbg_nbd", State: contract.ModelShadow},
		"Fit 1 of the model MBG/NBD has expired, since a claim that rests on it fell: no number rests on it until another fit has stood its trial; it has not been held against later data yet.": {
			Name: "mbg_nbd", Fit: 1, State: contract.ModelExpired},
	} {
		if got := Model(m); got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}
