package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/strata-crm/strata/shared/contract"
	"github.com/strata-crm/strata/shared/fault"
	"github.com/strata-crm/strata/shared/httpx"
	"github.com/strata-crm/strata/shared/signin"
)

// Operator is the subject of whoever holds the folder's key. No link is ever made for it.
const Operator = "local-operator"

// Handler serves all services at one address: the console and sign-in at /, each layer's interface under /api, the
// collection at /v1, and health, metrics and the sign-in's public keys of all together.
func (s *Suite) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, l := range s.layers {
		mux.Handle("/api/"+string(l.name)+"/", l.service.Handler())
		if l.name == contract.Operational {
			mux.Handle("/v1/", l.service.Handler())
		}
	}
	if len(s.layers) > 0 {
		mux.Handle("/", s.layers[0].service.Handler())
	}
	mux.Handle("GET /.well-known/jwks.json", s.issuer.JWKS())
	mux.HandleFunc("POST /signin/links", s.link)
	mux.HandleFunc("POST /backup", s.backUpNow)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.signedIn(s.metrics))
	return mux
}

func listening(bound func(string)) func(net.Addr) {
	return func(a net.Addr) {
		if bound != nil {
			bound("http://" + a.String())
		}
	}
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away: nobody is left to tell
}

// readyz answers with every service's own checks.
func (s *Suite) readyz(w http.ResponseWriter, r *http.Request) {
	all, status := map[string]json.RawMessage{}, http.StatusOK
	for _, l := range s.layers {
		one := httptest.NewRecorder()
		l.service.Handler().ServeHTTP(one, r)
		all[string(l.name)] = one.Body.Bytes()
		status = max(status, one.Code)
	}
	if err := s.stores.broker.Err(); err != nil {
		all["broker"], status = json.RawMessage(`{"status":"not_ready"}`), http.StatusServiceUnavailable
	}
	if err := s.stores.docs.Err(); err != nil {
		all["store"], status = json.RawMessage(`{"status":"not_ready"}`), http.StatusServiceUnavailable
	}
	answer(w, status, all)
}

// signedIn lets through whoever sends a token of the issuer, as every service does alone.
func (s *Suite) signedIn(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := s.bearer(r); err != nil {
			w.Header().Set("WWW-Authenticate", "Bearer")
			_ = httpx.WriteProblem(w, httpx.ProblemOf(err, "")) // the client went away
			return
		}
		next(w, r)
	})
}

// bearer returns who sent the request's token.
func (s *Suite) bearer(r *http.Request) (signin.Identity, error) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	return s.issuer.Verifier().Verify(r.Context(), token)
}

// metrics serves what all services measure, each sample with the service's name.
func (s *Suite) metrics(w http.ResponseWriter, r *http.Request) {
	families := map[string]*dto.MetricFamily{}
	for _, l := range s.layers {
		if err := collect(families, l, r); err != nil {
			http.Error(w, "the metrics of the "+string(l.name)+" layer cannot be read", http.StatusInternalServerError)
			return
		}
	}
	w.Header().Set("Content-Type", string(expfmt.NewFormat(expfmt.TypeTextPlain)))
	out := expfmt.NewEncoder(w, expfmt.NewFormat(expfmt.TypeTextPlain))
	for _, f := range families {
		if out.Encode(f) != nil {
			return // the client went away
		}
	}
}

func collect(into map[string]*dto.MetricFamily, l *layer, r *http.Request) error {
	plain := r.Clone(r.Context())
	plain.Header = http.Header{"Accept": {"text/plain"}}
	one := httptest.NewRecorder()
	l.metrics.ServeHTTP(one, plain)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(one.Body.Bytes()))
	if err != nil {
		return fmt.Errorf("parse metrics: %w", err)
	}
	label, value := "service", string(l.name)
	for name, f := range families {
		for _, m := range f.Metric {
			m.Label = append(m.Label, &dto.LabelPair{Name: &label, Value: &value})
		}
		if have := into[name]; have != nil {
			have.Metric = append(have.Metric, f.Metric...)
			continue
		}
		into[name] = f
	}
	return nil
}

// link makes a one-time sign-in link for whoever holds the folder's key: `strata link`.
func (s *Suite) link(w http.ResponseWriter, r *http.Request) {
	who, err := s.bearer(r)
	if err == nil && who.Subject != Operator {
		err = fault.New(fault.Denied, fault.PolicyDenied, "links are made with `strata link` by whoever may read the data folder")
	}
	var want struct {
		Subject string        `json:"subject"`
		Roles   []signin.Role `json:"roles"`
	}
	if err == nil {
		err = decode(r, &want)
	}
	if err == nil && (want.Subject == "" || want.Subject == Operator || len(want.Roles) == 0) {
		err = fault.New(fault.Invalid, fault.BadRequest, "a link needs a subject and roles")
	}
	for _, role := range want.Roles {
		if err == nil && !role.Known() {
			err = fault.New(fault.Invalid, fault.BadRequest, "unknown role %q: use one of %v", role, signin.Roles())
		}
	}
	if err != nil {
		_ = httpx.WriteProblem(w, httpx.ProblemOf(err, "")) // the client went away
		return
	}
	answer(w, http.StatusCreated, map[string]string{"code": s.issuer.Link(want.Subject, want.Roles)})
}

func decode(r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 4<<10))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fault.New(fault.Invalid, fault.BadRequest, `send {"subject": "…", "roles": ["…"]}`)
	}
	return nil
}

// Bearer returns a token of the local sign-in for the subject, for a day.
func (s *Suite) Bearer(_ context.Context, subject string, roles ...signin.Role) (string, error) {
	return s.issuer.Token(subject, roles, tokenLife)
}
