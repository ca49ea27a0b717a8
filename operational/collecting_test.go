package operational

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/strata-crm/strata/operational/internal/collect"
	"github.com/strata-crm/strata/operational/internal/govern"
	"github.com/strata-crm/strata/operational/internal/httpapi"
	"github.com/strata-crm/strata/operational/internal/ingest"
	rules "github.com/strata-crm/strata/operational/policy"
	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/policy"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/telemetry"
)

// rig is the collecting half, running against a bus and a database, reached over HTTP only.
type rig struct {
	t      testing.TB
	db     *mongodb.DB
	bus    *bustest.Bus
	asked  asked
	issuer *signin.Issuer
	half   *collecting
	server *httptest.Server
	token  string
	stop   func()
}

// asked is a set of directives and when they were in force.
type asked struct {
	set      *atomic.Pointer[collect.Set]
	validity map[contract.DirectiveID]ingest.Validity
}

func (a asked) InForce() *collect.Set { return a.set.Load() }

func (a asked) Validity(context.Context, []contract.DirectiveID) (map[contract.DirectiveID]ingest.Validity, error) {
	return a.validity, nil
}

func parameter(name contract.ParameterName, v contract.ValueType, call, event, property string) contract.Collection {
	return contract.Collection{Required: true, Parameter: contract.Parameter{Name: name, Value: v, Purpose: "retention_analysis",
		Owner: "head of sales", Steward: "order data steward", Method: contract.Method{Kind: "file", Call: call, Event: event, Property: property}}}
}

// orders asks for orders and answers, from an hour ago.
func orders(now time.Time) asked {
	d := contract.OperationalDirective{
		Order: contract.Order{ID: "od-1", Revision: 1, Standing: contract.InForce, ValidFrom: now.Add(-time.Hour), Expires: now.Add(24 * time.Hour)},
		Collect: []contract.Collection{
			parameter(contract.ParamCustomerID, contract.Text, "track", "Order Completed", "userId"),
			parameter(contract.ParamOrderTime, contract.Timestamp, "track", "Order Completed", "timestamp"),
			parameter(contract.ParamOrderAmount, contract.AmountOf, "track", "Order Completed", "total"),
			parameter(contract.ParamOrderItems, contract.Integer, "track", "Order Completed", "quantity"),
			parameter("email", contract.Text, "identify", "", "email"),
			parameter(contract.ParamNPS, contract.Score, "track", "Survey Answered", "score"),
		},
	}
	a := asked{new(atomic.Pointer[collect.Set]), map[contract.DirectiveID]ingest.Validity{"od-1": {From: d.ValidFrom, Until: d.Expires}}}
	a.set.Store(collect.NewSet(1, []contract.OperationalDirective{d}))
	return a
}

func newTelemetry(t testing.TB) *telemetry.Telemetry {
	t.Helper()
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "operational", Stderr: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.WithoutCancel(t.Context())) })
	tel.Logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	return tel
}

const testKey = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

func settings() Config {
	c := Config{Key: testKey, MostRead: 100_000}
	c.Tenant = host.Tenant{ID: "main", Zone: "UTC", Currency: "USD", WeekStart: "monday"}
	return c
}

// gate is the shipped policy.
func gate(t testing.TB, d host.Deps) httpapi.Gate {
	t.Helper()
	engine, err := policy.New(t.Context(), policy.Options{Layer: string(contract.Operational), Files: rules.Files, Inputs: rules.Inputs(),
		Canaries: rules.Canaries(), Record: func(context.Context, policy.Record) error { return nil }, Now: d.Now, Logger: d.Telemetry.Logger, Meter: d.Telemetry.Meter})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.SetData(t.Context(), 1, contract.GovernanceDirective{Roles: roles()}); err != nil {
		t.Fatal(err)
	}
	return govern.Policy{Engine: engine}.Gate
}

// roles are what the rules that Strata proposes let people do here.
func roles() map[string][]string {
	return map[string][]string{
		"executive": {"read"}, "manager": {"read", "export_people"}, "service": {"read"}, "collector": {"import", "declare_complete"},
		"steward": {"read", "register_source", "import", "declare_complete", "export_people", "erase_person", "disclose_person"},
	}
}

func newRig(t testing.TB, d host.Deps, a asked) *rig {
	t.Helper()
	half, err := newCollecting(t.Context(), settings(), d, a, a, gate(t, d))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := signin.NewIssuer(signin.Options{Dir: t.TempDir(), Now: time.Now, Tenant: "main"})
	if err != nil {
		t.Fatal(err)
	}
	token, err := issuer.Token("tester", []signin.Role{signin.Steward, signin.Manager}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	e, err := httpx.New(httpx.Options{Name: "operational", Telemetry: d.Telemetry, Verifier: issuer.Verifier(), Logger: d.Telemetry.Logger, Now: d.Now,
		Public: httpapi.PublicPaths, Secret: httpapi.SecretPaths, BodyLimits: httpapi.BodyLimits, Idempotency: mongodb.NewIdempotency(d.DB)})
	if err != nil {
		t.Fatal(err)
	}
	if err := (httpapi.Server{Collecting: half.api}).Register(e); err != nil {
		t.Fatal(err)
	}
	svc, err := service.New(service.Options{Name: "operational", Logger: d.Telemetry.Logger, Now: d.Now, Handler: e, Components: half.components, Ready: half.ready, Watch: half.watch})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- svc.Run(ctx) }()
	r := &rig{t: t, db: d.DB, asked: a, issuer: issuer, half: half, server: httptest.NewServer(svc.Handler()), token: token}
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

// memory is the rig over the bus and the document store in memory.
func memory(t testing.TB) *rig {
	t.Helper()
	b := bustest.Memory(t, contract.Specs()...)
	d := host.Deps{DB: mongotest.Open(t, Indexes()...), Bus: b, Telemetry: newTelemetry(t), Now: time.Now, NewID: contract.NewID}
	r := newRig(t, d, orders(time.Now()))
	r.bus = b
	return r
}

func (r *rig) do(method, path, auth string, body any, want int, into any) {
	r.t.Helper()
	var b []byte
	switch v := body.(type) {
	case nil:
	case []byte:
		b = v
	default:
		var err error
		if b, err = json.Marshal(v); err != nil {
			r.t.Fatal(err)
		}
	}
	req, err := http.NewRequestWithContext(r.t.Context(), method, r.server.URL+path, bytes.NewReader(b))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if auth == "" {
		auth = "Bearer " + r.token
	}
	req.Header.Set("Authorization", auth)
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", contract.NewID()) // so that a write outside of a transaction is noticed
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if want != 0 && res.StatusCode != want {
		r.t.Fatalf("%s %s: status %d, want %d: %s", method, path, res.StatusCode, want, answer)
	}
	if into != nil {
		if err := json.Unmarshal(answer, into); err != nil {
			r.t.Fatalf("%s %s: %v in %s", method, path, err, answer)
		}
	}
}

const api = "/api/operational/v1"

func (r *rig) register(id string) (writeKey string) {
	r.t.Helper()
	var answer httpapi.RegisteredSource
	r.do("POST", api+"/sources", "", map[string]any{"id": id, "name": "The shop", "owner": "head of sales", "steward": "order data steward",
		"offers": []string{"order_amount", "order_time"}, "format": "file", "trust": "verified"}, 201, &answer)
	return answer.WriteKey
}

// until polls over the public interface; the service has no other way to say that it has caught up.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(5 * time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			r.t.Fatalf("waited in vain for: %s", what)
		}
	}
}

func (r *rig) conserved() httpapi.Conservation {
	r.t.Helper()
	var c httpapi.Conservation
	r.do("GET", api+"/ingest/conservation", "", nil, 200, &c)
	if c.Unaccounted != 0 {
		r.t.Fatalf("%d records are unaccounted for: %+v", c.Unaccounted, c.Partitions)
	}
	return c
}

func TestCollection(t *testing.T) {
	t.Parallel()
	r := memory(t)
	key := r.register("shop")
	var answers httpapi.Answers
	now := time.Now().UTC()
	order := map[string]any{"type": "track", "event": "Order Completed", "userId": "ada", "messageId": "m1", "timestamp": now.Format(time.RFC3339),
		"properties": map[string]any{"total": "11.77", "currency": "USD", "quantity": 1, "coupon": "X"}}
	future := map[string]any{"type": "track", "event": "Order Completed", "userId": "ada", "messageId": "m2", "timestamp": now.Add(48 * time.Hour).Format(time.RFC3339),
		"properties": map[string]any{"total": 1}}
	euros := map[string]any{"type": "track", "event": "Order Completed", "userId": "ada", "messageId": "m3", "timestamp": now.Format(time.RFC3339),
		"properties": map[string]any{"total": 5, "currency": "EUR"}}
	unasked := map[string]any{"type": "page", "userId": "ada", "messageId": "m4", "properties": map[string]any{"url": "/"}}
	wrong := map[string]any{"type": "track", "event": "Order Completed", "userId": "ada", "messageId": "m5", "properties": map[string]any{"total": "eleven"}}
	r.do("POST", "/v1/batch", "Bearer "+key, map[string]any{"batch": []any{order, future, euros, unasked, wrong}}, 207, &answers)
	var got []string
	for _, a := range answers.Results {
		code := ""
		if a.Code != nil {
			code = *a.Code
		}
		got = append(got, a.MessageId+" "+string(a.Status)+" "+code)
	}
	want := "m1 accepted ,m2 quarantined in_future,m3 quarantined currency_not_supported,m4 not_requested not_requested,m5 invalid wrong_type"
	if strings.Join(got, ",") != want {
		t.Errorf("answers are %s, want %s", strings.Join(got, ","), want)
	}
	r.until("the order is stored", func() bool { c := r.conserved(); return stored(c) == 1 })

	// The same again is a duplicate; with other content it is a conflict.
	r.do("POST", "/v1/track", basic(key), order, 200, &answers)
	if s := answers.Results[0].Status; s != "duplicate" {
		t.Errorf("the same item again is %q, want duplicate", s)
	}
	order["properties"].(map[string]any)["total"] = "12.00"
	r.do("POST", "/v1/track", basic(key), order, 200, &answers)
	if s := answers.Results[0].Status; s != "quarantined" {
		t.Errorf("the same id with other content is %q, want quarantined", s)
	}
	r.until("ingest has judged both", func() bool { c := r.conserved(); return sum(c) == 3 })
	var aside struct{ Items []httpapi.SetAside }
	r.do("GET", api+"/quarantine", "", nil, 200, &aside)
	if len(aside.Items) != 3 {
		t.Errorf("quarantine is %+v, want one each of in_future, currency_not_supported and id_conflict", aside.Items)
	}
	var drops struct{ Items []httpapi.DroppedProperty }
	r.do("GET", api+"/sources/shop/dropped", "", nil, 200, &drops)
	if len(drops.Items) != 2 || drops.Items[0].Name != "coupon" || drops.Items[1].Name != "url" {
		t.Errorf("dropped properties are %+v, want coupon and url", drops.Items)
	}
	r.do("POST", "/v1/track", "Bearer wk_wrong", order, 401, nil)
}

func basic(key string) string {
	req := http.Request{Header: http.Header{}}
	req.SetBasicAuth(key, "")
	return req.Header.Get("Authorization")
}

func stored(c httpapi.Conservation) (n int64) {
	for _, p := range c.Partitions {
		n += p.Stored
	}
	return n
}

func sum(c httpapi.Conservation) (n int64) {
	for _, p := range c.Partitions {
		n += p.Next
	}
	return n
}
