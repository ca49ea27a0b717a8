package contract

import "time"

// Back returns the day that an offset moves d to. It keeps the day of the month; where the earlier month has no such day, it is
// that month's last: 31 March less a month is 28 or 29 February. The empty day, which has no bounds, stays so.
func (o Offset) Back(d Day) Day { return o.back(d, 0) }

// BackUntil does so for the first day after a window: where the earlier month has no such day, that window ends with the month.
func (o Offset) BackUntil(d Day) Day { return o.back(d, 1) }

// back moves a day; one beyond the end of its month becomes the last day of it, and over days later.
func (o Offset) back(d Day, over int) Day {
	if d == "" {
		return ""
	}
	day := func(t time.Time) Day { return DayOf(t, time.UTC) }
	t, months := d.Start(time.UTC), 0
	switch o.Grain {
	case GrainDay:
		return day(t.AddDate(0, 0, -o.Count))
	case GrainWeek:
		return day(t.AddDate(0, 0, -7*o.Count))
	case GrainMonth:
		months = o.Count
	case GrainQuarter:
		months = 3 * o.Count
	case GrainYear:
		months = 12 * o.Count
	}
	month := time.Date(t.Year(), t.Month()-time.Month(months), 1, 0, 0, 0, 0, time.UTC)
	moved := month.AddDate(0, 0, t.Day()-1)
	if moved.Month() != month.Month() {
		return day(month.AddDate(0, 1, over-1))
	}
	return day(moved)
}
