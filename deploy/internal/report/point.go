package report

import (
	"github.com/strata-crm/strata/deploy/internal/client"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/wording"
)

// z is the normal distribution's .975 quantile.
const z = 1.959963984540054

// Value writes a window's value with half the width of its 95 % interval, or why there is none.
func Value(p *contract.Point, u wording.Unit) string {
	switch {
	case p == nil:
		return "no closed window yet"
	case p.Value == nil && p.Reason != nil:
		return "no value: " + wording.Reason(*p.Reason)
	case p.Value == nil:
		return "no value"
	}
	text := u.Value(*p.Value)
	switch {
	case p.Low != nil && p.High != nil:
		text += " ± " + u.Bare((*p.High-*p.Low)/2)
	case p.StdErr != nil:
		text += " ± " + u.Bare(z**p.StdErr)
	}
	return text
}

// Point writes [Value] with the sample that it rests on.
func Point(p *contract.Point, u wording.Unit) string {
	text := Value(p, u)
	if p != nil && p.Value != nil {
		text += ", n " + wording.Count(p.N)
	}
	return text
}

// Window names a window: a whole month by its name, any other by its first and last day.
func Window(w contract.Window) string {
	first, end := client.Day(w.Start), client.Day(w.End)
	if first.Day() == 1 && first.AddDate(0, 1, 0).Equal(end) {
		return first.Format("January 2006")
	}
	last := end.AddDate(0, 0, -1)
	if first.Equal(last) {
		return first.Format("2 January 2006")
	}
	return first.Format("2 January 2006") + " to " + last.Format("2 January 2006")
}
