package collect

import (
	"slices"
	"time"

	"github.com/strata-crm/strata/shared/contract"
)

// Asking tells what is asked for. The gateway asks it once per request.
type Asking interface {
	// InForce returns the directives that are carried out now (accepted or executing, with their purposes allowed), as a
	// set that never changes. It does not block: a replica polls the set's revision and may be a second behind; ingest
	// judges again.
	InForce() *Set
}

// Set is the operational directives in force, prepared for look-ups. It never changes, so it may be shared.
type Set struct {
	revision    int64
	consent     []contract.Purpose // that only customers who consented to them are used for
	directives  []contract.OperationalDirective
	calls       map[call][]wish
	anyCustomer []wish
}

type call struct{ call, event string }

// wish is one directive's request for one parameter.
type wish struct {
	directive int
	parameter contract.Parameter
}

// The calls' own properties, which a method may name beside the properties and traits of an item.
const (
	propertyUser      = "userId"
	propertyTimestamp = "timestamp"
)

// NewSet prepares a set. The revision grows with every change of the directives; the same revision means the same set. For the
// purposes that need consent, only customers are asked for who gave it.
func NewSet(revision int64, ds []contract.OperationalDirective, consent ...contract.Purpose) *Set {
	s := &Set{revision: revision, directives: ds, consent: consent, calls: map[call][]wish{}}
	for i := range ds {
		for _, c := range ds[i].Collect {
			w := wish{directive: i, parameter: c.Parameter}
			key := call{c.Parameter.Method.Call, c.Parameter.Method.Event}
			s.calls[key] = append(s.calls[key], w)
			if c.Parameter.Method.Property == propertyUser {
				s.anyCustomer = append(s.anyCustomer, w)
			}
		}
	}
	return s
}

// Revision returns the set's revision; -1 for nil.
func (s *Set) Revision() int64 {
	if s == nil {
		return -1
	}
	return s.revision
}

// Wanted is what is asked of one kind of item: a call and, for track, an event. It is plain data, so that an import can
// keep what its rows were judged by.
type Wanted struct {
	Call       string               `json:"call"`
	Event      string               `json:"event,omitempty"`
	Parameters []contract.Parameter `json:"parameters,omitempty"` // by name, each once
	Asked      []contract.Asked     `json:"asked,omitempty"`      // by directive; empty: nobody asks for such items
	Uses       []Use                `json:"uses,omitempty"`       // what each is asked for; only where some of it needs consent
}

// Use is one parameter asked for one purpose.
type Use struct {
	Parameter contract.ParameterName `json:"parameter"`
	Purpose   contract.Purpose       `json:"purpose"`
	Consent   bool                   `json:"consent,omitempty"` // only of customers who consented to the purpose
	Follows   bool                   `json:"follows,omitempty"` // only with something else: it makes no item wanted
}

// of returns what is wanted of a customer who consented to some purposes.
func (w Wanted) of(granted map[contract.Purpose]bool) Wanted {
	denied := func(u Use) bool { return u.Consent && !granted[u.Purpose] }
	if !slices.ContainsFunc(w.Uses, denied) {
		return w
	}
	out := Wanted{Call: w.Call, Event: w.Event, Uses: slices.DeleteFunc(slices.Clone(w.Uses), denied)}
	if !slices.ContainsFunc(out.Uses, func(u Use) bool { return !u.Follows }) {
		return Wanted{Call: w.Call, Event: w.Event}
	}
	for _, p := range w.Parameters {
		if slices.ContainsFunc(out.Uses, func(u Use) bool { return u.Parameter == p.Name }) {
			out.Parameters = append(out.Parameters, p)
		}
	}
	for _, a := range w.Asked {
		a.Purposes = slices.DeleteFunc(slices.Clone(a.Purposes), func(p contract.Purpose) bool {
			return !slices.ContainsFunc(out.Uses, func(u Use) bool { return u.Purpose == p })
		})
		if len(a.Purposes) > 0 {
			out.Asked = append(out.Asked, a)
		}
	}
	return out
}

// Find returns what the directives active at an instant ask of a kind of item. The customer's own identifier goes with
// whatever else is asked for as soon as any directive asks for it; alone it makes no item wanted but those that its
// method names.
func (s *Set) Find(name, event string, at time.Time) Wanted {
	w := Wanted{Call: name, Event: event}
	wishes := s.calls[call{name, event}]
	if event != "" {
		wishes = append(slices.Clone(wishes), s.calls[call{name, ""}]...)
	}
	s.add(&w, wishes, at, false)
	if len(w.Asked) > 0 {
		s.add(&w, s.anyCustomer, at, true)
	}
	if !slices.ContainsFunc(w.Uses, func(u Use) bool { return u.Consent }) {
		w.Uses = nil
	}
	return w
}

func (s *Set) add(w *Wanted, wishes []wish, at time.Time, follows bool) {
	for _, wish := range wishes {
		d := &s.directives[wish.directive]
		if !d.ActiveAt(at) {
			continue
		}
		p := wish.parameter
		if u := (Use{p.Name, p.Purpose, slices.Contains(s.consent, p.Purpose), follows}); len(s.consent) > 0 && !slices.Contains(w.Uses, u) {
			w.Uses = append(w.Uses, u)
		}
		if !slices.ContainsFunc(w.Parameters, func(o contract.Parameter) bool { return o.Name == p.Name }) {
			w.Parameters = append(w.Parameters, p)
		}
		i := slices.IndexFunc(w.Asked, func(a contract.Asked) bool { return a.Directive == d.ID })
		if i < 0 {
			i = len(w.Asked)
			w.Asked = append(w.Asked, contract.Asked{Directive: d.ID, Revision: d.Revision})
		}
		if !slices.Contains(w.Asked[i].Purposes, p.Purpose) {
			w.Asked[i].Purposes = append(w.Asked[i].Purposes, p.Purpose)
		}
	}
}
