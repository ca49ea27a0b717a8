// Package expiry owns how long what was collected is kept, and the work that deletes what is older: limits by type of data
// from the governance directive and the directives that ask, and a worker that carries them out once a day on the wall clock.
// Where things are kept is known to the store; what a directive asks for is known to package directive. ADR 014 says why.
package expiry

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/shared/contract"
)

// Limits say for how many days after its receipt something may be kept.
type Limits struct {
	days  map[contract.DataType]int
	types map[contract.ParameterName]map[contract.DataType]bool
	least int
}

// need is how long those that ask for a type of data need it; 0: one of them does not say.
type need struct {
	known, open bool
	days        int
}

func (n *need) add(days int) {
	n.known, n.open, n.days = true, n.open || days <= 0, max(n.days, days)
}

// LimitsOf returns the limits in force. Governance limits each type of data. The directives in force that collect a type narrow
// that to what the longest of them needs; where none does any more, those that did when it was collected; they never widen it.
// One that was never carried out collected nothing, so nothing is kept as it wished, whatever it came to; one that was carried
// out and refused later did, so what it collected is kept as it was. A parameter that directives took for several types
// of data is of each of them, and so kept no longer than any of these may be: whichever directive is right, nothing is kept
// longer than it may be.
func LimitsOf(g *contract.GovernanceDirective, records []directive.Record) Limits {
	running, ended := map[contract.DataType]*need{}, map[contract.DataType]*need{}
	l := Limits{days: map[contract.DataType]int{}, types: map[contract.ParameterName]map[contract.DataType]bool{}}
	for i := range records {
		r := &records[i]
		for _, c := range r.Collected() {
			l.note(c)
			needs := ended
			if r.Asks(c) {
				needs = running
			}
			if needs[c.DataType] == nil {
				needs[c.DataType] = &need{}
			}
			needs[c.DataType].add(c.Days)
		}
	}
	for t, days := range g.Retention {
		for _, n := range []*need{running[t], ended[t]} {
			if n != nil && n.known {
				if !n.open {
					days = min(days, n.days)
				}
				break
			}
		}
		l.days[t] = days
	}
	if len(l.days) > 0 {
		l.least = slices.Min(slices.Collect(maps.Values(l.days)))
	}
	return l
}

// note keeps in mind as what a parameter was collected.
func (l Limits) note(c directive.Taken) {
	if l.types[c.Parameter] == nil {
		l.types[c.Parameter] = map[contract.DataType]bool{}
	}
	l.types[c.Parameter][c.DataType] = true
}

// None reports whether nothing is limited: nobody has said yet what may be kept.
func (l Limits) None() bool { return len(l.days) == 0 }

// Of returns for how many days a type of data is kept; false where nothing limits it.
func (l Limits) Of(t contract.DataType) (days int, ok bool) {
	days, ok = l.days[t]
	return days, ok
}

// Due reports whether something with these parameters, received at an instant, is kept no longer at another one. The shortest
// limit among its parameters counts: it is kept whole or not at all. What no known directive ever asked for has the shortest
// of all limits.
func (l Limits) Due(names []contract.ParameterName, received, now time.Time) bool {
	if l.None() {
		return false
	}
	days := 0
	for _, n := range names {
		if of := l.of(n); days == 0 || of < days {
			days = of
		}
	}
	if days == 0 {
		days = l.least
	}
	return !received.Add(time.Duration(days) * 24 * time.Hour).After(now)
}

// of returns for how many days a parameter is kept: as its types of data are, the shortest that is known of any.
func (l Limits) of(name contract.ParameterName) int {
	days := 0
	for t := range l.types[name] {
		if of, ok := l.days[t]; ok && (days == 0 || of < days) {
			days = of
		}
	}
	return cmp.Or(days, l.least)
}

// Before returns the instant before which something must have been received for any limit to have passed it.
func (l Limits) Before(now time.Time) time.Time {
	return now.Add(-time.Duration(l.least) * 24 * time.Hour)
}
