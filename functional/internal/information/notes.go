package information

import "github.com/strata-crm/strata/shared/contract"

const (
	newcomers contract.MetricID = "new_customers_month"
	// closedAfter is how many windows without a single newcomer make a base closed: a quarter of months, longer than a
	// quiet spell.
	closedAfter = 3
)

// notes returns what a reader must know of the data, as the plan's metrics tell. Only a window whose value says that nobody came
// is one in which nobody came: one without a value may have had newcomers too few to be shown, so that nothing is said then.
func notes(measured []contract.Measurement) []contract.Note {
	var came []contract.Measurement
	for _, m := range measured {
		if m.Metric == newcomers && m.Closed {
			came = append(came, m)
		}
	}
	came = sorted(came)
	first, last := -1, -1
	for i := range came {
		switch v := came[i].Value; {
		case v == nil && first < 0:
			return nil // somebody may have come before the first window that tells
		case v == nil:
			last = i
		case *v != 0 && first < 0:
			first, last = i, i
		case *v != 0:
			last = i
		}
	}
	if first < 0 || len(came)-1-last < closedAfter {
		return nil
	}
	return []contract.Note{{Code: contract.ClosedBase, Window: contract.Window{Start: came[first].Window.Start, End: came[last].Window.End}}}
}
