package operational

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/fitting"
	"github.com/strata-crm/strata/operational/internal/model"
	"github.com/strata-crm/strata/operational/internal/mongostore"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
)

// claims sends a directive that collects orders and asks for claims.
func (s *suite) claims(id contract.DirectiveID, orders ...contract.InsightOrder) contract.OperationalDirective {
	s.t.Helper()
	d := contract.OperationalDirective{Order: s.order(id), Strategic: "sd-1", Goal: "g-1", Plan: "p-1", Part: "sales", Collect: askOrders, Currency: "USD", TimeZone: "UTC",
		Constraints: contract.Constraints{Purposes: []contract.Purpose{"retention_analysis"}, MinimumGroup: 10, RetentionDays: 365}}
	for _, o := range orders {
		o.Until = contract.DayOf(d.Expires, time.UTC)
		o.Grain = contract.GrainMonth
		o.ID = contract.InsightIdentity("main", id, o.Kind, o.Metric.ID, o.Metric.Major(), o.Scope, o.Against, o.Grain)
		d.Insights = append(d.Insights, o)
	}
	s.send(contract.TypeOperationalDirective, id, &d)
	s.answered(id, contract.Executing, d.Revision)
	return d
}

// claimed waits for a state of an insight on its topic.
func (s *suite) claimed(what string, id contract.InsightID, is func(contract.Insight) bool) (latest contract.Insight) {
	s.t.Helper()
	s.until(what, func() bool {
		s.read(contract.TopicInsights, func(m bus.Message) {
			_, i, err := contract.Decode[contract.Insight](m)
			if err != nil {
				s.t.Fatal(err)
			}
			if i.ID == id && i.Revision > latest.Revision {
				latest = i
			}
		})
		return latest.Revision > 0 && is(latest)
	})
	return latest
}

var forecast = contract.Definition{ID: "predicted_purchases_39w", Version: "1.0.0", Type: contract.ModelOf, Unit: contract.PerPerson,
	Model:      &contract.ModelSpec{Name: "bg_nbd", Output: "expected_purchases", Horizon: 39},
	Parameters: []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime}}

// TestCDNOWStory is what a manager sees of the orders of CDNOW: a forecast of the next 39 weeks from the first 39, published
// with its verdicts, and refuted by velocity in the third window of four weeks. By one command, from this folder:
//
//	go test -run TestCDNOWStory -v .
func TestCDNOWStory(t *testing.T) {
	if testing.Short() {
		t.Skip("importing 69,659 orders takes a quarter of a minute; package insight tells the story in seconds")
	}
	s := whole(t)
	s.govern("retention_analysis")
	s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.claims("od-1",
		contract.InsightOrder{Kind: contract.ForecastInsight, Metric: forecast, Tolerance: .17, LaterTolerance: .10},
		contract.InsightOrder{Kind: contract.LevelInsight, Metric: repeat, Tolerance: .05},
		contract.InsightOrder{Kind: contract.LevelInsight, Metric: median, Tolerance: .05},
		contract.InsightOrder{Kind: contract.LevelInsight, Metric: different, Tolerance: .05})
	rows, digest := cdnow(t, "cdnow/CDNOW_master.txt", 4)
	run := s.start(digest)
	s.rig.send(run.Run, rows)
	s.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
	s.caughtUp(run.Run)

	until := func(day string, id contract.InsightID) contract.Insight {
		s.do("POST", api+"/sources/shop/watermark", "", map[string]any{"completeUntil": day}, 200, nil)
		return s.claimed("a look at "+day, id, func(i contract.Insight) bool { return i.AsOf.Format(time.DateOnly) == day && i.Withheld == nil })
	}
	total, back, middle, many := d.Insights[0].ID, d.Insights[1].ID, d.Insights[2].ID, d.Insights[3].ID
	i := until("1997-10-01", total)
	t.Logf("%s: %.0f purchases foretold in 39 weeks, ± %.0f %%; verdicts %+v", i.AsOf.Format(time.DateOnly), float64(i.Of)*i.Published, 100*i.Tolerance, i.Verdicts)
	if i.N != 23570 || math.Abs(float64(i.N)*i.Published-16874) > 5 || i.Verdicts.Velocity != contract.NotEnoughData {
		t.Errorf("published as %+v, want 16,874 in all of 23,570 customers", i)
	}
	for k, w := range []struct {
		day     string
		ratio   float64
		verdict contract.Verdict
	}{{"1997-11-01", 1.056, contract.Holds}, {"1997-12-01", 1.239, contract.Weakening}, {"1998-01-01", 1.252, contract.Fails}} {
		i = until(w.day, total)
		f := i.Findings[1]
		t.Logf("%s: window %d, %.3f of the forecast ± %.3f, evidence %.2f: velocity %s", w.day, k+1, 1+f.Effect, f.Margin, f.LogE, f.Verdict)
		if len(i.Windows) != k+1 || f.Verdict != w.verdict || math.Abs(1+f.Effect-w.ratio) > 5.1e-4 {
			t.Errorf("at %s: %+v after %d windows, want %s at %v", w.day, f, len(i.Windows), w.verdict, w.ratio)
		}
	}
	if i.Model.State != contract.ModelExpired || !i.Alarm {
		t.Errorf("the refuted model is %+v, alarm %v", i.Model, i.Alarm)
	}
	s.fittedAnew("bg_nbd")
	b := s.claimed("the repeat rate", back, func(i contract.Insight) bool { return i.State == contract.InsightPublished })
	t.Logf("repeat rate %.4f ± %.4f after %d of %d customers", b.Value, b.HalfWidth, b.N, b.Of)
	if b.N > b.Of || b.N == 0 || b.Verdicts.Volume == "" {
		t.Errorf("the repeat rate is %+v", b)
	}
	half := s.claimed("a median", middle, func(i contract.Insight) bool { return i.State == contract.InsightPublished })
	if half.Rank == nil || half.Rank.Level != .5 || half.Value != 1 {
		t.Errorf("the median of orders is %+v by rank %+v: most bought once", half, half.Rank)
	}
	m := s.claimed("how many different numbers", many, func(i contract.Insight) bool { return i.Withheld != nil })
	if m.State != contract.InsightCandidate || m.Withheld.Code != fault.UnsupportedFeature {
		t.Errorf("a claim that cannot be examined went up as %+v", m)
	}
	s.claimsRead(i)
	s.claimsEnd(d)
}

// fittedAnew waits until a fit that fell has been replaced by one that stood its trial, which the API shows with its history.
func (s *suite) fittedAnew(name string) {
	s.t.Helper()
	s.until("another fit of "+name+" is in use", func() bool {
		var page struct{ Items []fitting.Record }
		s.do("GET", api+"/models", "", nil, 200, &page)
		i := slices.IndexFunc(page.Items, func(r fitting.Record) bool { return r.Subject.Model == name })
		if i < 0 || len(page.Items[i].Line) != 2 {
			return false
		}
		fell, next := page.Items[i].Line[0], page.Items[i].Line[1]
		expired := slices.ContainsFunc(fell.History, func(c model.Change) bool { return c.To == contract.ModelExpired })
		return fell.State == contract.ModelRetired && expired && next.State == contract.ModelActive && next.Latest().HoldOut != nil
	})
}

var median = contract.Definition{ID: "median_orders", Version: "1.0.0", Type: contract.Simple, Unit: contract.Count,
	Measures:   []contract.Measure{{Name: "orders", Agg: contract.Median, Entity: contract.Customer, Field: "orders"}},
	Parameters: []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime}}

// different is how many different numbers of orders there are: of those who were not read nothing is known.
var different = contract.Definition{ID: "different_orders", Version: "1.0.0", Type: contract.Simple, Unit: contract.Count,
	Measures:   []contract.Measure{{Name: "orders", Agg: contract.CountDistinct, Entity: contract.Customer, Field: "orders"}},
	Parameters: []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime}}

// claimsRead checks that the API shows what went up, and that no store of insights knows a customer.
func (s *suite) claimsRead(want contract.Insight) {
	s.t.Helper()
	var page struct{ Items []contract.Insight }
	s.do("GET", api+"/insights?metric="+string(want.Metric), "", nil, 200, &page)
	if len(page.Items) != 1 || page.Items[0].Revision != want.Revision {
		s.t.Errorf("the API shows %+v, want %s at revision %d", page.Items, want.ID, want.Revision)
	}
	var one contract.Insight
	s.do("GET", api+"/insights/"+string(want.ID), "", nil, 200, &one)
	if one.ID != want.ID {
		s.t.Errorf("the API shows %+v", one)
	}
	s.do("GET", api+"/insights/in-none", "", nil, 404, nil)
}

// claimsEnd withdraws the directive: its insights expire, and what goes up of them tells of nobody.
func (s *suite) claimsEnd(d contract.OperationalDirective) {
	s.t.Helper()
	s.withdraw(d)
	for _, o := range d.Insights {
		i := s.claimed("the end of "+string(o.Metric.ID), o.ID, func(i contract.Insight) bool { return i.State == contract.InsightExpired })
		if i.Value != 0 || i.N != 0 || len(i.Findings) != 0 {
			s.t.Errorf("ended it is %+v", i)
		}
	}
}

// comers are the orders of 600 customers in January 1997, of whom two in three come back.
func comers() []map[string]any {
	var rows []map[string]any
	for c := range 600 { // two of three come back
		for k := range 1 + min(1, c%3) {
			rows = append(rows, map[string]any{"row": len(rows) + 1, "item": map[string]any{"type": "track", "event": "Order Completed", "userId": fmt.Sprintf("u%d", c),
				"timestamp": time.Date(1997, 1, 3+9*k, 10, 0, 0, 0, time.UTC).Format(time.RFC3339), "properties": map[string]any{"total": "10.50", "currency": "USD"}}})
		}
	}
	return rows
}

// TestA17SameBytes: what is kept and told of an insight are the same bytes whatever the order of rows, in whatever batches
// they came, and after they were sent once more.
func TestA17SameBytes(t *testing.T) {
	t.Parallel()
	look := func(change func([]map[string]any), again bool) string {
		s := whole(t)
		s.govern("retention_analysis")
		s.offer("shop", "customer_id", "order_time", "order_amount")
		d := s.claims("od-1", contract.InsightOrder{Kind: contract.LevelInsight, Metric: repeat, Tolerance: .25})
		rows := comers()
		change(rows)
		for k := range 2 {
			if k > 0 && !again {
				break
			}
			run := s.start(strings.Repeat(fmt.Sprint(k), 64))
			if again {
				s.rig.send(run.Run, rows[:7])
				s.rig.send(run.Run, rows[7:])
			} else {
				s.rig.send(run.Run, rows)
			}
			s.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{}, 200, nil)
			s.caughtUp(run.Run)
		}
		s.do("POST", api+"/sources/shop/watermark", "", map[string]any{"completeUntil": "1997-02-01"}, 200, nil)
		s.claimed("a published one", d.Insights[0].ID, func(i contract.Insight) bool { return i.State == contract.InsightPublished })
		records, err := mongostore.NewInsights("main", s.db, nil, nil).All(t.Context())
		if err != nil || len(records) != 1 {
			t.Fatalf("%d records, %v", len(records), err)
		}
		i := records[0].Insight
		var state map[string]any
		if err := json.Unmarshal(records[0].State, &state); err != nil {
			t.Fatal(err)
		}
		delete(state, "publishedAt") // the wall clock's
		i.Revision, i.PublishedAt = 0, nil
		out, err := json.Marshal([]any{i, state})
		if err != nil || strings.Contains(string(out), "publishedAt") {
			t.Fatalf("%s, %v", out, err)
		}
		return string(out)
	}
	want := look(func([]map[string]any) {}, false)
	message := func(rows []map[string]any) { // so that the second file repeats the first one's events
		for i := range rows {
			rows[i]["item"].(map[string]any)["messageId"] = fmt.Sprint(i)
		}
	}
	for name, got := range map[string]string{
		"the other way round": look(func(rows []map[string]any) {
			for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
				rows[i]["item"], rows[j]["item"] = rows[j]["item"], rows[i]["item"]
			}
		}, false),
		"in parts, twice": look(message, true),
	} {
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
}

// TestInsightUp: a small shop's claim is examined when its month is complete, goes up, survives a repeated request for state,
// and ends with its directive.
func TestInsightUp(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.claims("od-1", contract.InsightOrder{Kind: contract.LevelInsight, Metric: repeat, Tolerance: .25})
	id := d.Insights[0].ID
	none := s.claimed("a candidate", id, func(i contract.Insight) bool { return i.Withheld != nil })
	if none.State != contract.InsightCandidate || none.Withheld.Code != fault.NoData {
		t.Errorf("without data it is %+v", none)
	}
	rows := comers()
	run := s.start(strings.Repeat("a", 64))
	s.rig.send(run.Run, rows)
	s.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{"completeUntil": "1997-02-01"}, 200, nil)
	i := s.claimed("a published one", id, func(i contract.Insight) bool { return i.State == contract.InsightPublished })
	if math.Abs(i.Published-2./3) > 1e-9 || i.HalfWidth != 0 || i.N != 600 || i.Of != 600 || i.Verdicts.Volume != contract.Holds {
		t.Errorf("published as %+v, want 2/3 of 600, exactly", i)
	}
	var seen int
	again := func() { seen = 0; s.read(contract.TopicInsights, func(bus.Message) { seen++ }) }
	again()
	before := seen
	m, err := contract.Encode(contract.TopicOperationalRequests, "functional", contract.Envelope{ID: contract.NewID(), Source: contract.Functional,
		Type: contract.TypeStateRequest, Subject: "functional", Time: time.Now(), Tenant: "main"}, &contract.StateRequest{Requester: contract.Functional, Of: contract.Operational, Cause: "empty_store", At: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.bus.Publish(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	s.until("it is published again", func() bool { again(); return seen > before })
	s.claimsRead(i)
	s.claimsEnd(d)
}
