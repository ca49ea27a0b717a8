package prediction

import (
	"fmt"
	"math"

	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/predict"
	"github.com/strata-crm/strata/operational/internal/purchase"
	"github.com/strata-crm/strata/operational/internal/survival"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// What is computed here, and the version of how.
const (
	newcomersSpan = 26 // weeks that newcomers are held out for
	returnsName   = "kaplan_meier_second_purchase"
	gridName      = "cohort_retention"
)

// Curve is how many days pass until the second purchase: the share of customers who have not made it yet, by days since the
// first. Customers without one count as watched until the as-of day; nobody is taken to have left.
type Curve struct {
	Customers int          `json:"customers"`
	Returned  *int64       `json:"returned"`         // by the as-of day; null: all but a few
	Watched   float64      `json:"watchedDays"`      // the longest that anybody was
	Median    *Within      `json:"median"`           // days by which half have come back; null: half never did while watched
	Points    []CurvePoint `json:"points,omitempty"` // at whole weeks; between two of them at least as many came back as may be told of
}

// Within is a number of days with its 95 % interval; null ends are open.
type Within struct {
	Days float64  `json:"days"`
	Low  *float64 `json:"low"`
	High *float64 `json:"high"`
}

// CurvePoint is the curve at a day.
type CurvePoint struct {
	Days float64 `json:"days"`
	Not  float64 `json:"notYet"` // share who have not come back by then
	Low  float64 `json:"low"`    // 95 % interval
	High float64 `json:"high"`
}

// Retention is the grid of cohorts by calendar months, up to the last whole one.
type Retention struct {
	Until  string   `json:"until"` // the last month, such as 1998-06
	Months []Months `json:"cohorts"`
}

// Months is one cohort: the customers who first bought in one month.
type Months struct {
	Cohort    string  `json:"cohort"`
	Customers int     `json:"customers"`
	Active    []*Cell `json:"active"` // by months since; null: too few bought, or too few did not, to be told of
}

// Cell is the share of a cohort who bought in a month, with its 95 % interval (Wilson 1927).
type Cell struct {
	Share float64 `json:"share"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// survival tells how long it takes until the second purchase. Whether somebody without a contract has left is never seen,
// so that the time from the first to the last purchase is not told: it would be the shorter the shorter one watched. The main figure is the share
// who had come back by the last point of the curve.
func (s *Service) survival(all []purchase.History, asOf purchase.Day, _ float64) (Set, error) {
	c, err := survival.KaplanMeier(waits(all, asOf))
	if err != nil {
		return Set{}, err
	}
	if c.Events < int(s.smallest) {
		return Set{}, fault.New(fault.Conflict, fault.LowSample, "fewer than %d customers have come back: wait for more data", s.smallest)
	}
	curve := &Curve{Customers: c.Subjects, Watched: c.Last, Median: median(c), Points: s.points(c)}
	set := Set{Summary: Summary{
		N: int64(len(all)), Unit: contract.Ratio, Curve: curve,
		Model: predict.Model{Name: returnsName, Version: version, N: len(all), HoldOut: s.newcomers(all, asOf)},
	}}
	t := newTally("returned", "not_yet")
	t.n["returned"], t.n["not_yet"] = int64(c.Events), int64(c.Subjects-c.Events)
	set.Summary.Groups = t.groups(int64(c.Subjects), s.smallest, false)
	curve.Returned = set.Summary.Groups[0].Customers
	if n := len(curve.Points); n > 0 {
		back := 1 - curve.Points[n-1].Not
		set.Summary.Mean = &back
	}
	return set, nil
}

// waits returns how long each customer took to buy again, or was watched without.
func waits(all []purchase.History, asOf purchase.Day) []survival.Observation {
	out := make([]survival.Observation, len(all))
	for i, h := range all {
		out[i] = survival.Observation{Time: float64(asOf - h.First()), Count: 1}
		if len(h.Visits) > 1 {
			out[i].Time, out[i].Event = float64(h.Visits[1].Day-h.First()), true
		}
	}
	return out
}

func median(c survival.Curve) *Within {
	q := c.Median()
	if math.IsInf(q.Time, 1) {
		return nil
	}
	return &Within{q.Time, finite(q.Low), finite(q.High)}
}

func finite(v float64) *float64 {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nil
	}
	return &v
}

// points returns the curve at whole weeks, while enough are watched, so far apart that between two of them no few customers
// can be counted.
func (s *Service) points(c survival.Curve) []CurvePoint {
	var out []CurvePoint
	events, told, at := 0, 0, 0
	for day := 7.0; day <= c.Last; day += 7 {
		for at < len(c.Steps) && c.Steps[at].Time <= day {
			events += c.Steps[at].Events
			at++
		}
		step, known := c.At(day)
		if !known || at > 0 && int64(step.AtRisk-step.Events) < s.smallest {
			break
		}
		if int64(events-told) < s.smallest || int64(c.Events-events) < s.smallest && events != c.Events {
			continue
		}
		out, told = append(out, CurvePoint{day, step.Survival, step.Low, step.High}), events
	}
	return out
}

// newcomers holds the curve of half a year ago against those who first bought since: its measures are predicted and actual,
// customers who came back within the time that each was watched. It has 0 customers where there are too few to tell of.
func (s *Service) newcomers(all []purchase.History, asOf purchase.Day) predict.HoldOut {
	none := predict.HoldOut{Design: predict.LaterTime, Measures: map[string]float64{}}
	from := asOf - newcomersSpan*7
	before, err := purchase.AsOf(all, from)
	if err != nil || int64(len(before)) < s.smallest {
		return none
	}
	c, err := survival.KaplanMeier(waits(before, from))
	if err != nil {
		return none
	}
	customers, predicted, actual := 0, 0.0, 0.0
	for _, h := range all {
		if h.First() <= from {
			continue
		}
		step, known := c.At(float64(asOf - h.First()))
		if !known {
			continue
		}
		customers, predicted = customers+1, predicted+1-step.Survival
		if len(h.Visits) > 1 {
			actual++
		}
	}
	if back := int64(actual); few(back, s.smallest) || few(int64(customers)-back, s.smallest) || int64(customers) < s.smallest {
		return none
	}
	return predict.HoldOut{Design: predict.LaterTime, Customers: customers, Weeks: newcomersSpan, Measures: map[string]float64{
		"predicted": predicted, "actual": actual,
	}}
}

// few reports whether so many are too few to be told of. Nobody is not too few.
func few(n, smallest int64) bool { return n > 0 && n < smallest }

// cohorts tells, of the customers who first bought in a month, how many bought in each month since. It says what was, so that
// there is nothing to hold out. The main figure is the share who bought one month later, over the cohorts that are told.
func (s *Service) cohorts(all []purchase.History, asOf purchase.Day, _ float64) (Set, error) {
	day := dayOf(asOf)
	last := survival.Month(day)
	if survival.Month(day.Add(1)) == last {
		last-- // this month is not over
	}
	rows := survival.Retention(visits(all), survival.Month, last)
	if len(rows) == 0 {
		return Set{}, fault.New(fault.Conflict, fault.NoData, "no month was over by %s", day)
	}
	t, total := newTally(), int64(0)
	for _, r := range rows {
		t.keys = append(t.keys, monthName(r.Period))
		t.n[monthName(r.Period)] = int64(r.Customers)
		total += int64(r.Customers)
	}
	grid := &Retention{Until: monthName(last)}
	groups := t.groups(total, s.smallest, false)
	back, of := 0, 0
	for i, r := range rows {
		if groups[i].Customers == nil {
			continue
		}
		m := s.months(r)
		if len(m.Active) > 1 && m.Active[1] != nil {
			back, of = back+r.Active[1], of+r.Customers
		}
		grid.Months = append(grid.Months, m)
	}
	sum := Summary{N: total, Unit: contract.Ratio, Groups: groups, Retention: grid, Model: predict.Model{
		Name: gridName, Version: version, N: int(total), HoldOut: predict.HoldOut{Measures: map[string]float64{}},
	}}
	if of > 0 {
		mean := float64(back) / float64(of)
		sum.Mean = &mean
	}
	return Set{Summary: sum}, nil
}

func visits(all []purchase.History) []survival.Visit {
	days := map[purchase.Day]contract.Day{}
	var out []survival.Visit
	for _, h := range all {
		for _, v := range h.Visits {
			if days[v.Day] == "" {
				days[v.Day] = dayOf(v.Day)
			}
			out = append(out, survival.Visit{Customer: h.Customer, Day: days[v.Day]})
		}
	}
	return out
}

// months returns a cohort's row. A cell in which few bought, or few did not, is not told.
func (s *Service) months(c survival.Cohort) Months {
	m := Months{Cohort: monthName(c.Period), Customers: c.Customers}
	for k, active := range c.Active {
		if few(int64(active), s.smallest) || few(int64(c.Customers-active), s.smallest) {
			m.Active = append(m.Active, nil)
			continue
		}
		low, high := metric.Wilson(float64(active), float64(c.Customers))
		m.Active = append(m.Active, &Cell{c.Share(k), low, high})
	}
	return m
}

// monthName writes a month as survival.Month numbers it.
func monthName(n int) string { return fmt.Sprintf("%04d-%02d", n/12, n%12+1) }
