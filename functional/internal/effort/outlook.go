// Package effort owns what evidence takes and costs: how many customers a goal's tolerance needs and when they will be
// there, what is collected and computed for a goal, and which parameters no decision has used for long. It is pure: it
// reads what plans, answers and measurements say, and measures nothing itself.
package effort

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/strata-crm/strata/functional/internal/plan"
	"github.com/strata-crm/strata/shared/contract"
)

// When says whether the customers that are needed will be there.
type When string

// The answers.
const (
	Reached     When = "reached"          // the newest closed window rests on enough
	Expected    When = "expected"         // at the rate so far, on Outlook.Expected
	NotYetKnown When = "not_yet_known"    // too few windows to tell a rate, or no spread to tell how many are needed
	NotAtRate   When = "not_at_this_rate" // there are no more of them from window to window
)

const (
	minWindows  = 3  // fewer closed windows tell no rate
	rateWindows = 6  // so many of the newest are looked at: half a year of months
	farthest    = 20 // years: a date beyond tells nothing
)

// Outlook says how many customers the tolerance of a goal's own metric needs, and when they are expected.
type Outlook struct {
	Plan      contract.PlanID      `json:"plan"`
	Directive contract.DirectiveID `json:"directive"`
	Goal      contract.GoalID      `json:"goal"`
	Metric    contract.MetricID    `json:"metric"`
	Tolerance float64              `json:"tolerance"`        // relative, within which the value is to be published
	Planned   int                  `json:"customersPlanned"` // from the playbook's spread; 0 where it has none
	Needed    int                  `json:"customersNeeded"`  // from the spread that was measured, where it was; else as planned
	Spread    *float64             `json:"spread,omitempty"` // measured: coefficient of variation of one customer's contribution
	Have      int64                `json:"customers"`        // that the newest closed window rests on
	Window    *contract.Window     `json:"window,omitempty"` // the newest closed one
	Rate      *float64             `json:"rate,omitempty"`   // further customers a day, by least squares over the newest windows
	Windows   int                  `json:"windows"`          // that the rate rests on
	When      When                 `json:"when"`
	Expected  contract.Day         `json:"expected,omitempty"`
}

// Look returns the outlook of a plan. own are measurements of the goal's own metric; another major version than the plan's
// is another series, and left out.
//
// The customers needed are those of [plan.CustomersNeeded]. The measured spread is standard error · √n / value of the
// newest closed window, which holds for a mean and for a share alike.
func Look(p *plan.Plan, d *contract.StrategicDirective, own []contract.Measurement) Outlook {
	o := Outlook{
		Plan: p.ID, Directive: d.ID, Goal: d.Goal.ID, Metric: d.Goal.Metric, Tolerance: p.Constraints.Tolerance, Planned: p.Customers, Needed: p.Customers,
		When: NotYetKnown,
	}
	def := defined(p, d.Goal.Metric)
	major := def.Major()
	closed := slices.DeleteFunc(slices.Clone(own), func(m contract.Measurement) bool {
		of := contract.Definition{Version: m.Version}
		return !m.Closed || m.N <= 0 || m.Metric != d.Goal.Metric || of.Major() != major
	})
	slices.SortFunc(closed, func(a, b contract.Measurement) int {
		return cmp.Or(a.Window.Start.Compare(b.Window.Start), cmp.Compare(b.Revision, a.Revision))
	})
	closed = slices.CompactFunc(closed, func(a, b contract.Measurement) bool { return a.Window.Start.Equal(b.Window.Start) })
	if len(closed) == 0 {
		return o
	}
	last := &closed[len(closed)-1]
	o.Have, o.Window = last.N, &last.Window
	if last.StdErr != nil && *last.StdErr > 0 && last.Value != nil && *last.Value != 0 {
		spread := *last.StdErr * math.Sqrt(float64(last.N)) / math.Abs(*last.Value)
		o.Spread, o.Needed = &spread, plan.CustomersNeeded(&def, spread, o.Tolerance)
	}
	if o.Needed == 0 {
		return o // nobody planned a spread, and none was measured
	}
	if o.Have >= int64(o.Needed) {
		o.When = Reached
		return o
	}
	o.expect(closed[max(0, len(closed)-rateWindows):], d.TimeZone)
	return o
}

// defined returns how a plan defines a metric; the zero definition, of version 0, if it has none.
func defined(p *plan.Plan, m contract.MetricID) contract.Definition {
	for _, part := range p.Parts {
		for _, x := range part.Metrics {
			if x.Definition.ID == m {
				return x.Definition
			}
		}
	}
	return contract.Definition{}
}

// expect says when the missing customers come at the rate of the windows.
func (o *Outlook) expect(ms []contract.Measurement, zone string) {
	o.Windows = len(ms)
	if len(ms) < minWindows {
		return
	}
	rate := perDay(ms)
	o.Rate = &rate
	end := ms[len(ms)-1].Window.End
	days := (float64(o.Needed) - float64(o.Have)) / rate
	if rate <= 0 || days > farthest*365 {
		o.When = NotAtRate
		return
	}
	z, err := time.LoadLocation(zone)
	if err != nil {
		z = time.UTC
	}
	// The end of a window is the first instant after it: its last day is the one before.
	o.When, o.Expected = Expected, contract.DayOf(end, z).Add(int(math.Ceil(days))-1)
}

// perDay returns the least-squares slope of n over the ends of windows, in days.
func perDay(ms []contract.Measurement) float64 {
	var meanX, meanY float64
	x := make([]float64, len(ms))
	for i := range ms {
		x[i] = ms[i].Window.End.Sub(ms[0].Window.End).Hours() / 24
		meanX += x[i] / float64(len(ms))
		meanY += float64(ms[i].N) / float64(len(ms))
	}
	var sxx, sxy float64
	for i := range ms {
		sxx += (x[i] - meanX) * (x[i] - meanX)
		sxy += (x[i] - meanX) * (float64(ms[i].N) - meanY)
	}
	return sxy / sxx
}
