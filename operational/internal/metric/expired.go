package metric

import (
	"context"
	"slices"

	"github.com/strata-crm/strata/shared/contract"
)

// Expired are the days of which facts were deleted because they had been kept as long as they may be, each sorted. What is
// left of such a day is not what happened on it.
type Expired struct{ Orders, Answers []contract.Day }

// within reports whether any of the days lies in a span.
func within(days []contract.Day, s Span) bool {
	i, _ := slices.BinarySearch(days, s.From)
	return i < len(days) && days[i] < s.Until
}

// Within reports whether facts of any kind have expired in a span.
func (e *Expired) Within(s Span) bool { return within(e.Orders, s) || within(e.Answers, s) }

// Kept returns the first day from which on nothing has expired; "" where nothing has at all.
func (e *Expired) Kept() contract.Day {
	last := contract.Day("")
	for _, days := range [][]contract.Day{e.Orders, e.Answers} {
		if n := len(days); n > 0 {
			last = max(last, days[n-1])
		}
	}
	if last == "" {
		return ""
	}
	return last.Add(1)
}

// Of returns the days that count for programs: of orders, of answers, or of both.
func (e *Expired) Of(programs ...*Program) Expired {
	var out Expired
	for _, p := range programs {
		orders, answers := p.restsOn()
		if orders {
			out.Orders = e.Orders
		}
		if answers {
			out.Answers = e.Answers
		}
	}
	return out
}

// restsOn reports on facts of which kinds a measurement rests.
func (p *Program) restsOn() (orders, answers bool) {
	answers = p.entity == contract.Answer || p.convert != nil && p.convert.Into == contract.Answer
	orders = !answers || p.entity != contract.Answer || p.convert != nil && p.convert.Into != contract.Answer || Past(p.c.Scope)
	return orders, answers
}

// frozen reports whether a window is not measured any more, since of what it rests on something expired. One that was measured
// keeps its value. One that was not gets none; where a metric looks back without end it looks back on what is kept, but its own
// window has to be whole.
func (e *Expired) frozen(p *Program, w Span, measured bool) bool {
	of := e.Of(p)
	for _, days := range [][]contract.Day{of.Orders, of.Answers} {
		if len(days) == 0 {
			continue
		}
		if within(days, w) {
			return true
		}
		for _, s := range p.Reads(w) {
			if (measured || s.From != "") && within(days, s) {
				return true
			}
		}
	}
	return false
}

// expiredNow returns what has expired up to now.
func (e *Engine) expiredNow(ctx context.Context) (Expired, error) {
	if e.o.Expired == nil {
		return Expired{}, nil
	}
	return e.o.Expired(ctx)
}
