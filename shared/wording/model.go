package wording

import (
	"fmt"
	"math"

	"github.com/strata-crm/strata/shared/contract"
)

// Model says in one sentence on which model a value rests, where in its life that is, and how it did on weeks that it had not
// seen; empty where there is no model.
func Model(m *contract.ModelInUse) string {
	if m == nil {
		return ""
	}
	name := "the model " + Item(m.Name)
	if m.Version != "" {
		name += " " + m.Version
	}
	if m.Fit > 0 {
		name = fmt.Sprintf("fit %d of %s", m.Fit, name)
	}
	return modelState(name, m.State) + heldOut(m.HoldOut) + "."
}

func modelState(name string, s contract.ModelState) string {
	switch s {
	case contract.ModelExpired:
		return Name(name) + " has expired, since a claim that rests on it fell: no number rests on it until another fit has stood its trial"
	case contract.ModelWeakening:
		return "Rests on " + name + ", which weakens: a claim that rests on it does"
	case contract.ModelActive:
		return "Rests on " + name + ", which is active"
	case contract.ModelShadow:
		return "Rests on " + name + ", which is still in shadow"
	}
	return "Rests on " + name
}

func heldOut(h *contract.HoldOut) string {
	if h == nil {
		return "; it has not been held against later data yet"
	}
	text := fmt.Sprintf("; over %g weeks that it had not seen, %s customers made %s purchases where it foretold %s", h.Weeks, Count(h.Customers),
		Count(int64(math.Round(h.Actual))), Count(int64(math.Round(h.Predicted))))
	switch {
	case h.Bias == nil:
		return text
	case *h.Bias < 0:
		return text + " (" + Percent(-*h.Bias) + " too few)"
	}
	return text + " (" + Percent(*h.Bias) + " too many)"
}
