package mongostore

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/strata-crm/strata/operational/internal/btyd"
	"github.com/strata-crm/strata/operational/internal/fact"
	"github.com/strata-crm/strata/operational/internal/identity"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/contract"
)

func bought(customer string, day contract.Day, minor int64) dayDoc {
	return dayDoc{ID: id(tenant, customer, string(day)), V: version, Tenant: tenant, Customer: identity.Key(customer), Day: day, Orders: 1, Revenue: minor}
}

// factOf is the order that a row rests on.
func factOf(d dayDoc) factDoc {
	return factDoc{ID: "f|" + d.ID, V: version, Tenant: tenant, Customer: d.Customer, Day: d.Day, Row: d.ID, Kind: fact.Order}
}

func livesIn(customer, city string, at int64) profileDoc {
	p := profileOf(customer, nil)
	p.Values = bson.D{{Key: "city", Value: originDoc{Value: city, At: time.Unix(at, 0).UTC()}}}
	return p
}

// TestPersons: guest and user are one customer as soon as a link says so, and two again when it is gone; the days that
// this changes are touched.
func TestPersons(t *testing.T) {
	t.Parallel()
	days := []dayDoc{bought("guest", "1997-01-05", 300), bought("user", "1997-01-05", 500), bought("user", "1997-02-10", 100), bought("other", "1997-01-20", 900)}
	var facts []factDoc
	for _, d := range days {
		facts = append(facts, factOf(d))
	}
	db := warehouse(t, days, []profileDoc{livesIn("guest", "Wien", 5), livesIn("user", "Graz", 9), livesIn("other", "Linz", 1)}, facts)
	s := NewMetrics(tenant, db)
	defs := shipped(t)
	medium := defs["active_customers_month"]
	medium.Measures = []contract.Measure{{Name: "days", Agg: contract.CountRows, Entity: contract.CustomerDay, Filter: &contract.Condition{Field: "orders", Op: contract.Gte, Value: 2.0}}}
	graz := defs["active_customers_month"]
	measure := func(d contract.Definition, day contract.Day, scope *contract.Condition) float64 {
		t.Helper()
		cal := metric.Calendar{WeekStart: time.Monday}
		p, why := metric.Compile(&contract.Computation{Metric: d, Grain: contract.GrainMonth, Scope: scope}, cal)
		if why != nil {
			t.Fatalf("%+v", why)
		}
		if err := s.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		r, err := p.Measure(t.Context(), s, cal.Of(contract.GrainMonth, day), btyd.Gates{}, 1)
		if err != nil || r.Value == nil {
			t.Fatalf("%s: %+v, %v", d.ID, r, err)
		}
		return *r.Value
	}
	in := func(city string) *contract.Condition {
		return &contract.Condition{Field: "city", Op: contract.Eq, Value: city}
	}
	check := func(when string, active, busyDays, back, inWien, inGraz float64) {
		t.Helper()
		for what, c := range map[string][2]float64{
			"active customers": {active, measure(defs["active_customers_month"], "1997-01-01", nil)}, "days of two orders": {busyDays, measure(medium, "1997-01-01", nil)},
			"retention": {back, measure(defs["month_on_month_retention"], "1997-02-01", nil)},
			"in Wien":   {inWien, measure(graz, "1997-01-01", in("Wien"))}, "in Graz": {inGraz, measure(graz, "1997-01-01", in("Graz"))},
		} {
			if c[0] != c[1] {
				t.Errorf("%s: %s are %v, want %v", when, what, c[1], c[0])
			}
		}
	}
	check("apart", 3, 0, 1./3, 1, 1)
	link := linkDoc{ID: id(tenant, "guest|user"), V: version, Tenant: tenant, A: "guest", B: "user"}
	insert(t, db, linksCollection, []linkDoc{link})
	check("linked", 2, 1, .5, 0, 1)
	touched(t, s, map[contract.Day]map[int]int64{"1997-01-05": {metric.LinksPartition: 1}, "1997-02-10": {metric.LinksPartition: 1}})
	if err := s.Settle(t.Context()); err != nil { // nothing new: nothing is touched again
		t.Fatal(err)
	}
	touched(t, s, map[contract.Day]map[int]int64{"1997-01-05": {metric.LinksPartition: 1}, "1997-02-10": {metric.LinksPartition: 1}})
	if _, err := db.Collection(linksCollection).DeleteOne(t.Context(), byID(link.ID)); err != nil {
		t.Fatal(err)
	}
	check("parted", 3, 0, 1./3, 1, 1)
	touched(t, s, map[contract.Day]map[int]int64{"1997-01-05": {metric.LinksPartition: 2}, "1997-02-10": {metric.LinksPartition: 2}})
}

func touched(t *testing.T, s *Metrics, want map[contract.Day]map[int]int64) {
	t.Helper()
	got, err := NewWarehouse(s.db, "EUR").Touched(t.Context(), s.tenant, "0000-01-01", "9999-12-31")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("touched days (-want +got):\n%s", d)
	}
}

// TestNoLinksCostNothing: without links no query reads the persons.
func TestNoLinksCostNothing(t *testing.T) {
	t.Parallel()
	for _, d := range shipped(t) {
		p, why := metric.Compile(&contract.Computation{Metric: d, Grain: contract.GrainMonth, Scope: &contract.Condition{Field: "city", Op: contract.Eq, Value: "Wien"}}, metric.Calendar{})
		if why != nil {
			t.Fatal(why)
		}
		for _, linked := range []bool{false, true} {
			text := pipelineText(t, compiler{tenant: tenant, linked: linked}, p)
			if strings.Contains(text, personsCollection) != linked {
				t.Errorf("%s, with links %v: %s", d.ID, linked, text)
			}
		}
	}
}

// pipelineText is the pipeline of what a program asks.
func pipelineText(t *testing.T, c compiler, p *metric.Program) string {
	t.Helper()
	var stages []stage
	var err error
	switch q := p.Question(metric.Span{From: "1997-01-01", Until: "1997-02-01"}); {
	case q.Moments != nil:
		stages, err = c.moments(*q.Moments)
	case q.Order != nil:
		stages, err = c.ordered(*q.Order)
	default:
		stages, err = c.summaries(*q.Summaries, q.Summaries.Window.Until)
	}
	if err != nil {
		t.Fatal(err)
	}
	raw, err := bson.MarshalExtJSON(doc{{Key: "stages", Value: stages}}, false, false)
	if err != nil || !json.Valid(raw) {
		t.Fatal(err)
	}
	return string(raw)
}
