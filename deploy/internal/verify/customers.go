package verify

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/shared/contract"
)

// Customers compares how many customers there are, and how many of them came again, with the repeat rate of the last month,
// which is counted over everybody so far. It fits files that end with a whole month.
func Customers(measured []contract.Measurement, want oracle.Facts) []string {
	var last contract.Measurement
	for _, m := range measured {
		if m.Metric == Repeat && m.Closed && m.Window.End.After(last.Window.End) {
			last = m
		}
	}
	in, of := number(last.Numerator), number(last.Denominator)
	switch {
	case last.ID == "":
		return []string{string(Repeat) + " was measured in no closed window"}
	case oracle.Few(want.CameAgain, want.Customers):
		return nil // which is not shown; the months' table says so
	case last.Numerator == nil || last.Denominator == nil || *last.Numerator != float64(want.CameAgain) || *last.Denominator != float64(want.Customers) || last.N != want.Customers:
		return []string{fmt.Sprintf("customers: %s of %s came again, n %d, expected %d of %d", in, of, last.N, want.CameAgain, want.Customers)}
	}
	return nil
}

// Cohorts compares the months' cohort rows: every cell after a cohort's first month must be there. A month one of whose
// cells tells of too few customers may leave cells out.
func Cohorts(measured []contract.Measurement, e oracle.Expectation) []string {
	if len(e.Cohorts) == 0 {
		return []string{"no cohorts are expected, so that nothing is compared"}
	}
	got := map[string]map[string]float64{} // month, cohort
	for month, m := range byMonth(measured)[cohort] {
		got[month] = map[string]float64{}
		for _, p := range m.Parts {
			got[month][p.Key] = p.Value
		}
	}
	if len(got) == 0 {
		return []string{string(cohort) + " was measured in no closed window"}
	}
	var wrong []string
	hidden := hides(e.Cohorts)
	for key, row := range e.Cohorts {
		for age := 1; age < len(row); age++ {
			month := later(key, age)
			have, ok := got[month][key]
			switch want := float64(row[age]) / float64(row[0]); {
			case !ok && !hidden[month]:
				wrong = append(wrong, fmt.Sprintf("cohort %s in %s is not there, expected %.6f", key, month, want))
			case ok && math.Abs(have-want) > 1e-9:
				wrong = append(wrong, fmt.Sprintf("cohort %s in %s: %.6f, expected %.6f", key, month, have, want))
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// hides returns the months in which a cohort's cell tells of too few.
func hides(cohorts map[string][]int64) map[string]bool {
	hidden := map[string]bool{}
	for key, row := range cohorts {
		for age := 1; age < len(row); age++ {
			if oracle.Few(row[age], row[0]) {
				hidden[later(key, age)] = true
			}
		}
	}
	return hidden
}

// later is the month so many months after another.
func later(month string, by int) string {
	at, err := time.Parse("2006-01", month)
	if err != nil {
		return month + ", which is no month"
	}
	return at.AddDate(0, by, 0).Format("2006-01")
}
