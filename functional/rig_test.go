package functional

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/strata-crm/strata/shared/bus"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/telemetry"
)

// patience bounds every wait; tests share the machine with many others.
const patience = 2 * time.Minute

// rig is the functional service between neighbours that the test plays: it hears and speaks only through topics, and is
// reached over HTTP.
type rig struct {
	t      *testing.T
	bus    *bustest.Bus
	db     *mongodb.DB
	issuer *signin.Issuer
	server *httptest.Server
	stop   func()
}

// start runs the service on a new database.
func start(t *testing.T, b *bustest.Bus, change func(*Config)) *rig {
	t.Helper()
	return startOn(t, b, mongotest.Open(t, Indexes()...), change)
}

func startOn(t *testing.T, b *bustest.Bus, db *mongodb.DB, change func(*Config)) *rig {
	t.Helper()
	c := Config{Approval: "policy"}
	c.Tenant = host.Tenant{ID: "main", Zone: "UTC", Currency: "USD", WeekStart: "monday"}
	if change != nil {
		change(&c)
	}
	issuer, err := signin.NewIssuer(signin.Options{Dir: t.TempDir(), Now: time.Now, Tenant: "main"})
	must(t, err)
	r := &rig{t: t, bus: b, db: db, issuer: issuer}
	svc, err := New(t.Context(), c, r.deps())
	must(t, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	r.server = httptest.NewServer(svc.Handler())
	stopped := false
	r.stop = func() {
		if stopped {
			return
		}
		stopped = true
		r.server.Close()
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the service did not stop well: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

func (r *rig) deps() host.Deps {
	return host.Deps{DB: r.db, Bus: r.bus, Verifier: r.issuer.Verifier(), Telemetry: newTelemetry(r.t), Now: time.Now, NewID: contract.NewID}
}

func newTelemetry(t *testing.T) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "functional", Stderr: io.Discard})
	must(t, err)
	t.Cleanup(func() { _ = tel.Shutdown(context.WithoutCancel(t.Context())) })
	tel.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	return tel
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const traceOfTest = "4bf92f3577b34da6a3ce929d0e0e4736"

// say publishes what a neighbour says.
func (r *rig) say(topic, kind, key string, from contract.Layer, correlation contract.DirectiveID, p contract.Payload) {
	r.t.Helper()
	m, err := contract.Encode(topic, key, contract.Envelope{
		ID: contract.NewID(), Source: from, Type: kind, Subject: key, Time: time.Now(), Tenant: "main", Correlation: string(correlation),
		TraceParent: "00-" + traceOfTest + "-00f067aa0ba902b7-01",
	}, p)
	must(r.t, err)
	must(r.t, r.bus.Publish(r.t.Context(), m))
}

func (r *rig) direct(d contract.StrategicDirective) {
	r.t.Helper()
	r.say(contract.TopicStrategicDirectives, contract.TypeStrategicDirective, string(d.ID), contract.Strategic, d.ID, &d)
}

func (r *rig) govern(g contract.GovernanceDirective) {
	r.t.Helper()
	r.say(contract.TopicStrategicDirectives, contract.TypeGovernance, string(g.ID), contract.Strategic, g.ID, &g)
}

func (r *rig) measure(m contract.Measurement) {
	r.t.Helper()
	r.say(contract.TopicMeasurements, contract.TypeMeasurement, string(m.ID), contract.Operational, m.Strategic, &m)
}

// answer plays the operational layer's answer to an operational directive.
func (r *rig) answer(o contract.OperationalDirective, s contract.State, why ...contract.Reason) {
	r.t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	coverage := .97
	r.say(contract.TopicOperationalAcks, contract.TypeOperationalAck, string(o.ID), contract.Operational, o.Strategic, &contract.Acknowledgement{
		Directive: o.ID, DirectiveRevision: o.Revision, AckRevision: contract.NextRevision(r.lastAck(o.ID), now), Layer: contract.Operational, State: s,
		Reasons: why, At: now, History: []contract.Step{{State: s, At: now, By: "operational", Trace: traceOfTest, Decision: &contract.Decision{ID: "pd-below", Rule: "operational.directive"}}},
		Jobs: []contract.JobSummary{{ID: "job-1", Kind: "collect", Item: "order_time", State: "running", Sources: []contract.SourceID{"shop"}, Coverage: &coverage}},
	})
}

func (r *rig) lastAck(id contract.DirectiveID) int64 {
	var last int64
	for _, m := range r.bus.Messages(contract.TopicOperationalAcks) {
		if _, a, err := contract.Decode[contract.Acknowledgement](m); err == nil && a.Directive == id {
			last = max(last, a.AckRevision)
		}
	}
	return last
}

// heard returns the first message of a topic for which ok holds, as soon as there is one.
func heard[T any, P interface {
	*T
	contract.Payload
}](r *rig, topic, kind string, ok func(T) bool) (T, bus.Message) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	for {
		ms := r.bus.Messages(topic)
		for _, m := range ms {
			if m.Header("ce_type") != kind {
				continue
			}
			_, v, err := contract.Decode[T, P](m)
			must(r.t, err)
			if ok(v) {
				return v, m
			}
		}
		r.bus.Await(ctx, r.t, topic, len(ms)+1)
	}
}

// acked returns the answer that says a state of a directive.
func (r *rig) acked(id contract.DirectiveID, s contract.State, more ...func(contract.Acknowledgement) bool) contract.Acknowledgement {
	r.t.Helper()
	a, _ := heard(r, contract.TopicFunctionalAcks, contract.TypeFunctionalAck, func(a contract.Acknowledgement) bool {
		if a.Directive != id || a.State != s {
			return false
		}
		for _, ok := range more {
			if !ok(a) {
				return false
			}
		}
		return true
	})
	return a
}

// ordered returns the newest operational directive of a part, once its revision is above after.
func (r *rig) ordered(strategic contract.DirectiveID, part string, after int64) contract.OperationalDirective {
	r.t.Helper()
	o, _ := heard(r, contract.TopicFunctionalDirectives, contract.TypeOperationalDirective, func(o contract.OperationalDirective) bool {
		return o.Strategic == strategic && o.Part == part && o.Revision > after
	})
	return o
}

// informed returns the information on a goal for which ok holds.
func (r *rig) informed(goal contract.GoalID, ok func(contract.Information) bool) contract.Information {
	r.t.Helper()
	i, _ := heard(r, contract.TopicInformation, contract.TypeInformation, func(i contract.Information) bool { return i.Goal == goal && ok(i) })
	return i
}

// do calls the API as somebody of the given roles; none means nobody. It returns the answer's header, and decodes its
// body into out, which may be nil.
func (r *rig) do(method, path string, as []signin.Role, body any, header map[string]string, status int, out any) http.Header {
	r.t.Helper()
	b, err := json.Marshal(body)
	must(r.t, err)
	if body == nil {
		b = nil
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+"/api/functional/v1"+path, bytes.NewReader(b))
	must(r.t, err)
	req.Header.Set("Content-Type", "application/json")
	if as != nil {
		token, err := r.issuer.Token("somebody", as, time.Hour)
		must(r.t, err)
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", contract.NewID()) // so that a write outside of a transaction is noticed
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	res, err := r.server.Client().Do(req)
	must(r.t, err)
	defer func() { _ = res.Body.Close() }()
	got, err := io.ReadAll(res.Body)
	must(r.t, err)
	if res.StatusCode != status {
		r.t.Fatalf("%s %s: %s, want %d\n%s", method, path, res.Status, status, got)
	}
	if out != nil {
		if err := json.Unmarshal(got, out); err != nil {
			r.t.Fatalf("%s %s: %v\n%s", method, path, err, got)
		}
	}
	return res.Header
}

func order(id contract.DirectiveID, revision int64) contract.Order {
	now := time.Now().UTC().Truncate(time.Millisecond)
	return contract.Order{
		ID: id, Revision: revision, Standing: contract.InForce, ValidFrom: now.Add(-time.Hour), Expires: now.Add(24 * time.Hour), At: now,
		Decision: contract.Decision{ID: "pd-above", Rule: "strategic.issue"},
	}
}

// value is a directive on lifetime value; its plan has the parts marketing, which the goal needs, and sales.
func value(id contract.DirectiveID, revision int64) contract.StrategicDirective {
	ratio := .1
	return contract.StrategicDirective{
		Order: order(id, revision), TimeZone: "UTC", Currency: "USD", Impact: contract.NormalImpact,
		Goal: contract.Goal{
			ID: "goal-of-" + contract.GoalID(id), Revision: 1, Name: "Worth more", Variable: contract.LifetimeValue, Metric: "predicted_value_52w",
			Kind: contract.Level, Direction: contract.Up, Grain: contract.GrainMonth, Baseline: contract.Baseline{MeasureUntil: "1997-09-30"},
			Target: contract.Target{Relative: &ratio}, Start: "1997-01-01", Deadline: "1998-06-30", Unit: contract.Money,
		},
		Constraints: contract.Constraints{Purposes: []contract.Purpose{"value_analysis"}, MinimumGroup: 10, MinimumN: 30, RequiredCoverage: .8, RetentionDays: 365},
	}
}

func governance(revision int64) contract.GovernanceDirective {
	all := []contract.DataType{contract.Identification, contract.Transactional}
	return contract.GovernanceDirective{
		Order: order("gd-1", revision), Version: int(revision), MinimumGroup: 10,
		Purposes:  []contract.PurposeRule{{Purpose: "value_analysis", Basis: "legitimate_interest", Categories: all}},
		Retention: map[contract.DataType]int{contract.Identification: 1095, contract.Transactional: 1095},
		Roles: map[string][]string{
			"manager": {"edit_plan", "approve_plan", "define_metric", "review_metric", "certify_metric", "retire_metric", "try_metric"},
			"steward": {"define_metric", "review_metric", "try_metric"},
		}, Regions: []string{"eu"}, ApprovedBy: []string{"chief executive", "data protection officer"},
		Owners: []contract.DataOwner{{DataType: contract.Transactional, Owner: "head of sales", Steward: "order data steward"}},
	}
}

func month(o contract.OperationalDirective, metric contract.MetricID, m time.Month, v float64) contract.Measurement {
	start := time.Date(1997, m, 1, 0, 0, 0, 0, time.UTC)
	return contract.Measurement{
		ID: contract.MeasurementIdentity("main", o.ID, metric, 1, nil, contract.GrainMonth, start), Revision: 1, Directive: o.ID, DirectiveRevision: o.Revision,
		Strategic: o.Strategic, Goal: o.Goal, Metric: metric, Version: "1.0.0", Grain: contract.GrainMonth,
		Window: contract.Window{Start: start, End: start.AddDate(0, 1, 0)}, Closed: true, AsOf: start.AddDate(0, 1, 0), Value: &v, Unit: contract.Money,
		Currency: "USD", N: 1000, Quality: contract.Quality{Coverage: map[contract.ParameterName]float64{"order_time": 1, "order_amount": .98}},
		Parts: []contract.Part{{Key: "one_time", N: 600, Value: v / 2}, {Key: "repeat", N: 400, Value: 1.75 * v}},
	}
}

// eventually waits until ok holds.
func (r *rig) eventually(ok func() bool) {
	r.t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !ok() {
		select {
		case <-end.C:
			r.t.Fatal("it never came true")
		case <-look.C:
		}
	}
}

// metrics returns what the service measures, as Prometheus reads it.
func (r *rig) metrics() string {
	r.t.Helper()
	token, err := r.issuer.Token("prometheus", []signin.Role{signin.Machine}, time.Hour)
	must(r.t, err)
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.server.URL+"/metrics", nil)
	must(r.t, err)
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := r.server.Client().Do(req)
	must(r.t, err)
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(res.Body)
	must(r.t, err)
	if res.StatusCode != http.StatusOK {
		r.t.Fatalf("metrics: %s\n%s", res.Status, b)
	}
	return string(b)
}
