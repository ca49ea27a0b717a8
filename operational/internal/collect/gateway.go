// Package collect is the gateway: it lets in what a directive in force asks for and nothing else. It judges each item of a
// call or a file (form, types, time, currency), drops and counts what no parameter asks for, stamps the rest with the
// directives and purposes that ask, and publishes it before it answers. It does not decide whether an event is a
// duplicate (ingest does), and it keeps nothing but what it sets aside.
package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

const (
	// MaxItems is how many items one request may carry.
	MaxItems = 1000
	slice    = MaxItems // messages of one publish call: each call costs every touched partition a sync
)

// Known tells which event ids the lake holds: for a best-effort answer only.
type Known interface {
	// Known returns what is known of those ids that are there.
	Known(ctx context.Context, t contract.TenantID, s contract.SourceID, ids []string) (map[string]lake.Seen, error)
}

// Suppression is the list of erased customers. Ingest holds every event against it again.
type Suppression interface {
	// Among returns those of the customers that are on the list.
	Among(ctx context.Context, t contract.TenantID, customers []identity.Key) (map[identity.Key]bool, error)
}

// Options are what a Gateway needs; all are required.
type Options struct {
	Tenant      contract.TenantID
	Currency    string // the company's, ISO 4217
	Keys        *identity.Keys
	Asking      Asking
	Known       Known
	Suppression Suppression
	Quarantine  lake.Quarantine
	Publisher   bus.Publisher
	Dropped     *Dropped
	Now         func() time.Time
	NewID       func() string
	Logger      *slog.Logger
}

// Gateway takes items in. Safe for concurrent use.
type Gateway struct{ o Options }

// New returns a gateway, or fault.Invalid naming what is missing.
func New(o Options) (*Gateway, error) {
	for name, missing := range map[string]bool{
		"Tenant": !o.Tenant.Valid(), "Currency": o.Currency == "", "Keys": o.Keys == nil, "Asking": o.Asking == nil, "Known": o.Known == nil,
		"Suppression": o.Suppression == nil, "Quarantine": o.Quarantine == nil, "Publisher": o.Publisher == nil, "Dropped": o.Dropped == nil, "Now": o.Now == nil,
		"NewID": o.NewID == nil, "Logger": o.Logger == nil,
	} {
		if missing {
			return nil, fault.New(fault.Invalid, fault.BadDefinition, "the gateway needs collect.Options.%s", name)
		}
	}
	return &Gateway{o: o}, nil
}

// Answer is what the sender is told about one item.
type Answer struct {
	MessageID string
	Status    fault.Code // accepted, duplicate, quarantined, not_requested or invalid
	Code      fault.Code // why, unless accepted
	Detail    string
}

// Request is one live call or batch.
type Request struct {
	Source source.Source
	As     string // the call of the route; "" for a batch
	SentAt *time.Time
	Items  []json.RawMessage
}

// Collect judges the items, publishes those that are let in, and answers item by item. It returns an error and no
// answers when anything could not be stored (fault.Transient): the sender sends the request again, and message ids make
// that harmless.
func (g *Gateway) Collect(ctx context.Context, r Request) ([]Answer, error) {
	if len(r.Items) == 0 || len(r.Items) > MaxItems {
		return nil, fault.New(fault.Invalid, fault.BadRequest, "the batch has %d items: send 1 to %d", len(r.Items), MaxItems)
	}
	received := g.received()
	find, err := g.Finder(received)
	if err != nil {
		return nil, err
	}
	j := g.judge(r.Source, received, find)
	j.live, j.sentAt = true, r.SentAt
	verdicts := make([]Verdict, len(r.Items))
	for i, raw := range r.Items {
		verdicts[i] = j.item(raw, r.As, "", nil)
	}
	if err := g.forget(ctx, verdicts, fault.Accepted, fault.Quarantined); err != nil {
		return nil, err
	}
	seen := g.Seen(ctx, r.Source.ID, verdicts)
	if err := g.Take(ctx, r.Source.ID, verdicts); err != nil {
		return nil, err
	}
	answers := make([]Answer, len(verdicts))
	for i := range verdicts {
		answers[i] = verdicts[i].Answer(seen)
	}
	return answers, nil
}

// Row is one row of a file, made into an item.
type Row struct {
	Row  int64
	Item json.RawMessage
}

// Rows judges rows of a file: received is when they first came, find what is asked (kept by the import, so that rows
// that come again are judged as before). Rows without an id column are named by the file's digest and their number.
func (g *Gateway) Rows(s source.Source, run, idPrefix string, received time.Time, find func(call, event string) Wanted, rows []Row) []Verdict {
	j := g.judge(s, received, find)
	verdicts := make([]Verdict, len(rows))
	for i, r := range rows {
		verdicts[i] = j.item(r.Item, "", fmt.Sprintf("%s-%d", idPrefix, r.Row), &contract.ImportRow{Run: run, Row: r.Row})
	}
	return verdicts
}

// Finder returns a look-up in the directives that are in force now; fault.Transient while they are not known.
func (g *Gateway) Finder(at time.Time) (func(call, event string) Wanted, error) {
	set := g.o.Asking.InForce()
	if set == nil {
		return nil, fault.New(fault.Transient, fault.Unavailable, "the service is starting and does not know yet what is asked for: send the same request again")
	}
	return func(call, event string) Wanted { return set.Find(call, event, at) }, nil
}

func (g *Gateway) received() time.Time { return g.o.Now().UTC().Truncate(time.Millisecond) }

func (g *Gateway) judge(s source.Source, received time.Time, find func(call, event string) Wanted) *judge {
	plans := map[call]*plan{}
	return &judge{keys: g.o.Keys, currency: g.o.Currency, newID: g.o.NewID, source: s, received: received,
		find: func(name, event string) *plan {
			key := call{name, event}
			if plans[key] == nil {
				plans[key] = newPlan(find(name, event))
			}
			return plans[key]
		}}
}

// forget takes what names an erased customer out of the items with one of the statuses, so that nothing of it is kept.
func (g *Gateway) forget(ctx context.Context, verdicts []Verdict, statuses ...fault.Code) error {
	var all []identity.Key
	named := make([][]identity.Key, len(verdicts))
	for i := range verdicts {
		if v := &verdicts[i]; v.Event != nil && slices.Contains(statuses, v.Status) {
			named[i] = identity.Named(g.o.Keys, v.Event)
			all = append(all, named[i]...)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.Sort(all)
	erased, err := g.o.Suppression.Among(ctx, g.o.Tenant, slices.Compact(all))
	if err != nil {
		return fmt.Errorf("erased customers: %w", err)
	}
	for i := range verdicts {
		if slices.ContainsFunc(named[i], func(k identity.Key) bool { return erased[k] }) {
			verdicts[i] = Verdict{Status: fault.Suppressed, Code: fault.Suppressed, ID: verdicts[i].ID, Detail: "it names a customer who was erased: nothing of it was kept"}
		}
	}
	return nil
}

// Take sets aside what is quarantined, then publishes what is accepted, and counts what was dropped. After an error
// (fault.Transient) some may be stored; taking the same verdicts again is harmless.
func (g *Gateway) Take(ctx context.Context, s contract.SourceID, verdicts []Verdict) error {
	// What is accepted of a file goes to ingest all the same, which counts it in the file's statement.
	if err := g.forget(ctx, verdicts, fault.Quarantined); err != nil {
		return err
	}
	if err := g.setAside(ctx, s, verdicts); err != nil {
		return err
	}
	var messages []bus.Message
	for i := range verdicts {
		if v := &verdicts[i]; v.Status == fault.Accepted {
			m, err := g.message(v.Event)
			if err != nil {
				return err
			}
			messages = append(messages, m)
		}
	}
	if err := g.publish(ctx, messages); err != nil {
		return err
	}
	g.o.Dropped.count(s, verdicts)
	return nil
}

// setAside sets aside what is quarantined. An erasure that went through the quarantine since the list was looked at did not see
// it; so the list is looked at once more, and what it names by now is withdrawn.
func (g *Gateway) setAside(ctx context.Context, s contract.SourceID, verdicts []Verdict) error {
	var aside []lake.Quarantined
	var of []int // the verdict of each
	for i := range verdicts {
		if v := &verdicts[i]; v.Status == fault.Quarantined {
			aside, of = append(aside, g.aside(v)), append(of, i)
		}
	}
	if len(aside) == 0 {
		return nil
	}
	if err := g.o.Quarantine.SetAside(ctx, aside); err != nil {
		return fmt.Errorf("set items of %s aside: %w", s, err)
	}
	if err := g.forget(ctx, verdicts, fault.Quarantined); err != nil {
		return err
	}
	var gone []string
	for n, i := range of {
		if verdicts[i].Status != fault.Quarantined {
			gone = append(gone, aside[n].ID)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	return g.o.Quarantine.Withdraw(ctx, g.o.Tenant, gone)
}

func (g *Gateway) aside(v *Verdict) lake.Quarantined {
	return lake.Quarantined{
		ID: string(v.Code) + "|" + string(v.Event.Source) + "|" + v.Event.Content + "|" + v.ID, Tenant: g.o.Tenant, Reason: v.Code,
		At: v.Event.ReceivedAt, Source: v.Event.Source, Event: v.Event,
	}
}

func (g *Gateway) message(e *contract.CustomerEvent) (bus.Message, error) {
	return contract.Encode(contract.TopicEvents, e.CustomerKey, contract.Envelope{
		ID: g.o.NewID(), Source: contract.Operational, Type: contract.TypeCustomerEvent, Subject: e.CustomerKey, Time: e.Time, Tenant: g.o.Tenant,
	}, e)
}

func (g *Gateway) publish(ctx context.Context, messages []bus.Message) error {
	for len(messages) > 0 {
		n := min(len(messages), slice)
		if err := g.o.Publisher.Publish(ctx, messages[:n]...); err != nil {
			if fault.Is(err, fault.Invalid) {
				return err
			}
			return fault.Wrap(fault.Transient, fault.Unavailable, err, "the items could not be stored safely: send the same request again")
		}
		messages = messages[n:]
	}
	return nil
}

// Seen returns what the lake knows of the accepted items' ids. A failure to look only makes an answer less precise.
func (g *Gateway) Seen(ctx context.Context, s contract.SourceID, verdicts []Verdict) map[string]lake.Seen {
	var ids []string
	for i := range verdicts {
		if verdicts[i].Status == fault.Accepted && !verdicts[i].Event.Assigned {
			ids = append(ids, verdicts[i].ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	seen, err := g.o.Known.Known(ctx, g.o.Tenant, s, ids)
	if err != nil {
		g.o.Logger.WarnContext(ctx, "known event ids could not be looked up", "source", s, "error", err)
	}
	return seen
}

// Answer returns what the sender is told, given what the lake knew before: ingest has the last word on duplicates.
func (v *Verdict) Answer(seen map[string]lake.Seen) Answer {
	a := Answer{MessageID: v.ID, Status: v.Status, Code: v.Code, Detail: v.Detail}
	if v.At != "" {
		a.Detail = v.At + ": " + v.Detail
	}
	if v.Status == fault.Suppressed { // to whoever sends it, it is as if nobody asked
		a.Status = fault.NotRequested
	}
	before, known := seen[v.ID]
	if v.Status != fault.Accepted || !known {
		return a
	}
	if before.Content == v.Event.Content {
		a.Status, a.Code, a.Detail = fault.Duplicate, fault.Duplicate, "an item with this id and content is there already"
	} else {
		a.Status, a.Code, a.Detail = fault.Quarantined, fault.IDConflict, "an item with this id and other content is there already"
	}
	return a
}
