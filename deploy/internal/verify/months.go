package verify

import (
	"fmt"
	"math"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
)

// The metrics that are held against the months' table.
const (
	Retention = contract.MetricID("month_on_month_retention")
	Repeat    = contract.MetricID("repeat_rate")
	Value     = contract.MetricID("predicted_value_52w")
	cohort    = contract.MetricID("monthly_cohort_retention")
	orders    = contract.MetricID("orders_month")
	buyers    = contract.MetricID("active_customers_month")
)

// Months compares the closed windows of the metrics with the table of months, standard errors included. A metric that was
// not measured in a month of the table is wrong, whatever was expected of it.
func Months(measured []contract.Measurement, e oracle.Expectation) []string {
	by := byMonth(measured)
	var wrong []string
	for _, c := range []struct {
		metric contract.MetricID
		check  func(contract.Measurement, oracle.Month) []string
	}{
		{Retention, retention}, {Repeat, repeat}, {Value, func(m contract.Measurement, want oracle.Month) []string { return value(m, want, e) }},
		{orders, counted(orders, func(m oracle.Month) int64 { return m.Orders })}, {buyers, counted(buyers, func(m oracle.Month) int64 { return m.Buyers })},
	} {
		if by[c.metric] == nil {
			wrong = append(wrong, string(c.metric)+" was measured in no closed window")
			continue
		}
		for _, want := range e.Months {
			if m, ok := by[c.metric][want.Month]; ok {
				wrong = append(wrong, c.check(m, want)...)
			} else {
				wrong = append(wrong, line(c.metric, want.Month, "was not measured")...)
			}
		}
	}
	return wrong
}

// byMonth sorts the closed windows by metric and month.
func byMonth(measured []contract.Measurement) map[contract.MetricID]map[string]contract.Measurement {
	by := map[contract.MetricID]map[string]contract.Measurement{}
	for _, m := range measured {
		if !m.Closed {
			continue
		}
		if by[m.Metric] == nil {
			by[m.Metric] = map[string]contract.Measurement{}
		}
		by[m.Metric][client.Day(m.Window.End).AddDate(0, 0, -1).Format("2006-01")] = m
	}
	return by
}

func line(metric contract.MetricID, month, format string, args ...any) []string {
	return []string{fmt.Sprintf("%s in %s: ", metric, month) + fmt.Sprintf(format, args...)}
}

func retention(m contract.Measurement, want oracle.Month) []string {
	v, se, ok := want.Retention()
	switch {
	case !ok && m.Value != nil:
		return line(Retention, want.Month, "%.4f, expected none", *m.Value)
	case !ok:
		return nil
	case m.Value == nil || m.Numerator == nil || m.Denominator == nil:
		return line(Retention, want.Month, "no value, expected %.4f", v)
	case int64(*m.Numerator) != want.Again || int64(*m.Denominator) != want.Before:
		return line(Retention, want.Month, "%.0f of %.0f, expected %d of %d", *m.Numerator, *m.Denominator, want.Again, want.Before)
	case math.Abs(*m.Value-v) > 1e-9:
		return line(Retention, want.Month, "%.6f, expected %.6f", *m.Value, v)
	}
	return stdErr(Retention, m, want.Month, 1, &se)
}

func repeat(m contract.Measurement, want oracle.Month) []string {
	if want.FewTold {
		if m.Value != nil {
			return line(Repeat, want.Month, "%.4f, expected not to be shown: it tells of too few", *m.Value)
		}
		return nil
	}
	if m.Value == nil || math.Abs(*m.Value-want.Repeat) > .00005+1e-9 {
		return line(Repeat, want.Month, "%v, expected %.4f", number(m.Value), want.Repeat)
	}
	return nil
}

// counted compares a month's count. A table that does not say it has none to compare, and a count of too few customers is not
// shown.
func counted(metric contract.MetricID, of func(oracle.Month) int64) func(contract.Measurement, oracle.Month) []string {
	return func(m contract.Measurement, want oracle.Month) []string {
		switch n := of(want); {
		case n == 0:
			return nil
		case oracle.Few(want.Buyers, want.Buyers):
			if m.Value != nil {
				return line(metric, want.Month, "%.0f, expected not to be shown: it tells of too few", *m.Value)
			}
			return nil
		case m.Value == nil || *m.Value != float64(n):
			return line(metric, want.Month, "%v, expected %d", number(m.Value), n)
		}
		return nil
	}
}

func value(m contract.Measurement, want oracle.Month, e oracle.Expectation) []string {
	switch {
	case want.Value == nil && m.Value != nil:
		return line(Value, want.Month, "%.2f, expected to be refused", *m.Value/100)
	case want.Value == nil && (m.Reason == nil || string(m.Reason.Code) != "model_not_identified"):
		return line(Value, want.Month, "refused for %v, expected model_not_identified", m.Reason)
	case want.Value == nil:
		return nil
	case m.Value == nil || math.Abs(*m.Value/100-*want.Value) > within(e, *want.Value):
		return line(Value, want.Month, "%v minor units, expected %.2f ± %.2f whole ones", number(m.Value), *want.Value, within(e, *want.Value))
	}
	return stdErr(Value, m, want.Month, 100, want.ValueError)
}

// within is how far a value of the model may lie from the expected one, in whole units of money.
func within(e oracle.Expectation, value float64) float64 {
	return max(e.ValueWithin, e.ValueShare*math.Abs(value))
}

func stdErr(metric contract.MetricID, m contract.Measurement, month string, scale float64, want *float64) []string {
	if want == nil {
		return nil
	}
	if m.StdErr == nil || math.Abs(*m.StdErr/scale-*want) > errorWithin**want {
		return line(metric, month, "standard error %v, expected %.4f within a quarter", number(m.StdErr), *want)
	}
	return nil
}

func number(v *float64) string {
	if v == nil {
		return "none"
	}
	return fmt.Sprintf("%.5g", *v)
}
