package insight

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// Customers is the base, in an order drawn at random that nobody can foresee.
type Customers interface {
	// Begin starts a walk from the lowest priority. What facts arrive meanwhile it may or may not see.
	Begin(ctx context.Context) (Walk, error)
}

// Walk reads customers in the order of their priorities, each once with all of their facts.
type Walk interface {
	// Size is how many customers there are.
	Size() int64
	// Next returns about the next limit customers, and whether they were the last.
	Next(ctx context.Context, limit int) (customers []Customer, last bool, err error)
}

// Customer is all that is known of one person. Of linked identities the survivor gives key and priority.
type Customer struct {
	Key        identity.Key
	Priority   validity.Priority
	Identities []identity.Key
	Profiles   []profile.Profile // of the identities that have one
	Facts      []fact.Fact       // of all identities, in any order
}

// Subject is the customer as metrics see them, with everything that is known. It sorts the facts.
func (c *Customer) Subject() *metric.Subject { return newView(c).whole }

// verified is the trust of a source that somebody vouches for.
const verified = "verified"

// origin is how a fact or a value came.
type origin struct{ format, trust, source string }

// view is a customer and what is left of them without some facts.
type view struct {
	c     *Customer
	ways  []origin // in which anything came, at most 64
	whole *metric.Subject
	less  map[uint64]*metric.Subject // what is left of them with some of the ways
}

func newView(c *Customer) *view {
	slices.SortFunc(c.Facts, func(a, b fact.Fact) int {
		return cmp.Or(cmp.Compare(a.Day, b.Day), cmp.Compare(a.Source, b.Source), cmp.Compare(a.Event, b.Event))
	})
	v := &view{c: c}
	v.ways = v.origins(func(fact.Kind) bool { return true }, nil)
	v.whole = v.build(func(origin) bool { return true })
	return v
}

// with is the customer as they would be if only what came in some ways were known.
func (v *view) with(keep func(origin) bool) *metric.Subject {
	kept := uint64(0)
	for i, o := range v.ways[:min(len(v.ways), 64)] {
		if keep(o) {
			kept |= 1 << i
		}
	}
	if s, ok := v.less[kept]; ok && len(v.ways) <= 64 {
		return s
	}
	if v.less == nil {
		v.less = map[uint64]*metric.Subject{}
	}
	v.less[kept] = v.build(keep)
	return v.less[kept]
}

func (v *view) build(keep func(origin) bool) *metric.Subject {
	s := &metric.Subject{Customer: v.c.Key}
	var orders []fact.Fact
	for _, f := range v.c.Facts {
		if !keep(origin{f.Format, f.Trust, string(f.Source)}) {
			continue
		}
		switch f.Kind {
		case fact.Order:
			f.Customer = v.c.Key
			orders = append(orders, f)
		case fact.Answer:
			if f.Score != nil {
				s.Answers = append(s.Answers, metric.SubjectAnswer{Day: f.Day, Score: *f.Score})
			}
		}
	}
	if len(orders) > 0 {
		s.Days = fact.Days(orders[0].Tenant, v.c.Key, orders)
	}
	s.Profile = v.profile(keep)
	return s
}

func (v *view) profile(keep func(origin) bool) map[contract.ParameterName]json.RawMessage {
	known := map[contract.ParameterName][]metric.Known{}
	for _, p := range v.c.Profiles {
		for name, x := range p.Values {
			if keep(origin{x.Format, x.Trust, string(x.Source)}) {
				known[name] = append(known[name], metric.Known{Value: x.Value, At: x.At, Source: x.Source, Event: x.Event})
			}
		}
	}
	out := make(map[contract.ParameterName]json.RawMessage, len(known))
	for name, values := range known {
		out[name] = metric.Latest(values)
	}
	return out
}

// origins are the ways in which what a claim rests on came, each once, sorted; nil names all values of the profile.
func (v *view) origins(rests func(kind fact.Kind) bool, on []contract.ParameterName) []origin {
	var out []origin
	add := func(o origin) {
		if !slices.Contains(out, o) {
			out = append(out, o)
		}
	}
	for i := range v.c.Facts {
		if f := &v.c.Facts[i]; rests(f.Kind) {
			add(origin{f.Format, f.Trust, string(f.Source)})
		}
	}
	for _, p := range v.c.Profiles {
		for name, x := range p.Values {
			if on == nil || slices.Contains(on, name) {
				add(origin{x.Format, x.Trust, string(x.Source)})
			}
		}
	}
	slices.SortFunc(out, func(a, b origin) int {
		return cmp.Or(cmp.Compare(a.format, b.format), cmp.Compare(a.trust, b.trust), cmp.Compare(a.source, b.source))
	})
	return out
}
