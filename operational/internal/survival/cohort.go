package survival

import (
	"cmp"
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Visit is a day on which a customer did what counts.
type Visit struct {
	Customer string
	Day      contract.Day // in the organisation's zone
}

// Cohort is the customers whose first visit fell into one period.
type Cohort struct {
	Period    int   // number of the period
	Customers int   // of the cohort
	Active    []int // customers of the cohort with a visit k periods later, for k = 0, 1, …, to the last period; Active[0] is Customers
}

// Share is the part of the cohort, in [0, 1], that was active k periods later, k within Active.
func (c Cohort) Share(k int) float64 { return float64(c.Active[k]) / float64(c.Customers) }

// Month numbers calendar months, one after another.
func Month(d contract.Day) int {
	t := d.Start(time.UTC)
	return 12*t.Year() + int(t.Month()) - 1
}

// Retention is the grid of cohorts, by the period of their first visit, in order; periods in which nobody came first have
// no row. number maps a day to the number of its period ([Month], or the caller's own weeks), rising with the day; last
// is the number of the last period, whose later visits are left out. Visits may come in any order and more than once.
func Retention(visits []Visit, number func(contract.Day) int, last int) []Cohort {
	type active struct {
		customer string
		period   int
	}
	all := make([]active, 0, len(visits))
	for _, v := range visits {
		if p := number(v.Day); p <= last {
			all = append(all, active{v.Customer, p})
		}
	}
	slices.SortFunc(all, func(a, b active) int {
		return cmp.Or(cmp.Compare(a.customer, b.customer), cmp.Compare(a.period, b.period))
	})
	rows := map[int]*Cohort{}
	first := 0
	all = slices.Compact(all)
	for i, a := range all {
		if i == 0 || a.customer != all[i-1].customer {
			first = a.period
			if rows[first] == nil {
				rows[first] = &Cohort{Period: first, Active: make([]int, last-first+1)}
			}
			rows[first].Customers++
		}
		rows[first].Active[a.period-first]++
	}
	out := make([]Cohort, 0, len(rows))
	for _, c := range rows {
		out = append(out, *c)
	}
	slices.SortFunc(out, func(a, b Cohort) int { return cmp.Compare(a.Period, b.Period) })
	return out
}

// Returns are the days from the first to the second day on which each customer visited, of those whose first is at most
// until; without a second they are watched until then. It fails (Invalid) on a day that is none.
func Returns(visits []Visit, until contract.Day) ([]Observation, error) {
	days := map[string][2]contract.Day{}
	for _, v := range visits {
		if _, err := contract.ParseDay(string(v.Day)); err != nil {
			return nil, err
		}
		if v.Day > until {
			continue
		}
		two := days[v.Customer]
		switch {
		case two[0] == "" || v.Day < two[0]:
			two[0], two[1] = v.Day, two[0]
		case v.Day > two[0] && (two[1] == "" || v.Day < two[1]):
			two[1] = v.Day
		}
		days[v.Customer] = two
	}
	if len(days) == 0 {
		return nil, fault.New(fault.Invalid, fault.NoData, "no visits until %s", until)
	}
	out := make([]Observation, 0, len(days))
	for _, two := range days {
		o := Observation{Time: float64(until.Sub(two[0])), Count: 1}
		if two[1] != "" {
			o.Time, o.Event = float64(two[1].Sub(two[0])), true
		}
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b Observation) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(flag(a.Event), flag(b.Event)))
	})
	return out, nil
}

func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
