package validity

import (
	"cmp"
	"math"
	"slices"
)

// AlarmList returns which of K insights to raise an alarm for, in ascending order of their index: the e-BH procedure of
// Wang & Ramdas (2022, JRSS B 84, section 4.1). The expected share of false alarms in the list is at most q, in (0, 1),
// whatever the dependence between the insights, which share one sample. logE are natural logarithms of e-values of
// the same look; NaN counts as no evidence. Ties go to the lower index.
func AlarmList(logE []float64, q float64) []int {
	order := make([]int, len(logE))
	for i := range order {
		order[i] = i
	}
	evidence := func(i int) float64 {
		if math.IsNaN(logE[i]) {
			return math.Inf(-1)
		}
		return logE[i]
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(evidence(b), evidence(a)) })
	alarms := 0
	for k := 1; k <= len(order); k++ {
		if evidence(order[k-1]) >= math.Log(float64(len(order))/(q*float64(k))) {
			alarms = k
		}
	}
	list := order[:alarms]
	slices.Sort(list)
	return list
}

// Evidence is the log of the mean of e-values given by their logs: again an e-value, whatever their dependence. It
// makes one of the five verdicts' of an insight, for [AlarmList]. No values give 0, an e-value of 1.
func Evidence(logE ...float64) float64 {
	if len(logE) == 0 {
		return 0
	}
	largest := slices.Max(logE)
	if math.IsInf(largest, 0) {
		return largest
	}
	sum := 0.0
	for _, e := range logE {
		sum += math.Exp(e - largest)
	}
	return largest + math.Log(sum/float64(len(logE)))
}
