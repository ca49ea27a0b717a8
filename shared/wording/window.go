package wording

import (
	"fmt"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Window names a window as people do in their zone: as the month, quarter, year or day that the grain speaks of where it is
// one, else by its first and last day. What is compared over time need not have the length of its grain.
func Window(w contract.Window, g contract.Grain, zone *time.Location) string {
	start, end := w.Start.In(zone), w.End.In(zone)
	if end.Equal(after(start, g)) {
		switch g {
		case contract.GrainMonth:
			return start.Format("January 2006")
		case contract.GrainQuarter:
			return fmt.Sprintf("quarter %d of %d", (int(start.Month())+2)/3, start.Year())
		case contract.GrainYear:
			return start.Format("2006")
		}
	}
	return days(start, end.AddDate(0, 0, -1))
}

// after returns the end of the month, quarter or year that begins at start; the zero time where none does.
func after(start time.Time, g contract.Grain) time.Time {
	months := map[contract.Grain]int{contract.GrainMonth: 1, contract.GrainQuarter: 3, contract.GrainYear: 12}[g]
	year, month, day := start.Date()
	midnight := time.Date(year, month, day, 0, 0, 0, 0, start.Location())
	if months == 0 || day != 1 || !start.Equal(midnight) || (int(month)-1)%months != 0 {
		return time.Time{}
	}
	return time.Date(year, month+time.Month(months), 1, 0, 0, 0, 0, start.Location())
}

func days(first, last time.Time) string {
	switch {
	case !last.After(first):
		return first.Format("2 January 2006")
	case first.Year() != last.Year():
		return first.Format("2 January 2006") + " to " + last.Format("2 January 2006")
	}
	return first.Format("2 January") + " to " + last.Format("2 January 2006")
}
