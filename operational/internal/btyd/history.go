package btyd

import "github.com/strata-crm/strata/shared/fault"

// Bought is what a customer bought on one day.
type Bought struct {
	Day     int     // counted from any fixed day
	Revenue float64 // in currency units
}

// daysPerWeek turns days into the unit of the models.
const daysPerWeek = 7

// Summarise is the customer's history up to and including the as-of day; days are in ascending order and later ones are
// left out. Entries of one day are one purchase. Revenue may be below 0 (refunds), and so may Spend, which no population takes:
// what that means is for the caller. It reports false for one who had not bought by then. It fails (Invalid)
// when the days are not in order.
func Summarise(days []Bought, asOf int) (s Summary, customer bool, err error) {
	s, _, err = split(days, asOf, asOf)
	return s, s.Count > 0, err
}

// split is [Summarise] with the purchase days after asOf, up to and including until.
func split(days []Bought, asOf, until int) (s Summary, later float64, err error) {
	last, revenue := 0, 0.0
	for i, d := range days {
		switch {
		case i > 0 && d.Day < days[i-1].Day:
			return Summary{}, 0, fault.New(fault.Invalid, fault.InvalidItem, "purchase days %d after %d: sort them", d.Day, days[i-1].Day)
		case d.Day > until:
			continue
		case d.Day > asOf && (i == 0 || d.Day > days[i-1].Day):
			later++
		case d.Day > asOf:
		case s.Count == 0:
			s.Count, last = 1, d.Day
		case d.Day > last:
			s.X, last = s.X+1, d.Day
			revenue += d.Revenue
		case s.X > 0:
			revenue += d.Revenue
		}
	}
	if s.Count > 0 {
		s.Tx, s.T = float64(last-days[0].Day)/daysPerWeek, float64(asOf-days[0].Day)/daysPerWeek
	}
	if s.X > 0 {
		s.Spend = revenue / s.X
	}
	return s, later, nil
}

// Tested is a customer of the first part of a history and what came of them in the second.
type Tested struct {
	Summary
	Later float64 // purchase days in the second part
}

// Divide is the customer's history up to and including the day asOf, and the purchase days after it, up to and including
// until: a purchase on asOf is of the first part. It reports false for one who had not bought by asOf, and fails as
// [Summarise] does.
func Divide(days []Bought, asOf, until int) (t Tested, customer bool, err error) {
	t.Summary, t.Later, err = split(days, asOf, until)
	return t, t.Count > 0, err
}
