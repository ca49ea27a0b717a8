package metric

import (
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Span is a half-open range of days in the tenant's zone.
type Span struct {
	From  contract.Day `json:"from,omitempty"` // empty: from the first data
	Until contract.Day `json:"until"`
}

// Window returns the span as instants.
func (s Span) Window(zone *time.Location) contract.Window {
	return contract.Window{Start: s.From.Start(zone).UTC(), End: s.Until.Start(zone).UTC()}
}

// Has reports whether a day lies in the span.
func (s Span) Has(d contract.Day) bool { return d >= s.From && d < s.Until }

// Days returns the number of days in the span.
func (s Span) Days() int { return s.Until.Sub(s.From) }

// Calendar divides days into windows.
type Calendar struct {
	WeekStart time.Weekday
}

// Of returns the window of a grain that holds a day.
func (c Calendar) Of(g contract.Grain, d contract.Day) Span {
	t := d.Start(time.UTC)
	var from time.Time
	switch g {
	case contract.GrainWeek:
		from = t.AddDate(0, 0, -((int(t.Weekday()) - int(c.WeekStart) + 7) % 7))
	case contract.GrainMonth:
		from = time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
	case contract.GrainQuarter:
		from = time.Date(t.Year(), (t.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC)
	case contract.GrainYear:
		from = time.Date(t.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	default:
		from = t
	}
	return Span{dayOf(from), dayOf(step(g, from, 1))}
}

// Previous returns the window of the grain before w.
func (c Calendar) Previous(g contract.Grain, w Span) Span {
	return Span{dayOf(step(g, w.From.Start(time.UTC), -1)), w.From}
}

// Spans returns the windows of a grain from the one that holds first to the one that holds last, in order; none if last
// is before first.
func (c Calendar) Spans(g contract.Grain, first, last contract.Day) []Span {
	var out []Span
	if first == "" || last < first {
		return nil
	}
	for w := c.Of(g, first); w.From <= last; w = c.Of(g, w.Until) {
		out = append(out, w)
	}
	return out
}

// Back returns the window that an offset moves s to. It keeps the days of the month; where the earlier month has no such
// day, it begins on that month's last day and ends with that month. A window without a beginning has none earlier.
func (s Span) Back(o contract.Offset) Span {
	return Span{o.Back(s.From), o.BackUntil(s.Until)}
}

func step(g contract.Grain, t time.Time, n int) time.Time {
	switch g {
	case contract.GrainWeek:
		return t.AddDate(0, 0, 7*n)
	case contract.GrainMonth:
		return t.AddDate(0, n, 0)
	case contract.GrainQuarter:
		return t.AddDate(0, 3*n, 0)
	case contract.GrainYear:
		return t.AddDate(n, 0, 0)
	}
	return t.AddDate(0, 0, n)
}

func dayOf(t time.Time) contract.Day { return contract.DayOf(t, time.UTC) }
