package oracle

import (
	"math"
	"time"
)

// Facts are what the whole file amounts to. What nothing that is printed or served tells is the oracle's only: a file of
// expectations that names it is refused, rather than believed unread.
type Facts struct {
	Orders        int64 `yaml:"orders"`
	Customers     int64 `yaml:"customers"`
	RevenueMinor  int64 `yaml:"revenue_minor"`
	Units         int64 `yaml:"-"`
	CustomerDays  int64 `yaml:"-"`
	ZeroOrders    int64 `yaml:"zero_orders"`
	IdenticalRows int64 `yaml:"identical_rows"`    // rows that repeat an earlier one whole
	Invalid       int64 `yaml:"invalid,omitempty"` // rows that are no orders
	CameAgain     int64 `yaml:"came_again"`        // customers with at least two purchase days
}

// FactsOf counts the orders.
func FactsOf(orders []Order) Facts {
	var f Facts
	seen := map[Order]bool{}
	days := map[string]map[time.Time]bool{}
	for _, o := range orders {
		f.Orders++
		f.RevenueMinor += o.Cents
		f.Units += o.Quantity
		if o.Cents == 0 {
			f.ZeroOrders++
		}
		if seen[o] {
			f.IdenticalRows++
		}
		seen[o] = true
		if days[o.Customer] == nil {
			days[o.Customer] = map[time.Time]bool{}
		}
		days[o.Customer][o.Day] = true
	}
	for _, d := range days {
		f.Customers++
		f.CustomerDays += int64(len(d))
		if len(d) > 1 {
			f.CameAgain++
		}
	}
	return f
}

// Month is what one calendar month must show.
type Month struct {
	Month      string   `yaml:"month"` // 2006-01
	Orders     int64    `yaml:"orders,omitempty"`
	Buyers     int64    `yaml:"buyers,omitempty"`
	Again      int64    `yaml:"again"`                 // bought in this month and the one before
	Before     int64    `yaml:"before"`                // bought in the one before; 0 = there is no retention
	Repeat     float64  `yaml:"repeat"`                // share of all customers so far with two purchase days
	FewTold    bool     `yaml:"few_told,omitempty"`    // the share would tell of fewer than ten customers, so that it is not shown
	Value      *float64 `yaml:"value"`                 // mean predicted value of the next 52 weeks in whole units; nil = the model is refused
	Ungated    *float64 `yaml:"-"`                     // the value without the fit's gate, which the product never tells
	ValueError *float64 `yaml:"value_error,omitempty"` // its standard error
}

// group is the fewest customers that anything shown may tell of.
const group = 10

// Few reports whether a share tells of too few: the whole, or those in it or out of it. Exactly none and exactly all tell
// of nobody in particular.
func Few(in, of int64) bool {
	return of < group || in > 0 && in < group || of > in && of-in < group
}

// Retention returns the month-on-month retention and its standard error; false where there is no month before, and where
// it would tell of too few to be shown.
func (m Month) Retention() (value, stdErr float64, ok bool) {
	if Few(m.Again, m.Before) {
		return 0, 0, false
	}
	p := float64(m.Again) / float64(m.Before)
	return p, math.Sqrt(p * (1 - p) / float64(m.Before)), true
}

// Months counts each month from the first order's to the month of last, without the model's values.
func Months(orders []Order, last time.Time) []Month {
	first := orders[0].Day
	for _, o := range orders {
		if o.Day.Before(first) {
			first = o.Day
		}
	}
	var months []Month
	for at := monthOf(first); !at.After(last); at = at.AddDate(0, 1, 0) {
		months = append(months, monthFrom(orders, at))
	}
	return months
}

func monthOf(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC) }

func monthFrom(orders []Order, start time.Time) Month {
	m := Month{Month: start.Format("2006-01")}
	end, before := start.AddDate(0, 1, 0), start.AddDate(0, -1, 0)
	now, previous := map[string]bool{}, map[string]bool{}
	days := map[string]map[time.Time]bool{}
	for _, o := range orders {
		if !o.Day.Before(end) {
			continue
		}
		if days[o.Customer] == nil {
			days[o.Customer] = map[time.Time]bool{}
		}
		days[o.Customer][o.Day] = true
		switch {
		case !o.Day.Before(start):
			m.Orders++
			now[o.Customer] = true
		case !o.Day.Before(before):
			previous[o.Customer] = true
		}
	}
	m.Buyers, m.Before = int64(len(now)), int64(len(previous))
	for c := range now {
		if previous[c] {
			m.Again++
		}
	}
	repeaters := int64(0)
	for _, d := range days {
		if len(d) > 1 {
			repeaters++
		}
	}
	if len(days) > 0 {
		m.Repeat = float64(repeaters) / float64(len(days))
	}
	m.FewTold = Few(repeaters, int64(len(days)))
	return m
}

// Cohorts returns, for each month of a first purchase, how many of its customers bought in each month from then on.
func Cohorts(orders []Order, last time.Time) map[string][]int64 {
	first := map[string]time.Time{}
	for _, o := range orders {
		if f, ok := first[o.Customer]; !ok || o.Day.Before(f) {
			first[o.Customer] = o.Day
		}
	}
	active := map[string]map[string]bool{} // "cohort/month" → customers
	for _, o := range orders {
		key := first[o.Customer].Format("2006-01") + "/" + o.Day.Format("2006-01")
		if active[key] == nil {
			active[key] = map[string]bool{}
		}
		active[key][o.Customer] = true
	}
	rows := map[string][]int64{}
	for _, f := range first {
		cohort := f.Format("2006-01")
		if rows[cohort] != nil {
			continue
		}
		for at := monthOf(f); !at.After(last); at = at.AddDate(0, 1, 0) {
			rows[cohort] = append(rows[cohort], int64(len(active[cohort+"/"+at.Format("2006-01")])))
		}
	}
	return rows
}
