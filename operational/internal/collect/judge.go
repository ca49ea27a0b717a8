package collect

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// futureLimit is how far an event may lie ahead of the wall clock.
const futureLimit = 24 * time.Hour

// Verdict is the gateway's decision on one item. A nil Event means that nothing of the item is kept.
type Verdict struct {
	Status  fault.Code // accepted, quarantined, not_requested, suppressed or invalid (duplicate is found later)
	Code    fault.Code // why, unless accepted
	At      string     // the place in the item
	Detail  string
	ID      string // the sender's message id, or the assigned one
	Event   *contract.CustomerEvent
	Dropped []string // names of properties that no parameter asks for
}

// judge decides on items by plain data: what is asked, the instant of receipt and the company's settings. The same input
// gives the same verdict (but for assigned ids), so that a repeated import decides as it did before.
type judge struct {
	keys     *identity.Keys
	currency string
	newID    func() string
	source   source.Source
	received time.Time
	live     bool       // clock skew is corrected for live calls only
	sentAt   *time.Time // of the whole batch
	find     func(call, event string) *plan
}

// plan is what is asked of a kind of item, prepared for many.
type plan struct {
	Wanted
	names map[string]bool // the first parts of all wanted properties
}

func newPlan(w Wanted) *plan {
	p := &plan{Wanted: w, names: map[string]bool{}}
	for _, q := range w.Parameters {
		first, _, _ := strings.Cut(q.Method.Property, ".")
		p.names[first] = true
		if q.Value == contract.AmountOf {
			p.names["currency"] = true
		}
	}
	return p
}

// item judges one item. as is the call of the route, rowID the id where the item names none (""; one is assigned).
func (j *judge) item(raw json.RawMessage, as, rowID string, row *contract.ImportRow) Verdict {
	it, err := parse(raw, as)
	if err != nil {
		return refused(messageID(raw), err)
	}
	v := Verdict{ID: it.MessageID}
	if v.ID == "" {
		v.ID = rowID
	}
	assigned := v.ID == ""
	if assigned {
		v.ID = j.newID()
	}
	p := j.find(it.Type, it.Event)
	v.Dropped = p.dropped(it)
	if len(p.Asked) == 0 {
		return v.not(fault.NotRequested, "no directive in force asks for such items: nothing of it was kept")
	}
	if len(p.Uses) > 0 {
		granted, err := it.consent()
		if err != nil {
			return refused(v.ID, err)
		}
		p = newPlan(p.of(granted))
		v.Dropped = p.dropped(it)
		if len(p.Asked) == 0 {
			return v.not(fault.NotRequested, "it is asked for with the customer's consent only, and /context/consent/categoryPreferences does not say so: nothing of it was kept")
		}
	}
	at, err := j.time(it)
	if err != nil {
		return refused(v.ID, err)
	}
	values, err := j.values(it, p, at)
	if err != nil && fault.CodeOf(err) != fault.CurrencyNotSupported {
		return refused(v.ID, err)
	}
	if len(values) == 0 {
		return v.not(fault.NotRequested, "it holds none of the parameters that directives in force ask for")
	}
	v.Event = j.event(it, p, v.ID, at, values)
	v.Event.Assigned, v.Event.Import = assigned, row
	return v.conclude(err, at, j.received, assigned)
}

func (v Verdict) conclude(currency error, at, received time.Time, assigned bool) Verdict {
	switch {
	case currency != nil:
		e := refused(v.ID, currency)
		v.Status, v.Code, v.At, v.Detail = fault.Quarantined, fault.CurrencyNotSupported, e.At, e.Detail
	case at.After(received.Add(futureLimit)):
		v.Status, v.Code, v.At = fault.Quarantined, fault.InFuture, "/timestamp"
		v.Detail = "lies more than a day ahead: check the sender's clock"
	default:
		v.Status = fault.Accepted
		if assigned {
			v.Detail = "the item has no messageId: one was assigned, so sending it again would count it twice"
		}
	}
	return v
}

func (v Verdict) not(code fault.Code, detail string) Verdict {
	v.Status, v.Code, v.Detail = code, code, detail
	return v
}

func refused(id string, err error) Verdict {
	v := Verdict{Status: fault.InvalidItem, Code: fault.CodeOf(err), ID: id}
	var e *fault.Error
	if errors.As(err, &e) {
		v.At, v.Detail = e.At, e.Text
	}
	return v
}

// messageID returns the id of an item that is otherwise wrong, so that its sender finds it again.
func messageID(raw json.RawMessage) string {
	var it struct {
		MessageID string `json:"messageId"`
	}
	if json.Unmarshal(raw, &it) != nil || len(it.MessageID) > maxID {
		return ""
	}
	return it.MessageID
}

// time returns when the event took place: the sender's time, corrected by the difference of the clocks on live calls that
// say when they were sent, or the receipt of a live call that names no time.
func (j *judge) time(it *item) (time.Time, error) {
	at := it.occurred()
	if at == nil {
		if j.live {
			return j.received, nil
		}
		return time.Time{}, invalid(fault.MissingField, "/timestamp", "an item of a file needs the time at which it took place")
	}
	sent := it.SentAt
	if sent == nil {
		sent = j.sentAt
	}
	if !j.live || sent == nil {
		return *at, nil
	}
	return j.received.Add(-sent.Sub(*at)).Truncate(time.Millisecond), nil
}

// values returns the wanted parameters that the item has. With an unsupported currency it returns the other values, the
// amounts as they were sent, and the error.
func (j *judge) values(it *item, p *plan, at time.Time) (map[contract.ParameterName]json.RawMessage, error) {
	values := map[contract.ParameterName]json.RawMessage{}
	var currency error
	for _, q := range p.Parameters {
		pointer, v, ok := it.place(q.Method.Property, at)
		if !ok {
			continue
		}
		raw, err := it.typed(q, pointer, v, j.currency)
		if fault.CodeOf(err) == fault.CurrencyNotSupported {
			currency = err
			raw, err = json.Marshal(map[string]any{"amount": v, "currency": it.Fields["currency"]})
		}
		if err != nil {
			return nil, err
		}
		values[q.Name] = raw
	}
	return values, currency
}

func (j *judge) event(it *item, p *plan, id string, at time.Time, values map[contract.ParameterName]json.RawMessage) *contract.CustomerEvent {
	e := &contract.CustomerEvent{
		Source: j.source.ID, ID: id, Call: it.Type, Event: it.Event, Time: at, ReceivedAt: j.received,
		OriginalTimestamp: it.occurred(), SentAt: it.SentAt, Parameters: values, Asked: p.Asked,
		Content: j.keys.Content(it.canonical()), Format: j.source.Format, Trust: string(j.source.Trust),
	}
	if j.live && e.SentAt == nil {
		e.SentAt = j.sentAt
	}
	if it.UserID != "" {
		e.CustomerKey = string(j.keys.Customer(identity.User, it.UserID))
	} else {
		e.CustomerKey = string(j.keys.Customer(identity.Anonymous, it.AnonymousID))
	}
	if p.names[propertyUser] { // identifiers are kept only where a directive asks for the customer's
		e.UserID, e.AnonymousID = it.UserID, it.AnonymousID
		if it.UserID != "" { // without one it links nobody, and would lie under a customer who is another
			e.PreviousID = it.PreviousID
		}
	}
	return e
}

func (p *plan) dropped(it *item) []string {
	var names []string
	for name := range it.Fields {
		if !p.names[name] {
			names = append(names, name)
		}
	}
	return names
}
