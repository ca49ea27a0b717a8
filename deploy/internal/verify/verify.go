// Package verify holds what a suite answers against what was expected of it. Expectations come from the oracle or from a
// file; nothing is computed here. Each function returns one line for each thing that is not as expected.
package verify

import (
	"fmt"
	"math"
	"slices"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
)

const (
	ratioWithin = .0005 // half of the last digit that the reference values give
	errorWithin = .25   // of standard errors, relative
)

// Sum adds statements up: those of a file that was imported in parts.
func Sum(all []client.Statement) client.Statement {
	sum := client.Statement{Suspects: map[string]int64{}, CaughtUp: true}
	for _, s := range all {
		sum.RowsRead += s.RowsRead
		sum.Stored += s.Stored
		sum.Duplicate += s.Duplicate
		sum.Quarantined += s.Quarantined
		sum.NotRequested += s.NotRequested
		sum.Invalid += s.Invalid
		sum.Suppressed += s.Suppressed
		sum.NotInForce += s.NotInForce
		sum.Lost += s.Lost
		sum.Waiting += s.Waiting
		sum.CaughtUp = sum.CaughtUp && s.CaughtUp
		sum.Totals.AmountMinor += s.Totals.AmountMinor
		sum.Totals.Currency = s.Totals.Currency
		sum.Owners = s.Owners
		for k, n := range s.Suspects {
			sum.Suspects[k] += n
		}
		sum.Problems = append(sum.Problems, s.Problems...)
	}
	return sum
}

// Statement compares the statement of a whole file that was imported once.
func Statement(s client.Statement, want oracle.Facts) []string {
	var wrong []string
	same := func(what string, got, want int64) {
		if got != want {
			wrong = append(wrong, fmt.Sprintf("%s: %d, expected %d", what, got, want))
		}
	}
	same("rows read", s.RowsRead, want.Orders+want.Invalid)
	same("rows that are invalid", s.Invalid, want.Invalid)
	same("rows stored", s.Stored, want.Orders)
	same("rows accounted for", s.Accounted(), s.RowsRead)
	same("total in minor units", s.Totals.AmountMinor, want.RevenueMinor)
	same("zero orders", s.Suspects["zero_amount"], want.ZeroOrders)
	same("identical rows", s.Suspects["identical_rows"], want.IdenticalRows)
	return wrong
}

// Course compares how a goal stood at each closed window.
func Course(history []client.Standing, want oracle.Course, e oracle.Expectation) []string {
	var wrong []string
	by := map[string]client.Standing{}
	for _, s := range history {
		by[s.Month()] = s
	}
	for _, m := range slices.Sorted(keys(want.Statuses)) {
		if got := by[m].Status; got != want.Statuses[m] {
			wrong = append(wrong, fmt.Sprintf("%s in %s: %s, expected %s", want.Name, m, said(got), want.Statuses[m]))
		}
	}
	if len(history) == 0 {
		return wrong
	}
	last := history[len(history)-1]
	wrong = append(wrong, frame(last, want, e)...)
	if want.Proof != "" && last.Proof != want.Proof {
		wrong = append(wrong, fmt.Sprintf("%s: %s, expected %s", want.Name, last.Proof, want.Proof))
	}
	var touched []string
	for _, d := range last.Touched {
		touched = append(touched, string(d)[:7])
	}
	if !slices.Equal(touched, want.Touched) {
		wrong = append(wrong, fmt.Sprintf("%s: target touched in %v, expected %v", want.Name, touched, want.Touched))
	}
	return wrong
}

// frame compares baseline and target.
func frame(s client.Standing, want oracle.Course, e oracle.Expectation) []string {
	if want.Unmeasured {
		if s.Baseline != nil {
			return []string{fmt.Sprintf("%s: a baseline of %.4f, expected none", want.Name, s.Baseline.Value)}
		}
		return nil
	}
	if s.Baseline == nil || s.Target == nil {
		return []string{want.Name + ": there is no baseline, expected one"}
	}
	scale, allowed := 1.0, ratioWithin
	if s.Unit == contract.Money {
		scale, allowed = 100, max(.02, e.ValueShare*math.Abs(want.Target))
	}
	var wrong []string
	for _, v := range []struct {
		what      string
		got, want float64
	}{{"baseline", s.Baseline.Value / scale, want.Baseline}, {"target", *s.Target / scale, want.Target}} {
		if math.Abs(v.got-v.want) > allowed+1e-9 {
			wrong = append(wrong, fmt.Sprintf("%s: %s %.4f, expected %.4f", want.Name, v.what, v.got, v.want))
		}
	}
	return wrong
}

func said(status string) string {
	if status == "" {
		return "nothing"
	}
	return status
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
