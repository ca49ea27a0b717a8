package information

import "github.com/strata-crm/strata/shared/contract"

const (
	newcomers contract.MetricID = "new_customers_month"
	// closedAfter is how many windows without a single newcomer make a base closed: a quarter of months, longer than a
	// quiet spell.
	closedAfter = 3
)

// notes returns what a reader must know of the data, as the plan's other metrics tell.
func notes(supporting []contract.Measurement) []contract.Note {
	var came []contract.Measurement
	for _, m := range supporting {
		if m.Metric == newcomers && m.Closed && m.Value != nil {
			came = append(came, m)
		}
	}
	came = sorted(came)
	first, last := -1, -1
	for i := range came {
		if *came[i].Value == 0 {
			continue
		}
		if first < 0 {
			first = i
		}
		last = i
	}
	if first < 0 || len(came)-1-last < closedAfter {
		return nil
	}
	return []contract.Note{{Code: contract.ClosedBase, Window: contract.Window{Start: came[first].Window.Start, End: came[last].Window.End}}}
}
