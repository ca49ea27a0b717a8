// Package profile owns what is known of one customer identity, with the origin of every value. It decides which of two
// values counts, by event time and never by arrival, so that late and repeated history ends in the same profile. It does
// not merge the profiles of linked identities: that is a view over them.
package profile

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
)

// Value is one known value and where it came from.
type Value struct {
	Value      json.RawMessage
	At         time.Time // event time
	ReceivedAt time.Time
	Source     contract.SourceID
	Event      string
	Format     string
	Trust      string
	Import     string
	Purposes   []contract.Purpose // for which it was collected
}

// Epoch names the random order of customers that is in use. Another one draws it anew: at most yearly, and never between
// the publication of an insight and its verdicts.
const Epoch = "1"

// Profile is what is known of an identity.
type Profile struct {
	Tenant   contract.TenantID
	Key      identity.Key
	Since    time.Time         // the earliest event
	Priority validity.Priority // the identity's place in the random order of customers; of linked identities the survivor's counts
	Values   map[contract.ParameterName]Value
}

// Apply adds what an event says and reports whether the profile changed. traits says whether the event's other values are
// traits; those of an order are not. The customer's own identifier keeps its earliest origin, since it never changes; of
// every other value the latest counts. Ties are broken by source and event id.
func (p *Profile) Apply(e *lake.Event, traits bool) bool {
	changed := false
	if p.Since.IsZero() || e.Time.Before(p.Since) {
		p.Since, changed = e.Time, true
	}
	for name, raw := range e.Parameters {
		if !traits && name != contract.ParamCustomerID {
			continue
		}
		v := of(e, raw)
		old, known := p.Values[name]
		if known && !counts(name, v, old) {
			continue
		}
		if p.Values == nil {
			p.Values = map[contract.ParameterName]Value{}
		}
		p.Values[name], changed = v, true
	}
	return changed
}

func counts(name contract.ParameterName, v, old Value) bool {
	if name == contract.ParamCustomerID {
		return v.before(old)
	}
	return old.before(v)
}

func (v Value) before(o Value) bool {
	return cmp.Or(v.At.Compare(o.At), cmp.Compare(v.Source, o.Source), cmp.Compare(v.Event, o.Event)) < 0
}

func of(e *lake.Event, raw json.RawMessage) Value {
	v := Value{Value: raw, At: e.Time, ReceivedAt: e.ReceivedAt, Source: e.Source, Event: e.ID, Format: e.Format, Trust: e.Trust}
	if e.Import != nil {
		v.Import = e.Import.Run
	}
	seen := map[contract.Purpose]bool{}
	for _, a := range e.Asked {
		for _, p := range a.Purposes {
			if !seen[p] {
				seen[p] = true
				v.Purposes = append(v.Purposes, p)
			}
		}
	}
	return v
}
