package ingest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/operational/internal/validity"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// Warehouse is what new events change. All methods take part in the transaction of ctx.
type Warehouse interface {
	// Known returns those of the profiles and links that are stored.
	Known(ctx context.Context, t contract.TenantID, customers []identity.Key, links []string) (Known, error)
	// Orders returns all orders of the given days.
	Orders(ctx context.Context, t contract.TenantID, days []fact.DayKey) ([]fact.Fact, error)
	// Save stores the changes.
	Save(ctx context.Context, t contract.TenantID, c Changes) error
}

// Known is what the warehouse holds of the customers of a batch.
type Known struct {
	Profiles map[identity.Key]profile.Profile
	Links    map[string]identity.Link
}

// Changes are what a batch of new events changes.
type Changes struct {
	Profiles []profile.Profile
	Links    []identity.Link
	Facts    []fact.Fact
	Rows     []fact.CustomerDay
	Touched  []contract.Day // days with new facts
	At       Touch
}

// Touch is the position of a partition at which days were touched.
type Touch struct {
	Partition int
	Position  int64
}

// apply works out and stores what new events change. No result depends on the order in which events arrive: each profile
// value is decided by event time, and the rows of touched days are computed again from all their facts.
// It returns which of the new orders repeat another one.
func (s *Sink) apply(ctx context.Context, events []lake.Event, at Touch) (repeats map[string]bool, err error) {
	draft, err := s.draft(events)
	if err != nil || len(events) == 0 {
		return nil, err
	}
	known, err := s.o.Warehouse.Known(ctx, s.o.Tenant, draft.customers, draft.linkIDs)
	if err != nil {
		return nil, err
	}
	var before []fact.Fact
	if days := draft.daysOf(known.Profiles); len(days) > 0 {
		if before, err = s.o.Warehouse.Orders(ctx, s.o.Tenant, days); err != nil {
			return nil, err
		}
	}
	c := draft.changes(s.o.Tenant, known, s.order)
	c.Rows, repeats = fact.Rows(s.o.Tenant, before, draft.orders)
	c.At = at
	return repeats, s.o.Warehouse.Save(ctx, s.o.Tenant, c)
}

// draft is what events say, before it is compared with what is known.
type draft struct {
	events    []lake.Event
	isFact    []bool
	customers []identity.Key
	facts     []fact.Fact
	orders    []fact.Fact
	links     []identity.Link
	linkIDs   []string
}

// draft reads the events. A panic in it is a defect that one record uncovers: it becomes a permanent failure, so that the
// record is set aside and the rest goes on.
func (s *Sink) draft(events []lake.Event) (d *draft, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fault.Wrap(fault.Invalid, fault.Poison, fmt.Errorf("panic: %v", r), "the record could not be read")
		}
	}()
	d = &draft{events: events, isFact: make([]bool, len(events))}
	seen := map[identity.Key]bool{}
	for i := range events {
		e := &events[i]
		f, ok, err := fact.Of(e, s.o.Zone)
		if err != nil {
			return nil, err
		}
		if ok {
			d.facts = append(d.facts, f)
		}
		if d.isFact[i] = ok && f.Kind == fact.Order; d.isFact[i] {
			d.orders = append(d.orders, f)
		}
		if key := identity.Key(e.CustomerKey); !seen[key] {
			seen[key] = true
			d.customers = append(d.customers, key)
		}
		for _, l := range identity.Of(s.o.Keys, &e.CustomerEvent) {
			d.links = append(d.links, l)
			d.linkIDs = append(d.linkIDs, l.ID())
		}
	}
	return d, nil
}

// daysOf returns the days of new orders of customers that have a profile: others have no earlier orders.
func (d *draft) daysOf(known map[identity.Key]profile.Profile) []fact.DayKey {
	seen := map[fact.DayKey]bool{}
	var days []fact.DayKey
	for i := range d.orders {
		k := d.orders[i].Key()
		if _, ok := known[k.Customer]; ok && !seen[k] {
			seen[k] = true
			days = append(days, k)
		}
	}
	return days
}

func (d *draft) changes(t contract.TenantID, known Known, order *validity.Key) Changes {
	c := Changes{Facts: d.facts}
	profiles := map[identity.Key]*profile.Profile{}
	changedOnes := map[identity.Key]bool{}
	for i := range d.events {
		e := &d.events[i]
		key := identity.Key(e.CustomerKey)
		p := profiles[key]
		if p == nil {
			stored, ok := known.Profiles[key]
			if !ok {
				stored = profile.Profile{Tenant: t, Key: key}
			}
			if stored.Priority == 0 {
				stored.Priority = order.Priority(string(key))
			}
			p = &stored
			profiles[key] = p
		}
		if p.Apply(e, !d.isFact[i]) {
			changedOnes[key] = true
		}
	}
	for _, key := range d.customers {
		if changedOnes[key] {
			c.Profiles = append(c.Profiles, *profiles[key])
		}
	}
	c.Links = d.newLinks(known.Links)
	c.Touched = days(d.facts)
	return c
}

func (d *draft) newLinks(known map[string]identity.Link) []identity.Link {
	earliest := map[string]identity.Link{}
	for _, l := range d.links {
		if o, ok := earliest[l.ID()]; ok {
			l = l.Earlier(o)
		}
		earliest[l.ID()] = l
	}
	var links []identity.Link
	for id, l := range earliest {
		if o, ok := known[id]; !ok || l.Earlier(o) != o {
			links = append(links, l)
		}
	}
	slices.SortFunc(links, func(a, b identity.Link) int { return slices.Compare([]string{a.ID()}, []string{b.ID()}) })
	return links
}

func days(facts []fact.Fact) []contract.Day {
	var out []contract.Day
	for i := range facts {
		out = append(out, facts[i].Day)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// zoneOr returns the zone, UTC for nil.
func zoneOr(z *time.Location) *time.Location {
	if z == nil {
		return time.UTC
	}
	return z
}
