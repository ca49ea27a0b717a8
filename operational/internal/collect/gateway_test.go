package collect_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

type fixed struct{ set *collect.Set }

func (f *fixed) InForce() *collect.Set { return f.set }

type aside struct {
	records   []lake.Quarantined
	meanwhile func() // what happens before anything is stored
}

func (a *aside) SetAside(_ context.Context, q []lake.Quarantined) error {
	if a.meanwhile != nil {
		a.meanwhile()
	}
	a.records = append(a.records, q...)
	return nil
}

func (a *aside) Withdraw(_ context.Context, _ contract.TenantID, ids []string) error {
	a.records = slices.DeleteFunc(a.records, func(q lake.Quarantined) bool { return slices.Contains(ids, q.ID) })
	return nil
}

type nothing struct{}

func (nothing) Known(context.Context, contract.TenantID, contract.SourceID, []string) (map[string]lake.Seen, error) {
	return nil, errors.New("the lake does not answer")
}

func (nothing) Add(context.Context, contract.TenantID, contract.SourceID, collect.Drops, time.Time) error {
	return nil
}

func (nothing) Of(context.Context, contract.TenantID, contract.SourceID) (collect.Drops, error) {
	return nil, nil
}

type stage struct {
	gateway *collect.Gateway
	bus     *bustest.Bus
	aside   aside
	asking  fixed
	erased  erased
}

// erased is the suppression list.
type erased map[identity.Key]bool

func (e *erased) Among(_ context.Context, _ contract.TenantID, customers []identity.Key) (map[identity.Key]bool, error) {
	found := map[identity.Key]bool{}
	for _, k := range customers {
		if (*e)[k] {
			found[k] = true
		}
	}
	return found, nil
}

func parameter(name contract.ParameterName, v contract.ValueType, call, event, property string) contract.Collection {
	return contract.Collection{Parameter: contract.Parameter{Name: name, Value: v, Purpose: "value_analysis", Method: contract.Method{Call: call, Event: event, Property: property}}}
}

func newStage(t *testing.T) *stage {
	t.Helper()
	keys, err := identity.NewKeys(make([]byte, identity.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return now }
	logger := slog.New(slog.DiscardHandler)
	dropped, err := collect.NewDropped("main", nothing{}, clock, logger)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{bus: bustest.Memory(t, contract.Specs()...)}
	s.asking.set = collect.NewSet(1, []contract.OperationalDirective{{
		Order: contract.Order{ID: "od-1", Revision: 4, Standing: contract.InForce, ValidFrom: now.Add(-time.Hour), Expires: now.Add(time.Hour)},
		Collect: []contract.Collection{
			parameter(contract.ParamOrderAmount, contract.AmountOf, "track", "Order Completed", "total"),
			parameter(contract.ParamOrderItems, contract.Integer, "track", "Order Completed", "items.count"),
			parameter("subscribed", contract.Boolean, "identify", "", "subscribed"),
			parameter("contract_end", contract.Timestamp, "identify", "", "contractEnd"),
		},
	}})
	n := 0
	s.gateway, err = collect.New(collect.Options{Tenant: "main", Currency: "EUR", Keys: keys, Asking: &s.asking, Known: nothing{}, Suppression: &s.erased, Quarantine: &s.aside,
		Publisher: s.bus, Dropped: dropped, Now: clock, NewID: func() string { n++; return fmt.Sprint("id-", n) }, Logger: logger})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *stage) collect(t *testing.T, sentAt *time.Time, items ...string) ([]collect.Answer, error) {
	t.Helper()
	r := collect.Request{Source: source.Source{Draft: source.Draft{ID: "shop", Format: "call", Trust: source.Verified}}, SentAt: sentAt}
	for _, i := range items {
		r.Items = append(r.Items, json.RawMessage(i))
	}
	return s.gateway.Collect(t.Context(), r)
}

func (s *stage) published(t *testing.T) []contract.CustomerEvent {
	t.Helper()
	var out []contract.CustomerEvent
	for _, m := range s.bus.Messages(contract.TopicEvents) {
		_, e, err := contract.Decode[contract.CustomerEvent](m)
		if err != nil {
			t.Fatal(err)
		}
		if m.Key != e.CustomerKey {
			t.Errorf("the message key is %s, want the customer key %s", m.Key, e.CustomerKey)
		}
		out = append(out, e)
	}
	return out
}

func TestOnlyWhatIsAskedForIsPublished(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if _, err := s.collect(t, nil, `{"type":"track","event":"Order Completed","userId":"ada@example.org","anonymousId":"c1","messageId":"m1",
		"timestamp":"2026-11-24T10:00:00Z","properties":{"total":11.77,"items":{"count":2},"coupon":"X"},"context":{"ip":"10.0.0.1"}}`); err != nil {
		t.Fatal(err)
	}
	got := s.published(t)
	if len(got) != 1 {
		t.Fatalf("%d events are published, want 1", len(got))
	}
	e := got[0]
	want := map[contract.ParameterName]json.RawMessage{"order_amount": json.RawMessage(`{"minor":1177,"currency":"EUR"}`), "order_items": json.RawMessage(`2`)}
	if d := cmp.Diff(want, e.Parameters); d != "" {
		t.Errorf("parameters (-want +got):\n%s", d)
	}
	if e.UserID != "" || e.AnonymousID != "" {
		t.Errorf("identifiers %q and %q are published although nobody asked for them", e.UserID, e.AnonymousID)
	}
	if len(e.Asked) != 1 || e.Asked[0].Directive != "od-1" || e.Asked[0].Revision != 4 || !e.ReceivedAt.Equal(now) || e.Trust != "verified" {
		t.Errorf("the event is stamped %+v, want directive od-1 at revision 4, received now, verified", e)
	}
}

func TestClockSkew(t *testing.T) {
	t.Parallel()
	sent := now.Add(-2 * time.Hour) // the sender's clock is two hours behind
	for name, c := range map[string]struct {
		sentAt *time.Time
		item   string
		want   time.Time
	}{
		"corrected by the batch":   {&sent, `"timestamp":"2026-11-24T09:00:00Z"`, now.Add(-time.Hour)},
		"corrected by the item":    {nil, `"timestamp":"2026-11-24T09:00:00Z","sentAt":"2026-11-24T10:00:00Z"`, now.Add(-time.Hour)},
		"the original wins":        {&sent, `"timestamp":"2026-11-24T11:30:00Z","originalTimestamp":"2026-11-24T09:00:00Z"`, now.Add(-time.Hour)},
		"not without sentAt":       {nil, `"timestamp":"2026-11-24T09:00:00Z"`, now.Add(-3 * time.Hour)},
		"without a time: received": {nil, `"context":{}`, now},
	} {
		s := newStage(t)
		if _, err := s.collect(t, c.sentAt, `{"type":"track","event":"Order Completed","userId":"u","messageId":"m","properties":{"total":1},`+c.item+`}`); err != nil {
			t.Fatal(err)
		}
		if got := s.published(t); len(got) != 1 || !got[0].Time.Equal(c.want) {
			t.Errorf("%s: published %+v, want at %v", name, got, c.want)
		}
	}
}

func TestFilesAreNotCorrected(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	rows := []collect.Row{
		{Row: 1, Item: json.RawMessage(`{"type":"track","event":"Order Completed","userId":"u","timestamp":"1997-01-01T00:00:00Z","sentAt":"2020-01-01T00:00:00Z","properties":{"total":1}}`)},
		{Row: 2, Item: json.RawMessage(`{"type":"track","event":"Order Completed","userId":"u","properties":{"total":1}}`)},
	}
	find, err := s.gateway.Finder(now)
	if err != nil {
		t.Fatal(err)
	}
	v := s.gateway.Rows(source.Source{Draft: source.Draft{ID: "shop"}}, "run", "0123456789abcdef", now, find, rows)
	if v[0].Status != fault.Accepted || v[0].ID != "0123456789abcdef-1" || v[0].Event.Time.Year() != 1997 || v[0].Event.Import.Row != 1 {
		t.Errorf("the row is judged %+v, want accepted at its own time under digest and row", v[0])
	}
	if v[1].Status != fault.InvalidItem || v[1].At != "/timestamp" {
		t.Errorf("a row without a time is judged %+v, want invalid", v[1])
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	answers, err := s.collect(t, nil,
		`{"type":"identify","userId":"u","messageId":"ok","traits":{"subscribed":true,"contractEnd":"2027-01-31"}}`,
		`{"type":"identify","userId":"u","traits":{"subscribed":"false"}}`,
		`{"type":"identify","userId":"u","messageId":"type","traits":{"subscribed":"perhaps"}}`,
		`{"type":"identify","userId":"u","messageId":"none","traits":{"hobby":"chess"}}`,
		`{"type":"screen","userId":"u","messageId":"unasked"}`,
		`{"type":"track","event":"Order Completed","userId":"u","messageId":"future","timestamp":"2026-11-25T12:00:01Z","properties":{"total":1}}`,
		`{"type":"track","event":"Order Completed","userId":"u","messageId":"dollars","properties":{"total":1,"currency":"usd"}}`,
		`{"type":"track","event":"Order Completed","userId":"u","messageId":"no money","properties":{"total":1,"currency":"XQZ"}}`,
		`17`)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"ok accepted ", "id-1 accepted ", "type invalid wrong_type", "none not_requested not_requested", "unasked not_requested not_requested",
		"future quarantined in_future", "dollars quarantined currency_not_supported", "no money invalid wrong_type", " invalid wrong_type"}
	var got []string
	for _, a := range answers {
		got = append(got, fmt.Sprintf("%s %s %s", a.MessageID, a.Status, a.Code))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("answers (-want +got):\n%s", d)
	}
	if answers[1].Detail == "" {
		t.Error("an item with an assigned id is not told that it is not safe to send again")
	}
	if n := len(s.published(t)); n != 2 || len(s.aside.records) != 2 {
		t.Errorf("%d published and %d set aside, want 2 and 2", n, len(s.aside.records))
	}
}

func TestNoAnswerBeforeItIsStored(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.bus.FailPublish(errors.New("no replica answers"))
	item := `{"type":"track","event":"Order Completed","userId":"u","messageId":"m","properties":{"total":1}}`
	answers, err := s.collect(t, nil, item)
	if !fault.Is(err, fault.Transient) || answers != nil {
		t.Fatalf("the request is answered %v, %v; want a transient fault and no answers", answers, err)
	}
	if _, err := s.collect(t, nil, item); err != nil {
		t.Fatal(err)
	}
	if n := len(s.published(t)); n != 1 {
		t.Errorf("%d events are published, want 1", n)
	}
}

func TestNothingIsTakenInBeforeTheDirectivesAreKnown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.asking.set = nil
	if _, err := s.collect(t, nil, `{"type":"identify","userId":"u","traits":{"subscribed":true}}`); !fault.Is(err, fault.Transient) {
		t.Errorf("the request is answered %v, want a transient fault", err)
	}
}

// TestErasedAreForgotten: of an item that names an erased customer, in whichever place, nothing is published or set aside.
func TestErasedAreForgotten(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	keys, err := identity.NewKeys(make([]byte, identity.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	s.erased = erased{keys.Customer(identity.User, "gone"): true}
	// No directive asks for identifiers here, so that an item names its own customer alone.
	answers, err := s.collect(t, nil, `{"type":"track","event":"Order Completed","messageId":"1","userId":"gone","properties":{"total":"1.00","currency":"EUR"}}`,
		`{"type":"track","event":"Order Completed","messageId":"2","userId":"gone","properties":{"total":"1.00","currency":"USD"}}`,
		`{"type":"track","event":"Order Completed","messageId":"3","anonymousId":"gone","properties":{"total":"1.00","currency":"EUR"}}`)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []fault.Code{fault.NotRequested, fault.NotRequested, fault.Accepted} {
		if a := answers[i]; a.Status != want || (want == fault.NotRequested) != (a.Code == fault.Suppressed) || a.MessageID != fmt.Sprint(i+1) {
			t.Errorf("item %d is answered %+v, want %s", i, a, want)
		}
	}
	if got := s.published(t); len(got) != 1 || got[0].ID != "3" || len(s.aside.records) != 0 {
		t.Errorf("published is %+v, set aside %+v", got, s.aside.records)
	}
}

// TestErasedMeanwhile: somebody is erased between the look at the list and the moment in which an item of theirs is set aside, so that
// the erasure has not seen it. It is taken back; others stay.
func TestErasedMeanwhile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	keys, err := identity.NewKeys(make([]byte, identity.KeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	s.aside.meanwhile = func() { s.erased = erased{keys.Customer(identity.User, "gone"): true} }
	answers, err := s.collect(t, nil, `{"type":"track","event":"Order Completed","messageId":"1","userId":"gone","properties":{"total":"1.00","currency":"USD"}}`,
		`{"type":"track","event":"Order Completed","messageId":"2","userId":"stays","properties":{"total":"1.00","currency":"USD"}}`)
	if err != nil {
		t.Fatal(err)
	}
	if answers[0].Code != fault.Suppressed || answers[1].Status != fault.Quarantined {
		t.Errorf("the answers are %+v", answers)
	}
	if got := s.aside.records; len(got) != 1 || got[0].Event.ID != "2" {
		t.Errorf("set aside is %+v", got)
	}
}
