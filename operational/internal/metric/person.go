package metric

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/shared/contract"
)

// Persons maps every identity that is linked to another one to the person: of the identities that links connect, the
// one whose key is smallest. Identities without links are not in it.
type Persons map[identity.Key]identity.Key

// PersonsOf returns the persons that some links make. It does not depend on their order.
func PersonsOf(links []identity.Link) Persons {
	p := Persons{}
	for _, l := range links {
		a, b := p.find(l.A), p.find(l.B)
		p[max(a, b)] = min(a, b)
	}
	for k := range p {
		p[k] = p.find(k)
	}
	return p
}

// find follows the map to a person, and enters who is not in it. It shortens the way for those who come after.
func (p Persons) find(k identity.Key) identity.Key {
	root := k
	for p[root] != "" && p[root] != root {
		root = p[root]
	}
	for k != root {
		k, p[k] = p[k], root
	}
	p[root] = root
	return root
}

// Of returns the person that an identity belongs to.
func (p Persons) Of(k identity.Key) identity.Key {
	if person, ok := p[k]; ok {
		return person
	}
	return k
}

// Merge returns the subject of a person out of the rows of all their identities: two rows of a day become one. profile
// is what the identities' profiles say together.
func Merge(person identity.Key, days []fact.CustomerDay, answers []SubjectAnswer, profile map[contract.ParameterName]json.RawMessage) Subject {
	s := Subject{Customer: person, Answers: slices.Clone(answers), Profile: profile}
	sorted := slices.Clone(days)
	slices.SortStableFunc(sorted, func(a, b fact.CustomerDay) int { return cmp.Compare(a.Day, b.Day) })
	for _, d := range sorted {
		d.Customer = person
		if n := len(s.Days); n > 0 && s.Days[n-1].Day == d.Day {
			add(&s.Days[n-1], &d)
		} else {
			s.Days = append(s.Days, d)
		}
	}
	slices.SortStableFunc(s.Answers, func(a, b SubjectAnswer) int { return cmp.Compare(a.Day, b.Day) })
	return s
}

func add(to, d *fact.CustomerDay) {
	to.Orders, to.Revenue, to.Units = to.Orders+d.Orders, to.Revenue+d.Revenue, to.Units+d.Units
	to.ZeroOrders, to.Identical = to.ZeroOrders+d.ZeroOrders, to.Identical+d.Identical
	to.WithAmount, to.WithItems = to.WithAmount+d.WithAmount, to.WithItems+d.WithItems
}

// Known is one identity's value of a parameter.
type Known struct {
	Value  json.RawMessage
	At     time.Time
	Source contract.SourceID
	Event  string
}

// Latest returns the value that counts of those that a person's identities have: the latest by event time, ties broken
// by source and event id. There must be one.
func Latest(values []Known) json.RawMessage {
	return slices.MaxFunc(values, func(a, b Known) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Event, b.Event))
	}).Value
}
