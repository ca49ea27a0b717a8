package survival

import (
	"math"
	"slices"

	"github.com/strata-crm/strata/shared/fault"
)

// Interval is a row of a life table.
type Interval struct {
	From, Until float64 // half-open; the last is open, Until +Inf
	Entered     int     // watched until From at least
	Withdrawn   int     // last watched within, without the event
	Events      int
	Exposed     float64 // Entered less half of Withdrawn
	Probability float64 // of the event within, for those who reach From; 0 where nobody is exposed
	Survival    float64 // share to whom it has not happened by From
	StdErr      float64 // of Survival (Greenwood 1926)
	Hazard      float64 // events per unit of time at the middle of the interval; 0 in the last, which has none
}

// LifeTable is the actuarial estimate over intervals that begin at the cuts: ascending, the first 0 (Cutler & Ederer 1958).
// It suits facts known to the month or year only. It fails (Invalid) on cuts or observations that cannot be, and with
// no_data_yet without observations.
func LifeTable(observations []Observation, cuts []float64) ([]Interval, error) {
	sorted, err := ordered(observations)
	if err != nil {
		return nil, err
	}
	if len(cuts) == 0 || cuts[0] != 0 || !slices.IsSortedFunc(cuts, ascending) || math.IsInf(cuts[len(cuts)-1], 1) {
		return nil, fault.New(fault.Invalid, fault.InvalidItem, "intervals from %v: name times in ascending order, the first 0", cuts)
	}
	table := make([]Interval, len(cuts))
	entered := 0
	for _, o := range sorted {
		entered += o.Count
	}
	for i, from := range cuts {
		table[i] = Interval{From: from, Until: math.Inf(1), Entered: entered}
		if i+1 < len(cuts) {
			table[i].Until = cuts[i+1]
		}
		for ; len(sorted) > 0 && sorted[0].Time < table[i].Until; sorted = sorted[1:] {
			if entered -= sorted[0].Count; sorted[0].Event {
				table[i].Events += sorted[0].Count
			} else {
				table[i].Withdrawn += sorted[0].Count
			}
		}
	}
	estimate(table)
	return table, nil
}

// ascending compares so that equal neighbours count as unsorted.
func ascending(a, b float64) int {
	if a > b {
		return 1
	}
	return -1
}

func estimate(table []Interval) {
	survival, sum := 1.0, 0.0
	for i := range table {
		r := &table[i]
		r.Survival, r.StdErr = survival, survival*math.Sqrt(sum)
		r.Exposed = float64(r.Entered) - float64(r.Withdrawn)/2
		if r.Exposed <= 0 {
			continue
		}
		d := float64(r.Events)
		r.Probability = d / r.Exposed
		survival *= 1 - r.Probability
		if r.Exposed > d {
			sum += r.Probability / (r.Exposed - d)
		}
		if width := r.Until - r.From; !math.IsInf(width, 1) {
			r.Hazard = d / (width * (r.Exposed - d/2))
		}
	}
}
