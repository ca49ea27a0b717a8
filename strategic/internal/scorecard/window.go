package scorecard

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Floor returns the last boundary of a grain's windows at or before t, in zone; weeks begin on first.
func Floor(t time.Time, g contract.Grain, first time.Weekday, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	switch g {
	case contract.GrainWeek:
		d -= (int(t.In(zone).Weekday()) - int(first) + 7) % 7
	case contract.GrainMonth:
		d = 1
	case contract.GrainQuarter:
		m, d = m-(m-1)%3, 1
	case contract.GrainYear:
		m, d = time.January, 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// FirstDay returns the day that the weeks of a goal begin on: its deadline is the end of a window, so that the next week
// begins with it. The company's own first day is asked only when a goal is set.
func FirstDay(g *contract.Goal, zone *time.Location) time.Weekday {
	return g.Deadline.End(zone).In(zone).Weekday()
}

// Next returns the boundary after the boundary t.
func Next(t time.Time, g contract.Grain, zone *time.Location) time.Time {
	y, m, d := t.In(zone).Date()
	switch g {
	case contract.GrainWeek:
		d += 7
	case contract.GrainMonth:
		m++
	case contract.GrainQuarter:
		m += 3
	case contract.GrainYear:
		y++
	default:
		d++
	}
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// ahead returns how many windows of the grain lie between two boundaries.
func ahead(from, to time.Time, g contract.Grain, zone *time.Location) int {
	n := 0
	for t := from; t.Before(to); t = Next(t, g, zone) {
		n++
	}
	return n
}
