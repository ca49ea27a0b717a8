package operational

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/directive"
	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/operational/internal/metric"
	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/signin"
)

// suite is the whole service, with the functional layer played by the test.
type suite struct {
	*rig
	revision int64
	run      func()       // starts the service, on the same bus and database
	ahead    atomic.Int64 // by how much the service's clock is ahead, in ns; turned while it is stopped
	lasts    time.Duration
}

// now is the service's clock.
func (s *suite) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

// whole runs the service on a bus and a database in memory.
func whole(t *testing.T) *suite {
	t.Helper()
	tel, b := newTelemetry(t), bustest.Memory(t, contract.Specs()...)
	issuer, err := signin.NewIssuer(signin.Options{Dir: t.TempDir(), Now: time.Now, Tenant: "main"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.Token("tester", []signin.Role{signin.Steward, signin.Collector}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	c := settings()
	c.Cadence = 100 * time.Millisecond
	db := mongotest.Open(t, Indexes()...)
	s := &suite{rig: &rig{t: t, db: db, bus: b, issuer: issuer, token: token}, lasts: time.Hour}
	s.run = func() {
		svc, err := New(t.Context(), c, host.Deps{DB: db, Bus: b, Verifier: issuer.Verifier(), Telemetry: tel, Now: s.now, NewID: contract.NewID})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		done := make(chan error, 1)
		go func() { done <- svc.Run(ctx) }()
		s.server = httptest.NewServer(svc.Handler())
		s.stop = func() {
			s.server.Close()
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the service did not stop well: %v", err)
			}
		}
	}
	s.run()
	t.Cleanup(func() { s.stop() })
	return s
}

func (s *suite) order(id contract.DirectiveID) contract.Order {
	s.revision++
	now := s.now().UTC().Truncate(time.Millisecond)
	return contract.Order{ID: id, Revision: s.revision, Standing: contract.InForce, ValidFrom: now.Add(-time.Hour), Expires: now.Add(s.lasts),
		Decision: contract.Decision{ID: "d-1", Rule: "functional.plan"}, At: now}
}

func (s *suite) send(kind string, id contract.DirectiveID, p contract.Payload) {
	s.t.Helper()
	m, err := contract.Encode(contract.TopicFunctionalDirectives, string(id), contract.Envelope{ID: contract.NewID(), Source: contract.Functional, Type: kind,
		Subject: string(id), Time: time.Now(), Tenant: "main"}, p)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.bus.Publish(s.t.Context(), m); err != nil {
		s.t.Fatal(err)
	}
}

// govern puts a governance directive in force that allows the purposes.
func (s *suite) govern(purposes ...contract.Purpose) {
	s.t.Helper()
	g := contract.GovernanceDirective{Order: s.order("gd-1"), Version: 1, MinimumGroup: 10, Roles: roles(),
		Retention: map[contract.DataType]int{contract.Transactional: 1095, contract.Identification: 1095}}
	for _, p := range purposes {
		g.Purposes = append(g.Purposes, contract.PurposeRule{Purpose: p, Categories: []contract.DataType{contract.Transactional, contract.Identification}})
	}
	s.send(contract.TypeGovernance, g.ID, &g)
	s.answered("gd-1", contract.Accepted, s.revision)
}

func ask(name contract.ParameterName, d contract.DataType, v contract.ValueType, call, event, property string) contract.Collection {
	c := parameter(name, v, call, event, property)
	c.Parameter.DataType, c.Parameter.Coverage = d, .8
	return c
}

var (
	askOrders = []contract.Collection{
		ask(contract.ParamCustomerID, contract.Identification, contract.Text, "track", "Order Completed", "userId"),
		ask(contract.ParamOrderTime, contract.Transactional, contract.Timestamp, "track", "Order Completed", "timestamp"),
		ask(contract.ParamOrderAmount, contract.Transactional, contract.AmountOf, "track", "Order Completed", "total"),
	}
	askEmail = ask("email", contract.Identification, contract.Text, "identify", "", "email")
	revenue  = contract.Definition{ID: "revenue_month", Version: "1.0.0", Type: contract.Simple, Unit: contract.Money,
		Measures:   []contract.Measure{{Name: "revenue", Agg: contract.Sum, Entity: contract.CustomerDay, Field: "revenue"}},
		Parameters: []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime, contract.ParamOrderAmount}}
	repeat = contract.Definition{ID: "repeat_rate", Version: "1.0.0", Type: contract.RatioOf, Unit: contract.Ratio,
		Measures: []contract.Measure{
			{Name: "repeaters", Agg: contract.CountRows, Entity: contract.Customer, Filter: &contract.Condition{Field: "purchase_days", Op: contract.Gte, Value: 2}},
			{Name: "customers", Agg: contract.CountRows, Entity: contract.Customer},
		}, Numerator: "repeaters", Denominator: "customers", Parameters: []contract.ParameterName{contract.ParamCustomerID, contract.ParamOrderTime}}
)

// direct sends a directive that collects and computes, and returns it.
func (s *suite) direct(id contract.DirectiveID, collect []contract.Collection, metrics ...contract.Definition) contract.OperationalDirective {
	s.t.Helper()
	d := contract.OperationalDirective{Order: s.order(id), Strategic: "sd-1", Goal: "g-1", Plan: "p-1", Part: "sales", Collect: collect, Currency: "USD", TimeZone: "UTC",
		Constraints: contract.Constraints{Purposes: []contract.Purpose{"retention_analysis"}, MinimumGroup: 10, RetentionDays: 365}}
	for _, m := range metrics {
		d.Compute = append(d.Compute, contract.Computation{Metric: m, Grain: contract.GrainMonth, Until: "2030-12-31", Required: true})
	}
	s.send(contract.TypeOperationalDirective, id, &d)
	return d
}

func (s *suite) withdraw(d contract.OperationalDirective) {
	s.t.Helper()
	s.revision++
	d.Revision, d.Standing = s.revision, contract.WithdrawnEnd
	s.send(contract.TypeOperationalDirective, d.ID, &d)
	s.answered(d.ID, contract.Withdrawn, d.Revision)
}

func (s *suite) read(topic string, fn func(bus.Message)) {
	s.t.Helper()
	if err := s.bus.ReadAll(s.t.Context(), topic, func(m bus.Message) error { fn(m); return nil }); err != nil {
		s.t.Fatal(err)
	}
}

// ack returns the latest answer to a directive.
func (s *suite) ack(id contract.DirectiveID) (latest contract.Acknowledgement) {
	s.t.Helper()
	s.read(contract.TopicOperationalAcks, func(m bus.Message) {
		_, a, err := contract.Decode[contract.Acknowledgement](m)
		if err != nil {
			s.t.Fatal(err)
		}
		if a.Directive == id && a.AckRevision > latest.AckRevision {
			latest = a
		}
	})
	return latest
}

// answered waits until a revision of a directive is answered with a state.
func (s *suite) answered(id contract.DirectiveID, want contract.State, revision int64) (a contract.Acknowledgement) {
	s.t.Helper()
	s.until(fmt.Sprintf("%s answered %s", id, want), func() bool {
		a = s.ack(id)
		return a.State == want && a.DirectiveRevision == revision
	})
	return a
}

// measured waits for the closed measurement of a metric and month.
func (s *suite) measured(id contract.DirectiveID, m contract.MetricID, month string) (latest contract.Measurement) {
	s.t.Helper()
	s.until(fmt.Sprintf("%s of %s measured", m, month), func() bool {
		latest = s.latest(id, m, month)
		return latest.Revision > 0
	})
	return latest
}

func (s *suite) offer(id string, offers ...string) (key string) {
	s.t.Helper()
	var answer httpapi.RegisteredSource
	s.do("POST", api+"/sources", "", map[string]any{"id": id, "name": id, "owner": "head of sales", "steward": "order data steward", "offers": offers, "format": "file", "trust": "verified"}, 201, &answer)
	return answer.WriteKey
}

// sales are 300 orders of 60 customers over January and February 1997: of 10.50 each.
func sales() []map[string]any {
	var rows []map[string]any
	for i := range 300 {
		day := time.Date(1997, 1, 1, 10, 0, 0, 0, time.UTC).AddDate(0, 0, i%59)
		rows = append(rows, map[string]any{"row": i + 1, "item": map[string]any{"type": "track", "event": "Order Completed", "userId": fmt.Sprintf("u%d", i%60),
			"timestamp": day.Format(time.RFC3339), "properties": map[string]any{"total": "10.50", "currency": "USD", "coupon": "X"}}})
	}
	return rows
}

func (s *suite) importSales(source string) {
	s.t.Helper()
	var run httpapi.Import
	s.do("POST", api+"/imports", "", map[string]any{"source": source, "fileName": "sales.csv", "digest": fmt.Sprintf("%064x", 1), "rows": 300}, 200, &run)
	s.do("POST", api+"/imports/"+run.Run+"/rows", "", sales(), 200, nil)
	s.do("POST", api+"/imports/"+run.Run+"/finish", "", map[string]any{"completeUntil": "1997-03-01"}, 200, nil)
}

// collected sends one item and returns its status.
func (s *suite) collected(key, call string, item map[string]any) string {
	s.t.Helper()
	var a httpapi.Answers
	item["type"] = call
	s.do("POST", "/v1/batch", "Bearer "+key, map[string]any{"batch": []any{item}}, 0, &a)
	return string(a.Results[0].Status)
}

// TestDirectiveToMeasurement is the whole way: nothing without governance, a directive answered, its data collected, its
// metrics measured when their month is complete, and nothing collected any more once it is withdrawn.
func TestDirectiveToMeasurement(t *testing.T) {
	t.Parallel()
	s := whole(t)
	unserved := s.direct("od-0", askOrders, revenue)
	if a := s.answered("od-0", contract.Received, unserved.Revision); a.Reasons[0].Code != fault.AwaitingApproval {
		t.Errorf("without governance it waits because of %+v, want awaiting_approval", a.Reasons)
	}
	s.govern("retention_analysis")
	if a := s.answered("od-0", contract.Refused, unserved.Revision); a.Reasons[0].Code != fault.NoSource {
		t.Errorf("without a source it is refused because of %+v, want no_source", a.Reasons)
	}
	key := s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.direct("od-1", askOrders, revenue, repeat)
	if a := s.answered("od-1", contract.Executing, d.Revision); len(a.Jobs) != 5 || a.History[1].Decision == nil {
		t.Errorf("it is answered with jobs %+v and trail %+v", a.Jobs, a.History)
	}
	s.importSales("shop")
	m := s.measured("od-1", "revenue_month", "1997-02")
	var orders float64
	for i := range 300 {
		if i%59 >= 31 {
			orders++
		}
	}
	if m.Value == nil || *m.Value != orders*1050 || m.Unit != contract.Money || m.Currency != "USD" || m.Quality.Coverage[contract.ParamOrderAmount] != 1 {
		t.Errorf("February's revenue is %+v, want %v cents", m, orders*1050)
	}
	if r := s.measured("od-1", "repeat_rate", "1997-02"); r.Value == nil || *r.Value != 1 || r.N != 60 {
		t.Errorf("the repeat rate is %+v, want 1 of 60", r)
	}
	s.reads(m)
	order := sales()[0]["item"].(map[string]any)
	s.withdraw(d)
	s.until("orders are not asked for any more", func() bool {
		order["messageId"] = contract.NewID()
		return s.collected(key, "track", order) == "not_requested"
	})
	for _, j := range s.ack("od-1").Jobs {
		if j.State != "stopped" {
			t.Errorf("job %s is %s after the end", j.Item, j.State)
		}
	}
	s.conserved()
}

// reads checks that the API shows what was answered and measured.
func (s *suite) reads(m contract.Measurement) {
	s.t.Helper()
	var page struct {
		Items []contract.Measurement
		Next  string
	}
	s.do("GET", api+"/measurements?metric=revenue_month&limit=1", "", nil, 200, &page)
	if len(page.Items) != 1 || page.Items[0].Window.Start.Format("2006-01") != "1997-01" || page.Next == "" {
		s.t.Errorf("the first page of measurements is %+v", page)
	}
	s.do("GET", api+"/measurements?metric=revenue_month&cursor="+page.Next, "", nil, 200, &page)
	if len(page.Items) != 1 || page.Items[0].ID != m.ID || *page.Items[0].Value != *m.Value {
		s.t.Errorf("the second page of measurements is %+v, want %s", page.Items, m.ID)
	}
	var directives struct{ Items []directive.Record }
	s.do("GET", api+"/directives", "", nil, 200, &directives)
	if len(directives.Items) != 2 || directives.Items[1].ID() != "od-1" {
		s.t.Errorf("the directives are %+v, want od-0 and od-1", directives.Items)
	}
	var one directive.Record
	s.do("GET", api+"/directives/od-1", "", nil, 200, &one)
	if one.Order.ID != "od-1" || one.Answer.State != contract.Executing || len(one.Jobs) != 5 {
		s.t.Errorf("the directive is %+v", one)
	}
	s.do("GET", api+"/directives/od-9", "", nil, 404, nil)
	s.do("GET", api+"/measurements?metric=$where", "", nil, 400, nil)
	s.explains()
}

// explains checks that the API tells how a metric is computed, and nothing of what came out.
func (s *suite) explains() {
	s.t.Helper()
	var e metric.Explanation
	s.do("POST", api+"/metrics/explain", "", map[string]any{"metric": "revenue_month", "day": "1997-01-15"}, 200, &e)
	if len(e.Plans) != 1 || e.Plans[0].Index != "day" || e.Plans[0].Documents == 0 || e.Window.Start.Format("2006-01-02") != "1997-01-01" {
		s.t.Errorf("the explanation is %+v", e)
	}
	e = metric.Explanation{}
	count := map[string]any{"id": "buyers", "version": "1.0.0", "type": "simple", "measures": []any{map[string]any{"name": "n", "agg": "count", "entity": "customer"}}}
	s.do("POST", api+"/metrics/explain", "", map[string]any{"definition": count, "grain": "week", "day": "1997-01-15"}, 200, &e)
	if e.Plans[0].Index != "" || e.Window.End.Sub(e.Window.Start).Hours() != 168 {
		s.t.Errorf("the explanation of a definition is %+v", e)
	}
	s.do("POST", api+"/metrics/explain", "", map[string]any{"metric": "no_such_metric", "day": "1997-01-15"}, 404, nil)
	s.do("POST", api+"/metrics/explain", "", map[string]any{"metric": "revenue_month", "day": "1997-02-30"}, 422, nil)
	s.do("POST", api+"/metrics/explain", "", map[string]any{"day": "1997-01-15"}, 400, nil)
	count["type"] = "wish"
	s.do("POST", api+"/metrics/explain", "", map[string]any{"definition": count, "day": "1997-01-15"}, 422, nil)
}

// TestCoverageDegradesAndHeals: with too few e-mail addresses the directive is degraded with the figures, until they come.
func TestCoverageDegradesAndHeals(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	s.offer("shop", "customer_id", "order_time", "order_amount")
	key := s.offer("crm", "email")
	d := s.direct("od-1", append([]contract.Collection{askEmail}, askOrders...), revenue)
	s.answered("od-1", contract.Executing, d.Revision)
	s.importSales("shop")
	a := s.answered("od-1", contract.Degraded, d.Revision)
	if r := a.Reasons[0]; len(a.Reasons) != 1 || r.Code != fault.LowCoverage || r.Item != "email" || *r.Have != 0 || *r.Need != .8 {
		t.Errorf("it is degraded because of %+v, want low coverage of email, 0 of .8", a.Reasons)
	}
	var batch []any
	for i := range 60 {
		batch = append(batch, map[string]any{"type": "identify", "userId": fmt.Sprintf("u%d", i), "messageId": contract.NewID(), "traits": map[string]any{"email": fmt.Sprintf("u%d@example.org", i)}})
	}
	s.do("POST", "/v1/batch", "Bearer "+key, map[string]any{"batch": batch}, 200, nil)
	healed := s.answered("od-1", contract.Executing, d.Revision)
	if len(healed.Reasons) != 0 || healed.AckRevision <= a.AckRevision {
		t.Errorf("healed it is %+v", healed)
	}
}

// TestTwoDirectives: what only the withdrawn one asked for is dropped, what the other asks for still flows.
func TestTwoDirectives(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	key := s.offer("shop", "customer_id", "order_time", "order_amount", "email")
	one := s.direct("od-1", append([]contract.Collection{askEmail}, askOrders[0]))
	two := s.direct("od-2", askOrders, revenue)
	s.answered("od-1", contract.Executing, one.Revision)
	s.answered("od-2", contract.Executing, two.Revision)
	identify := func() string {
		return s.collected(key, "identify", map[string]any{"userId": "u1", "messageId": contract.NewID(), "traits": map[string]any{"email": "a@example.org"}})
	}
	order := func() string {
		item := sales()[0]["item"].(map[string]any)
		item["messageId"] = contract.NewID()
		return s.collected(key, "track", item)
	}
	s.until("both are asked for", func() bool { return identify() == "accepted" && order() == "accepted" })
	s.withdraw(one)
	s.until("e-mail is not asked for any more", func() bool { return identify() == "not_requested" })
	if got := order(); got != "accepted" {
		t.Errorf("an order is %s, want accepted: the other directive asks for it", got)
	}
}

// TestGovernanceEndsCollection: a purpose that is no longer allowed ends what is done for it.
func TestGovernanceEndsCollection(t *testing.T) {
	t.Parallel()
	s := whole(t)
	s.govern("retention_analysis")
	s.offer("shop", "customer_id", "order_time", "order_amount")
	d := s.direct("od-1", askOrders, revenue)
	s.answered("od-1", contract.Executing, d.Revision)
	s.govern("another_purpose")
	if a := s.answered("od-1", contract.Refused, d.Revision); a.Reasons[0].Code != fault.PurposeNotAllowed || a.Reasons[0].Item != "retention_analysis" {
		t.Errorf("it is refused because of %+v, want purpose_not_allowed", a.Reasons)
	}
}
