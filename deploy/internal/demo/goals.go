package demo

import (
	"time"

	"github.com/strata-crm/strata/deploy/e2e/oracle"
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/deploy/internal/orderfile"
	"github.com/strata-crm/strata/shared/contract"
)

// Calendar is when the demo's goals begin and end, taken from the months that the file covers whole: the baseline is
// measured over the first half, and the second half is the pursuit.
type Calendar struct {
	Months   []time.Time // first days of the whole months, in order
	Baseline time.Time   // first day of the last month of the baseline
	Middle   time.Time   // first day of the month in which the second goal is decided
	Last     time.Time   // first day of the month in which the first is
}

// slack is how long before a month's end its last order may lie for the month to count as whole.
const slack = 3 * 24 * time.Hour

// minimumMonths of orders make a story: a baseline, and time to pursue something.
const minimumMonths = 6

// CalendarOf returns the calendar of the file's monthly parts; ok is false when they are too few.
func CalendarOf(parts []*orderfile.File) (c Calendar, ok bool) {
	for i, p := range parts {
		end := p.Month().AddDate(0, 1, 0)
		if i < len(parts)-1 || p.Last().After(end.Add(-slack)) {
			c.Months = append(c.Months, p.Month())
		}
	}
	n := len(c.Months)
	if n < minimumMonths {
		return c, false
	}
	base := n/2 - 1
	c.Baseline, c.Middle, c.Last = c.Months[base], c.Months[base+(n-1-base)*2/3], c.Months[n-1]
	return c, true
}

// LastDay returns the last day of the last whole month.
func (c Calendar) LastDay() time.Time { return c.Last.AddDate(0, 1, -1) }

// Expected returns the demo's measurable goals as the oracle takes them.
func (c Calendar) Expected() []oracle.Goal {
	month := func(t time.Time) string { return t.Format("2006-01") }
	return []oracle.Goal{
		{Name: "G1", Metric: "month_on_month_retention", Until: month(c.Baseline), Deadline: month(c.Last), Relative: retentionMore},
		{Name: "G2", Metric: "predicted_value_52w", Until: month(c.Baseline), Deadline: month(c.Middle), Relative: valueMore},
	}
}

const (
	retentionMore = .15
	valueMore     = .10
	npsMore       = 10.0
)

// goal is one of the demo's three.
type goal struct {
	name   string // G1
	impact contract.Impact
	draft  client.GoalDraft
}

func (c Calendar) goals() []goal {
	lastOf := func(t time.Time) contract.Day { return contract.Day(t.AddDate(0, 1, -1).Format(time.DateOnly)) }
	until := contract.Baseline{MeasureUntil: lastOf(c.Baseline)}
	relative := func(v float64) contract.Target { return contract.Target{Relative: &v} }
	more := npsMore
	return []goal{
		{"G1", contract.NormalImpact, client.GoalDraft{
			Name: "Month-on-month retention +15 %", Variable: contract.Retention, Metric: "month_on_month_retention", Kind: contract.Level,
			Direction: contract.Up, Baseline: until, Target: relative(retentionMore), Unit: contract.Ratio, Deadline: lastOf(c.Last),
			Owner: "head of retention", Relevance: "Each buyer kept costs less than one won.",
		}},
		{"G2", contract.HighImpact, client.GoalDraft{
			Name: "Mean predicted 52-week value +10 %", Variable: contract.LifetimeValue, Metric: "predicted_value_52w", Kind: contract.Level,
			Direction: contract.Up, Baseline: until, Target: relative(valueMore), Unit: contract.Money, Deadline: lastOf(c.Middle),
			Owner: "head of sales", Relevance: "It says what may be spent on keeping a customer.",
		}},
		{"G3", contract.NormalImpact, client.GoalDraft{
			Name: "Net promoter score +10", Variable: contract.Satisfaction, Metric: "nps_month", Kind: contract.Level,
			Direction: contract.Up, Baseline: until, Target: contract.Target{Delta: &more}, Unit: contract.Points, Deadline: lastOf(c.Last),
			Owner: "head of service", Relevance: "Who recommends us brings customers.",
		}},
	}
}
