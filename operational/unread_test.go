package operational

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/lake"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/operational/internal/source"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
)

// TestUnreadIsOfTheSourcesAndTheWindow: what was set aside of other sources, or about other times, hides nothing of a metric; and what the gateway
// set aside counts, as it does where ingest did.
func TestUnreadIsOfTheSourcesAndTheWindow(t *testing.T) {
	t.Parallel()
	db := mongotest.Open(t, mongostore.CollectIndexes()...)
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	registry, err := source.NewRegistry("main", mongostore.NewSources(db), func() time.Time { return now }, nil)
	if err != nil {
		t.Fatal(err)
	}
	for id, offers := range map[contract.SourceID][]contract.ParameterName{"shop": {"customer_id", "order_time", "order_amount"}, "club": {"customer_id", "email"}, "survey": {"customer_id", "nps"}} {
		if _, _, err := registry.Register(t.Context(), source.Draft{ID: id, Name: string(id), Owner: "o", Steward: "s", Offers: offers, Format: source.FormatCall, Trust: source.Verified}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 30 {
		if _, err := db.Collection("customer_days").InsertOne(t.Context(), bson.D{{Key: "_id", Value: fmt.Sprint("main|c", i)}, {Key: "v", Value: 1}, {Key: "tenant", Value: "main"},
			{Key: "customer", Value: fmt.Sprint("c", i)}, {Key: "day", Value: "2026-03-05"}, {Key: "orders", Value: int64(1)}, {Key: "withAmount", Value: int64(1)}, {Key: "withItems", Value: int64(0)},
			{Key: "zeroOrders", Value: int64(0)}, {Key: "identical", Value: int64(0)}}); err != nil {
			t.Fatal(err)
		}
	}
	log := mongostore.NewLake(db)
	aside := func(s contract.SourceID, day contract.Day, n int) (out []lake.Quarantined) {
		for i := range n {
			e := contract.CustomerEvent{Source: s, ID: fmt.Sprint(s, day, i), Call: "track", Time: day.Start(time.UTC).Add(time.Hour), ReceivedAt: now}
			out = append(out, lake.Quarantined{ID: fmt.Sprint("x|", s, day, i), Tenant: "main", Reason: fault.CurrencyNotSupported, At: now, Source: s, Event: &e})
		}
		return out
	}
	all := append(append(append(aside("shop", "2026-03-10", 10), aside("shop", "2026-01-10", 100)...), aside("club", "2026-03-10", 100)...), aside("survey", "2026-03-31", 5)...)
	all = append(all, lake.Quarantined{ID: "poison", Tenant: "main", Reason: fault.Poison, At: now, Raw: []byte("{")})
	if err := log.SetAside(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	u := unread{"main", registry, log, mongostore.NewMetrics("main", db), time.UTC, func(context.Context) (float64, error) { return .5, nil }}
	on := func(e contract.Entity, ps ...contract.ParameterName) contract.Definition {
		return contract.Definition{Measures: []contract.Measure{{Entity: e}}, Parameters: append(ps, "customer_id")}
	}
	march := metric.Span{From: "2026-03-01", Until: "2026-04-01"}
	for name, c := range map[string]struct {
		of   contract.Definition
		at   metric.Span
		want float64
	}{
		"orders of March":                {on(contract.CustomerDay, "order_time"), march, .25},
		"orders of April":                {on(contract.CustomerDay, "order_time"), metric.Span{From: "2026-04-01", Until: "2026-05-01"}, 0},
		"all orders by then":             {on(contract.Customer, "order_time"), metric.Span{Until: "2026-04-01"}, 110. / 140},
		"answers of March":               {on(contract.Answer, "nps"), march, 1},
		"profiles":                       {on(contract.Profile, "email"), march, .5},
		"when something unreadable came": {on(contract.CustomerDay, "order_time"), metric.Span{From: "2026-11-01", Until: "2026-12-01"}, 1},
	} {
		if got, err := u.of(t.Context(), &c.of, c.at); err != nil || got != c.want {
			t.Errorf("%s: %v was set aside, want %v; %v", name, got, c.want, err)
		}
	}
}
