package fact_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

func event(id string, at time.Time, parameters map[contract.ParameterName]json.RawMessage) *lake.Event {
	return &lake.Event{Tenant: "main", CustomerEvent: contract.CustomerEvent{Source: "shop", ID: id, CustomerKey: "c1", Time: at, Parameters: parameters}}
}

func number(n int64) *int64 { return &n }

func TestOf(t *testing.T) {
	t.Parallel()
	vienna, err := time.LoadLocation("Europe/Vienna")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 23, 23, 30, 0, 0, time.UTC) // already the 24th in Vienna
	score := 9.0
	for name, c := range map[string]struct {
		parameters map[contract.ParameterName]json.RawMessage
		want       fact.Fact
		none       bool
	}{
		"an order": {map[contract.ParameterName]json.RawMessage{"order_time": json.RawMessage(`"x"`), "customer_id": json.RawMessage(`"ada"`),
			"order_amount": json.RawMessage(`{"minor":1177,"currency":"EUR"}`), "order_items": json.RawMessage(`3`), "order_cost": json.RawMessage(`{"minor":5,"currency":"EUR"}`)},
			fact.Fact{Kind: fact.Order, Amount: number(1177), Quantity: number(3),
				More: map[contract.ParameterName]json.RawMessage{"order_cost": json.RawMessage(`{"minor":5,"currency":"EUR"}`)}}, false},
		"an order of which only the time was asked for": {map[contract.ParameterName]json.RawMessage{"order_time": json.RawMessage(`"x"`)}, fact.Fact{Kind: fact.Order}, false},
		"an answer": {map[contract.ParameterName]json.RawMessage{"nps": json.RawMessage(`9`)}, fact.Fact{Kind: fact.Answer, Score: &score}, false},
		"a trait":   {map[contract.ParameterName]json.RawMessage{"email": json.RawMessage(`"a@b"`)}, fact.Fact{}, true},
	} {
		got, ok, err := fact.Of(event("1", at, c.parameters), vienna)
		if err != nil || ok == c.none {
			t.Errorf("%s: fact %v, %v; want none %v", name, ok, err, c.none)
			continue
		}
		want := c.want
		want.Tenant, want.Source, want.Event, want.Customer, want.At, want.Day = "main", "shop", "1", "c1", at, "2026-11-24"
		if d := cmp.Diff(want, got); !c.none && d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	if _, _, err := fact.Of(event("1", at, map[contract.ParameterName]json.RawMessage{"order_items": json.RawMessage(`"three"`)}), vienna); fault.CodeOf(err) != fault.Poison {
		t.Errorf("a quantity that is text: %v, want poison", err)
	}
}

func TestRows(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	order := func(id string, at time.Time, amount *int64) fact.Fact {
		return fact.Fact{Tenant: "main", Source: "shop", Event: id, Customer: "c1", At: at, Day: contract.DayOf(at, time.UTC), Kind: fact.Order, Amount: amount, Quantity: number(2)}
	}
	before := []fact.Fact{order("1", noon, number(500)), order("2", noon, number(0))}
	added := []fact.Fact{order("3", noon, number(500)), order("4", noon.Add(time.Second), number(500)), order("5", noon, nil), order("6", noon.AddDate(0, 0, 1), number(7))}
	rows, repeats := fact.Rows("main", before, added)
	want := []fact.CustomerDay{
		{Tenant: "main", Customer: "c1", Day: "2026-11-24", Orders: 5, Revenue: 1500, Units: 10, ZeroOrders: 1, Identical: 1, WithAmount: 4, WithItems: 5},
		{Tenant: "main", Customer: "c1", Day: "2026-11-25", Orders: 1, Revenue: 7, Units: 2, WithAmount: 1, WithItems: 1},
	}
	if d := cmp.Diff(want, rows); d != "" {
		t.Errorf("rows (-want +got):\n%s", d)
	}
	if !repeats["shop|3"] || repeats["shop|4"] || repeats["shop|5"] || repeats["shop|6"] {
		t.Errorf("repeats are %v, want order 3 alone", repeats)
	}
}
