package httpx_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
	"github.com/strata-crm/strata/shared/telemetry"
)

// tokens is a verifier that knows its tokens by heart.
type tokens map[string]signin.Identity

func (v tokens) Verify(_ context.Context, bearer string) (signin.Identity, error) {
	if bearer == "away" {
		return signin.Identity{}, fault.New(fault.Transient, fault.Unavailable, "the issuer is away")
	}
	if who, ok := v[bearer]; ok {
		return who, nil
	}
	return signin.Identity{}, fault.New(fault.Denied, fault.NotSignedIn, "sign in again")
}

// buffer is a log that may be written from several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) { b.mu.Lock(); defer b.mu.Unlock(); return b.b.Write(p) }
func (b *buffer) String() string              { b.mu.Lock(); defer b.mu.Unlock(); return b.b.String() }

type fixture struct {
	e     *echo.Echo
	log   *buffer
	spans *tracetest.InMemoryExporter
}

func open(t *testing.T, change func(*httpx.Options)) fixture {
	t.Helper()
	f := fixture{log: &buffer{}, spans: tracetest.NewInMemoryExporter()}
	tel, err := telemetry.New(t.Context(), telemetry.Options{Service: "test", Stderr: f.log, LogLevel: "debug", Exporter: f.spans})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tel.Shutdown(context.Background()) })
	o := httpx.Options{
		Name: "test", Telemetry: tel, Logger: tel.Logger, Now: time.Now,
		Verifier: tokens{"ada": {Subject: "ada", Tenant: "main"}, "bob": {Subject: "bob", Tenant: "main"}},
	}
	if change != nil {
		change(&o)
	}
	f.e, err = httpx.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// do sends a request as ada; headers are name, value, …; an empty value removes one.
func (f fixture) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer ada")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
			continue
		}
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	f.e.ServeHTTP(w, r)
	return w
}

func problemOf(t *testing.T, w *httptest.ResponseRecorder) httpx.Problem {
	t.Helper()
	var p httpx.Problem
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Fatalf("no problem document but %d %s %q", w.Code, w.Header().Get("Content-Type"), w.Body)
	}
	if p.Status != w.Code || p.Instance != w.Header().Get("X-Request-Id") || p.Instance == "" {
		t.Errorf("problem %+v doesn't fit answer %d with id %q", p, w.Code, w.Header().Get("X-Request-Id"))
	}
	return p
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		err    error
		status int
		code   string
		detail string
	}{
		"not found":      {fault.New(fault.NotFound, "", "there is no goal 7"), 404, "not_found", "no goal 7"},
		"invalid":        {fault.New(fault.Invalid, fault.NotSMART, "name a date"), 422, "not_smart", "name a date"},
		"bad request":    {fault.New(fault.Invalid, fault.BadRequest, "no"), 400, "bad_request", "no"},
		"denied":         {fault.New(fault.Denied, fault.PolicyDenied, "ask two"), 403, "policy_denied", "ask two"},
		"changed":        {httpx.CheckRevision(3, 2), 412, "precondition_failed", `"3"`},
		"conflict":       {fault.New(fault.Conflict, fault.RevisionConflict, "again"), 409, "revision_conflict", "again"},
		"away":           {fault.Wrap(fault.Transient, fault.Unavailable, errors.New("hush"), "try again"), 503, "unavailable", "try again"},
		"internal":       {errors.New("hush"), 500, "internal", "instance"},
		"internal fault": {fault.Wrap(fault.Internal, "", errors.New("hush"), "hush"), 500, "internal", "instance"},
		"cancelled":      {context.DeadlineExceeded, 503, "unavailable", "too long"},
		"of echo":        {echo.NewHTTPError(415, "hush"), 415, "bad_request", "application/json"},
		"unknown echo":   {echo.NewHTTPError(418, "hush"), 500, "internal", "instance"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := open(t, nil)
			f.e.GET("/x", func(echo.Context) error { return tt.err })
			w := f.do("GET", "/x", "")
			p := problemOf(t, w)
			if p.Status != tt.status || p.Type != "urn:strata:problem:"+tt.code || !strings.Contains(p.Detail, tt.detail) || p.Title == "" {
				t.Errorf("got %+v", p)
			}
			if strings.Contains(w.Body.String(), "hush") {
				t.Errorf("internal text left the service: %s", w.Body)
			}
			for _, s := range f.spans.GetSpans() {
				for _, a := range s.Attributes {
					if strings.Contains(a.Value.String(), "hush") {
						t.Errorf("internal text is in the trace: %v", a)
					}
				}
			}
			if tt.status >= 500 && !strings.Contains(f.log.String(), p.Instance) {
				t.Error("the failure is not in the log under its id")
			}
		})
	}
}

func TestProblemListsPlaces(t *testing.T) {
	t.Parallel()
	err := errors.Join(
		&fault.Error{Kind: fault.Invalid, Code: fault.NotSMART, At: "/deadline", Text: "name a date"},
		&fault.Error{Kind: fault.Invalid, Code: fault.NotSMART, At: "limit", Text: "too much"},
		&fault.Error{Kind: fault.Internal, At: "/secret", Text: "hush"},
	)
	want := []httpx.Place{{Pointer: "/deadline", Detail: "name a date"}, {Parameter: "limit", Detail: "too much"}}
	if d := cmp.Diff(want, httpx.ProblemOf(err, "id").Errors); d != "" {
		t.Errorf("places (-want +got):\n%s", d)
	}
}

func TestPanicBecomesAProblem(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.e.GET("/x", func(echo.Context) error { panic("hush") })
	w := f.do("GET", "/x", "")
	if p := problemOf(t, w); p.Status != 500 || strings.Contains(w.Body.String(), "hush") {
		t.Errorf("got %+v", p)
	}
	if !strings.Contains(f.log.String(), "panic: hush") {
		t.Error("the panic is not in the log")
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.e.GET("/x", func(c echo.Context) error {
		if from := httpx.RequestIDFrom(c.Request().Context()); from != httpx.RequestID(c) {
			t.Errorf("the context has the id %q, the answer %q", from, httpx.RequestID(c))
		}
		return c.String(200, httpx.RequestID(c))
	})
	if w := f.do("GET", "/x", "", "X-Request-Id", "my-request-1"); w.Body.String() != "my-request-1" {
		t.Errorf("a good id became %q", w.Body)
	}
	for _, bad := range []string{"short", strings.Repeat("x", 65), "with space in it", "line\nbreak-in-it"} {
		if w := f.do("GET", "/x", "", "X-Request-Id", bad); w.Body.String() == bad || len(w.Body.String()) != 36 {
			t.Errorf("the bad id %q became %q", bad, w.Body)
		}
	}
}

func TestSecurityHeaders(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) {
		o.Public = []string{"/page"}
		o.CSP = map[string]string{"img-src": "'self' data: blob:"}
	})
	var nonce string
	f.e.GET("/page", func(c echo.Context) error { nonce = httpx.Nonce(c); return c.HTML(200, "<p>") })
	f.e.GET("/x", func(c echo.Context) error { return c.NoContent(204) })
	plain := f.do("GET", "/x", "").Header()
	csp := plain.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "frame-ancestors 'none'", "img-src 'self' data: blob:", "base-uri 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("policy %q lacks %q", csp, want)
		}
	}
	if strings.Contains(csp, "unsafe") || plain.Get("X-Content-Type-Options") != "nosniff" || plain.Get("Referrer-Policy") != "no-referrer" ||
		plain.Get("Cache-Control") != "no-store" || plain.Get("Strict-Transport-Security") != "" {
		t.Errorf("headers %v", plain)
	}
	page := f.do("GET", "/page", "").Header().Get("Content-Security-Policy")
	if nonce == "" || !strings.Contains(page, "script-src 'self' 'nonce-"+nonce+"'") || !strings.Contains(page, "style-src 'self' 'nonce-"+nonce+"'") {
		t.Errorf("policy %q lacks the nonce %q", page, nonce)
	}
	if after := f.do("GET", "/x", "").Header().Get("Content-Security-Policy"); after != csp {
		t.Errorf("one page's nonce stays in the policy: %q", after)
	}
}

func TestBodyLimit(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) {
		o.BodyLimit = 10
		o.BodyLimits = map[string]int64{"/up/*": 20, "/up/small": 5}
	})
	read := func(c echo.Context) error {
		_, err := io.ReadAll(c.Request().Body)
		if err != nil {
			return echo.NewHTTPError(400, "cannot read").SetInternal(err) // as echo's binder does
		}
		return c.NoContent(204)
	}
	f.e.POST("/x", read)
	f.e.POST("/up/:name", read)
	for _, tt := range []struct {
		path   string
		bytes  int
		status int
	}{{"/x", 10, 204}, {"/x", 11, 413}, {"/up/big", 20, 204}, {"/up/big", 21, 413}, {"/up/small", 6, 413}} {
		if w := f.do("POST", tt.path, strings.Repeat("x", tt.bytes)); w.Code != tt.status {
			t.Errorf("%d bytes to %s: got %d, want %d", tt.bytes, tt.path, w.Code, tt.status)
		}
		r := httptest.NewRequest("POST", tt.path, io.MultiReader(strings.NewReader(strings.Repeat("x", tt.bytes)))) // of unknown length
		r.Header.Set("Authorization", "Bearer ada")
		w := httptest.NewRecorder()
		if f.e.ServeHTTP(w, r); w.Code != tt.status {
			t.Errorf("%d bytes in chunks to %s: got %d, want %d", tt.bytes, tt.path, w.Code, tt.status)
		}
	}
}

func TestTimeoutEndsARequest(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.Timeout, o.Long = 10*time.Millisecond, []string{"/long"} })
	f.e.GET("/x", func(c echo.Context) error { <-c.Request().Context().Done(); return c.Request().Context().Err() })
	f.e.GET("/long", func(c echo.Context) error {
		if c.Request().Context().Done() != nil {
			return errors.New("it has a timeout")
		}
		return c.NoContent(204)
	})
	if p := problemOf(t, f.do("GET", "/x", "")); p.Status != 503 || p.Type != "urn:strata:problem:unavailable" {
		t.Errorf("got %+v", p)
	}
	if w := f.do("GET", "/long", ""); w.Code != 204 {
		t.Errorf("a long request: got %d %s", w.Code, w.Body)
	}
}

func TestLogAndTraceHoldNoQuery(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.e.GET("/people/:id", func(c echo.Context) error { return c.NoContent(204) })
	f.do("GET", "/people/1?name=hush", "", "Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "Baggage", "name=hush")
	if s := f.log.String(); strings.Contains(s, "hush") || !strings.Contains(s, `"route":"/people/:id"`) || !strings.Contains(s, "0af7651916cd43dd8448eb211c80319c") {
		t.Errorf("log: %s", s)
	}
	spans := f.spans.GetSpans()
	if len(spans) != 1 || spans[0].SpanContext.TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Fatalf("spans: %v", spans)
	}
	for _, a := range spans[0].Attributes {
		if strings.Contains(a.Value.String(), "hush") {
			t.Errorf("the query is in the trace: %v", a)
		}
	}
}

func TestAddressOfTheCaller(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		proxies []string
		want    string
	}{{nil, "192.0.2.1"}, {[]string{"192.0.2.0/24"}, "203.0.113.9"}, {[]string{"10.0.0.0/8"}, "192.0.2.1"}} {
		f := open(t, func(o *httpx.Options) { o.Proxies = tt.proxies })
		f.e.GET("/x", func(c echo.Context) error { return c.String(200, c.RealIP()) })
		if w := f.do("GET", "/x", "", "X-Forwarded-For", "203.0.113.9", "X-Real-Ip", "203.0.113.8"); w.Body.String() != tt.want {
			t.Errorf("proxies %v: got %q, want %q", tt.proxies, w.Body, tt.want)
		}
	}
}

func TestNewNeedsEverything(t *testing.T) {
	t.Parallel()
	tel := &telemetry.Telemetry{}
	full := httpx.Options{Name: "x", Telemetry: tel, Verifier: tokens{}, Logger: slog.Default(), Now: time.Now, Proxies: []string{"nowhere"}}
	for name, strip := range map[string]func(*httpx.Options){
		"Name": func(o *httpx.Options) { o.Name = "" }, "Telemetry": func(o *httpx.Options) { o.Telemetry = nil },
		"Verifier": func(o *httpx.Options) { o.Verifier = nil }, "Logger": func(o *httpx.Options) { o.Logger = nil },
		"Now": func(o *httpx.Options) { o.Now = nil }, "nowhere": func(*httpx.Options) {},
	} {
		o := full
		strip(&o)
		if _, err := httpx.New(o); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: got %v", name, err)
		}
	}
}

func TestUnknownAddressesAndMethods(t *testing.T) {
	t.Parallel()
	f := open(t, nil)
	f.e.GET("/x", func(c echo.Context) error { return c.NoContent(204) })
	if p := problemOf(t, f.do("GET", "/none", "")); p.Status != http.StatusNotFound {
		t.Errorf("got %+v", p)
	}
	w := f.do("DELETE", "/x", "")
	if p := problemOf(t, w); p.Status != http.StatusMethodNotAllowed || !strings.Contains(w.Header().Get("Allow"), "GET") {
		t.Errorf("got %+v with %v", p, w.Header())
	}
	if w := f.do("GET", "/none", "", "Authorization", ""); w.Code != http.StatusUnauthorized {
		t.Errorf("a stranger learns what exists: %d", w.Code)
	}
	if w := f.do("GET", "/metrics", ""); w.Code != 200 || !strings.Contains(w.Body.String(), "target_info") {
		t.Errorf("metrics: %d", w.Code)
	}
}

func TestUnknownPathsReachNeitherLogNorMetrics(t *testing.T) {
	t.Parallel()
	f := open(t, func(o *httpx.Options) { o.Public = []string{"/hush*"} })
	f.e.GET("/x", func(c echo.Context) error { return c.NoContent(204) })
	f.do("GET", "/hush-1", "")
	f.do("GET", "/hush-2/deep", "")
	if s := f.log.String(); strings.Contains(s, "hush") || !strings.Contains(s, `"status":404`) {
		t.Errorf("log: %s", s)
	}
	if s := f.do("GET", "/metrics", "").Body.String(); strings.Contains(s, "hush") || !strings.Contains(s, "http_server_request_duration") {
		t.Errorf("metrics: %s", s)
	}
}
