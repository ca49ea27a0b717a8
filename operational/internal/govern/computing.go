package govern

import (
	"slices"

	rules "github.com/strata-crm/strata/operational/policy"
	"github.com/strata-crm/strata/shared/contract"
)

// computed returns each pair of a purpose and a type of data that a directive uses which collects nothing, as the trial of
// a metric does: its constraints' purposes, and whatever its metrics aggregate. Without it such a directive would name no
// use at all, and a directive without a purpose is never allowed.
func computed(d *contract.OperationalDirective) []rules.UseInput {
	var all []rules.UseInput
	for i := range d.Compute {
		for _, t := range aggregated(&d.Compute[i].Metric) {
			for _, p := range d.Constraints.Purposes {
				use := rules.UseInput{Purpose: string(p), DataType: string(t)}
				if !slices.Contains(all, use) {
					all = append(all, use)
				}
			}
		}
	}
	return all
}

// aggregated returns the types of data whose rows a metric reads. Models and retention read purchases.
func aggregated(d *contract.Definition) []contract.DataType {
	measures := slices.Clone(d.Measures)
	if c := d.Conversion; c != nil {
		measures = append(measures, c.Base, c.Converted)
	}
	if len(measures) == 0 {
		return []contract.DataType{contract.Transactional}
	}
	var types []contract.DataType
	for _, m := range measures {
		t := contract.Transactional
		switch m.Entity {
		case contract.Answer:
			t = contract.Conversed
		case contract.Profile:
			t = contract.Descriptive
		}
		if !slices.Contains(types, t) {
			types = append(types, t)
		}
	}
	return types
}
