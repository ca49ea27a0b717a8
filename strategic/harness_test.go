package strategic

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/strata-crm/strata/shared/bus/bustest"
	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/host"
	"github.com/strata-crm/strata/shared/mongodb"
	"github.com/strata-crm/strata/shared/mongodb/mongotest"
	"github.com/strata-crm/strata/shared/service"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/telemetry"
	"github.com/strata-crm/strata/strategic/internal/directive"
	"github.com/strata-crm/strata/strategic/internal/goal"
)

// clock is a wall clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(time.Millisecond)
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// suite is the service on a database and a bus in memory.
type suite struct {
	t      testing.TB
	ctx    context.Context
	bus    *bustest.Bus
	clock  *clock
	issuer *signin.Issuer
	url    string
	stop   func()
	spans  *tracetest.InMemoryExporter
}

func start(t testing.TB) *suite {
	t.Helper()
	s := &suite{t: t, bus: bustest.Memory(t, contract.Specs()...), clock: &clock{at: time.Now()}}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	s.ctx = ctx
	issuer, err := signin.NewIssuer(signin.Options{Dir: t.TempDir(), Now: time.Now, Tenant: "main"})
	if err != nil {
		t.Fatal(err)
	}
	s.issuer = issuer
	s.run(mongotest.Open(t, Indexes()...))
	return s
}

// run starts the service on a database; an earlier one is stopped.
func (s *suite) run(db *mongodb.DB) {
	s.t.Helper()
	if s.stop != nil {
		s.stop()
	}
	s.spans = tracetest.NewInMemoryExporter()
	tel, err := telemetry.New(s.ctx, telemetry.Options{Service: "strategic", Stderr: io.Discard, Exporter: sdktrace.SpanExporter(s.spans)})
	if err != nil {
		s.t.Fatal(err)
	}
	c := Config{Lapse: 20 * time.Millisecond}
	c.Tenant = host.Tenant{ID: "main", Zone: "UTC", Currency: "USD"}
	svc, err := New(s.ctx, c, host.Deps{
		DB: db, Bus: s.bus, Verifier: s.issuer.Verifier(), SignIn: s.issuer, Telemetry: tel, Now: s.clock.now, NewID: contract.NewID,
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.serve(svc)
}

func (s *suite) serve(svc *service.Service) {
	ctx, cancel := context.WithCancel(s.ctx)
	ran := make(chan error, 1)
	go func() { ran <- svc.Run(ctx) }()
	server := httptest.NewServer(svc.Handler())
	s.url = server.URL
	var once sync.Once
	s.stop = func() {
		once.Do(func() {
			server.CloseClientConnections()
			server.Close()
			cancel()
			if err := <-ran; err != nil {
				s.t.Errorf("the service ended: %v", err)
			}
		})
	}
	s.t.Cleanup(s.stop)
	s.until("ready", func() bool { r, err := http.Get(s.url + "/readyz"); return err == nil && r.StatusCode == http.StatusOK })
}

// until waits for a condition that has no signal of its own.
func (s *suite) until(what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("%s did not come about", what)
		case <-tick.C:
		}
	}
}

func (s *suite) token(subject string, roles ...signin.Role) string {
	s.t.Helper()
	token, err := s.issuer.Token(subject, roles, time.Hour)
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

// answer is what came back from a call.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

func (a answer) into(v any) answer {
	a.t.Helper()
	if err := json.Unmarshal(a.body, v); err != nil {
		a.t.Fatalf("%v in %s", err, a.body)
	}
	return a
}

func (a answer) want(status int) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("status %d, want %d: %s", a.status, status, a.body)
	}
	return a
}

func (a answer) problem(status int, code string) answer {
	a.t.Helper()
	a.want(status)
	if !strings.Contains(string(a.body), "urn:strata:problem:"+code) {
		a.t.Fatalf("want problem %s: %s", code, a.body)
	}
	return a
}

// call sends a request; a path without a leading slash is of the API.
func (s *suite) call(token, method, path string, body any, headers ...string) answer {
	s.t.Helper()
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		r = bytes.NewReader(b)
	}
	if !strings.HasPrefix(path, "/") {
		path = "/api/strategic/v1/" + path
	}
	req, err := http.NewRequestWithContext(s.ctx, method, s.url+path, r)
	if err != nil {
		s.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", contract.NewID()) // so that a write outside of a transaction is noticed
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{s.t, res.StatusCode, res.Header, b}
}

// govern has the default governance directive approved by two executives.
func (s *suite) govern() {
	s.t.Helper()
	s.call(s.token("eva", signin.Executive), "POST", "governance/1/approvals", nil).want(200)
	s.call(s.token("max", signin.Executive), "POST", "governance/1/approvals", nil).want(200)
}

func number(v float64) *float64 { return &v }

func proposal() goal.Proposal {
	return goal.Proposal{
		Name: "Keep customers buying", Variable: contract.Retention, Metric: "month_on_month_retention", Kind: contract.Level, Direction: contract.Up,
		Baseline: contract.Baseline{MeasureUntil: "1997-09-30"}, Target: contract.Target{Relative: number(.15)}, Unit: contract.Ratio,
		Deadline: "1998-06-30", Owner: "head of retention", Relevance: "Keeping a customer costs less than finding one.",
	}
}

// order sets a goal and issues a directive for it.
func (s *suite) order(p goal.Proposal) directive.Directive {
	s.t.Helper()
	eva := s.token("eva", signin.Executive)
	var g goal.Goal
	s.call(eva, "POST", "goals", p).want(201).into(&g)
	s.call(eva, "POST", "goals/"+string(g.ID)+"/activate", nil).want(200)
	var d directive.Directive
	s.call(eva, "POST", "directives", directive.Wish{Goal: g.ID}).want(201).into(&d)
	s.call(eva, "POST", "directives/"+string(d.ID)+"/propose", nil).want(200)
	s.call(eva, "POST", "directives/"+string(d.ID)+"/approvals", nil).want(200)
	s.call(eva, "POST", "directives/"+string(d.ID)+"/issue", nil).want(200).into(&d)
	return d
}

// tell publishes a message of the layer below.
func (s *suite) tell(topic, kind, key string, p contract.Payload) {
	s.t.Helper()
	m, err := contract.Encode(topic, key, contract.Envelope{
		ID: contract.NewID(), Source: contract.Functional, Type: kind, Subject: key, Time: s.clock.now(), Tenant: "main",
	}, p)
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.bus.Publish(s.ctx, m); err != nil {
		s.t.Fatal(err)
	}
}

func (s *suite) ack(d contract.DirectiveID, revision int64, state contract.State, reasons ...contract.Reason) contract.Acknowledgement {
	at := s.clock.now().UTC().Truncate(time.Millisecond)
	a := contract.Acknowledgement{
		Directive: d, DirectiveRevision: revision, AckRevision: at.UnixMilli(), Layer: contract.Functional, State: state, Reasons: reasons, At: at,
		History: []contract.Step{{State: contract.Received, At: at, By: "functional"}, {State: state, At: at, By: "functional", Reasons: reasons}},
	}
	s.tell(contract.TopicFunctionalAcks, contract.TypeFunctionalAck, string(d), &a)
	return a
}

// sent returns the directives that were published, in order.
func (s *suite) sent() []contract.StrategicDirective {
	s.t.Helper()
	var all []contract.StrategicDirective
	for _, m := range s.bus.Messages(contract.TopicStrategicDirectives) {
		if m.Header("ce_type") == contract.TypeStrategicDirective {
			_, d, err := contract.Decode[contract.StrategicDirective](m)
			if err != nil {
				s.t.Fatal(err)
			}
			all = append(all, d)
		}
	}
	return all
}
