package verify_test

import (
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/verify"
	"github.com/strata-crm/strata/shared/contract"
)

// shop is what is expected of two months of a shop, and what a suite that is right measures of it.
func shop() (oracle.Expectation, []contract.Measurement) {
	worth := 12.0
	e := oracle.Expectation{
		Facts: oracle.Facts{Customers: 120, CameAgain: 36},
		Months: []oracle.Month{
			{Month: "2025-01", Orders: 130, Buyers: 100, Repeat: .2, Value: &worth},
			{Month: "2025-02", Orders: 70, Buyers: 60, Again: 40, Before: 100, Repeat: .3, Value: &worth},
		},
		Cohorts:     map[string][]int64{"2025-01": {100, 40}},
		ValueWithin: .01,
	}
	one := func(metric contract.MetricID, month time.Month, value, in, of float64) contract.Measurement {
		m := contract.Measurement{ID: contract.MeasurementID(metric), Metric: metric, Closed: true, Value: &value, N: int64(of), Numerator: &in, Denominator: &of}
		m.Window = contract.Window{Start: time.Date(2025, month, 1, 0, 0, 0, 0, time.UTC), End: time.Date(2025, month+1, 1, 0, 0, 0, 0, time.UTC)}
		return m
	}
	none := one(verify.Retention, 1, 0, 0, 0)
	none.Value = nil
	kept, error := one(verify.Retention, 2, .4, 40, 100), .0489898
	kept.StdErr = &error
	cohorts := one("monthly_cohort_retention", 2, .4, 40, 100)
	cohorts.Parts = []contract.Part{{Key: "2025-01", N: 100, Value: .4}}
	return e, []contract.Measurement{
		none, kept, one(verify.Repeat, 1, .2, 20, 100), one(verify.Repeat, 2, .3, 36, 120), one(verify.Value, 1, 1200, 0, 0), one(verify.Value, 2, 1200, 0, 0),
		one("orders_month", 1, 130, 0, 0), one("orders_month", 2, 70, 0, 0), one("active_customers_month", 1, 100, 0, 0), one("active_customers_month", 2, 60, 0, 0), cohorts,
	}
}

func all(e oracle.Expectation, measured []contract.Measurement) string {
	return strings.Join(append(append(verify.Months(measured, e), verify.Cohorts(measured, e)...), verify.Customers(measured, e.Facts)...), "\n")
}

func TestWhatIsRightIsNotComplainedOf(t *testing.T) {
	t.Parallel()
	if wrong := all(shop()); wrong != "" {
		t.Error(wrong)
	}
}

// Whatever is taken out of the measurements, or is otherwise than expected, is noticed.
func TestEverythingThatIsExpectedIsCompared(t *testing.T) {
	t.Parallel()
	_, whole := shop()
	for i := range whole {
		e, m := shop()
		if wrong := all(e, append(m[:i:i], m[i+1:]...)); !strings.Contains(wrong, string(m[i].Metric)+" was measured in no") && !strings.Contains(wrong, string(m[i].Metric)+" in 2025-0") {
			t.Errorf("without %s that ends at %s it says %q", m[i].Metric, m[i].Window.End, wrong)
		}
	}
	for what, otherwise := range map[string]func(*oracle.Expectation){
		"36 of 120 came again":                               func(e *oracle.Expectation) { e.Facts.CameAgain++ },
		"n 120, expected":                                    func(e *oracle.Expectation) { e.Facts.Customers++ },
		"orders_month in 2025-02: 70, expected 71":           func(e *oracle.Expectation) { e.Months[1].Orders++ },
		"active_customers_month in 2025-01: 100, expected 9": func(e *oracle.Expectation) { e.Months[0].Buyers = 99 },
		"cohort 2025-01 in 2025-02: 0.4":                     func(e *oracle.Expectation) { e.Cohorts["2025-01"][1]++ },
		"cohort 2025-01 in 2025-03 is not there":             func(e *oracle.Expectation) { e.Cohorts["2025-01"] = append(e.Cohorts["2025-01"], 50) },
		"no cohorts are expected":                            func(e *oracle.Expectation) { e.Cohorts = nil },
	} {
		e, m := shop()
		otherwise(&e)
		if wrong := all(e, m); !strings.Contains(wrong, what) {
			t.Errorf("there is no %q in %q", what, wrong)
		}
	}
}

// A month one of whose cells tells of too few customers may leave cells out; what it shows is compared.
func TestACohortThatMayNotBeShownIsNotMissed(t *testing.T) {
	t.Parallel()
	e, m := shop()
	e.Cohorts["2024-12"] = []int64{9, 3, 3}
	if wrong := verify.Cohorts(m, e); len(wrong) > 0 {
		t.Error(wrong)
	}
	m[len(m)-1].Parts = nil
	if wrong := verify.Cohorts(m, e); len(wrong) > 0 {
		t.Error(wrong)
	}
	m[len(m)-1].Parts = []contract.Part{{Key: "2024-12", Value: .4}}
	if wrong := verify.Cohorts(m, e); len(wrong) != 1 {
		t.Error(wrong)
	}
}
