package profile_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/profile"
	"github.com/strata-crm/strata/shared/contract"
)

var begin = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func says(id string, minute int, name contract.ParameterName, value string) *lake.Event {
	return &lake.Event{Tenant: "main", CustomerEvent: contract.CustomerEvent{
		Source: "shop", ID: id, CustomerKey: "c1", Time: begin.Add(time.Duration(minute) * time.Minute), Format: "file", Trust: "verified",
		Import: &contract.ImportRow{Run: "run-1", Row: 1}, Asked: []contract.Asked{{Directive: "d", Purposes: []contract.Purpose{"p", "q"}}, {Directive: "e", Purposes: []contract.Purpose{"q"}}},
		Parameters: map[contract.ParameterName]json.RawMessage{name: json.RawMessage(fmt.Sprintf("%q", value))},
	}}
}

func TestLatestCountsAndKeepsItsOrigin(t *testing.T) {
	t.Parallel()
	var p profile.Profile
	for _, e := range []*lake.Event{says("2", 2, "email", "new"), says("1", 1, "email", "old"), says("5", 5, "customer_id", "ada"), says("4", 4, "customer_id", "ada")} {
		p.Apply(e, true)
	}
	email, id := p.Values["email"], p.Values["customer_id"]
	if string(email.Value) != `"new"` || email.Event != "2" || email.Source != "shop" || email.Format != "file" || email.Trust != "verified" || email.Import != "run-1" {
		t.Errorf("the address is %+v, want the later one with its origin", email)
	}
	if d := cmp.Diff([]contract.Purpose{"p", "q"}, email.Purposes); d != "" {
		t.Errorf("purposes (-want +got):\n%s", d)
	}
	if id.Event != "4" || !p.Since.Equal(begin.Add(time.Minute)) {
		t.Errorf("the id comes from event %s and the profile begins at %v, want the earliest of each", id.Event, p.Since)
	}
	if p.Apply(says("9", 9, "order_cost", "5"), false) {
		t.Error("a value of an order became a trait")
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		var events []*lake.Event
		for i := range rapid.IntRange(1, 8).Draw(r, "events") {
			events = append(events, says(fmt.Sprint(i), rapid.IntRange(0, 3).Draw(r, "minute"),
				rapid.SampledFrom([]contract.ParameterName{"email", "customer_id"}).Draw(r, "name"), rapid.SampledFrom([]string{"a", "b"}).Draw(r, "value")))
		}
		var a, b profile.Profile
		for _, e := range events {
			a.Apply(e, true)
		}
		for _, e := range rapid.Permutation(append(events, events...)).Draw(r, "arrival") {
			b.Apply(e, true)
		}
		if d := cmp.Diff(a, b); d != "" {
			r.Fatal(d)
		}
	})
}
